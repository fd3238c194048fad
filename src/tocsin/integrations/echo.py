"""What fails again on the answer to its own failure: a record of logging goes in, and is settled if it tells of that.

Flask and Quart call what follows a view once more for the 500 that they make of its failure; where that fails as
before, they log it. It is another exception object, yet nothing else went wrong.
"""

from __future__ import annotations

import logging

from tocsin.capture import anatomy, records
from tocsin.event import limits
from tocsin.event.environ import ERROR_ID
from tocsin.event.environ import text as environ_text
from tocsin.intake.mark import is_told
from tocsin.intake.told import settle

__all__ = ["is_echo", "settle_echo"]


def settle_echo(record: logging.LogRecord, environ: dict[str, object]) -> None:
    """Settle a record whose exception was reported already, as the one that it was raised in the handling of."""
    exc = records.exception_of(record)
    if exc is not None and is_echo(exc):
        settle(record, environ_text(environ, ERROR_ID))


def is_echo(exc: BaseException) -> bool:
    """Tell whether an exception was raised while one of its class, from the same line, was handled that was told."""
    before = anatomy.context(exc)
    if before is None or type(before) is not type(exc) or not is_told(before, ""):
        return False
    place = _innermost(exc)
    return place is not None and place == _innermost(before)


def _innermost(exc: BaseException) -> tuple[int, int] | None:
    """Return which code raised it, by its id (both are alive), and at which instruction; None for a long traceback."""
    entry = anatomy.traceback(exc)
    for _ in range(limits.STACK_WALK_FRAMES):
        if entry is None:
            return None
        if entry.tb_next is None:
            return id(entry.tb_frame.f_code), entry.tb_lasti
        entry = entry.tb_next
    return None
