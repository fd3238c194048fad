"""Our own failures: what went wrong inside tocsin goes in; a line on stderr and a record of `tocsin.internal` leave.

Never into our own sinks. The first complaint of a sort is told in full, later ones at most once a minute with the
number that was kept back. Nothing here raises.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tocsin.event import limits
from tocsin.event.scrub import Scrubber

__all__ = ["LOGGER", "complain", "is_own_work", "own_work", "say", "swallowed"]

LOGGER: Final = "tocsin.internal"
_INTERVAL_S: Final = 60.0
_SORTS: Final = 256

_last_told: dict[str, float] = {}
_kept_back: dict[str, int] = {}
_swallowed = 0
_thread = threading.local()


@contextmanager
def own_work() -> Iterator[None]:
    """Mark what this thread does as tocsin's own.

    What libraries log while they deliver must not be reported: a report that fails would make the next one.
    """
    before = is_own_work()
    _thread.is_own_work = True
    try:
        yield
    finally:
        _thread.is_own_work = before


def is_own_work() -> bool:
    """Tell whether this thread works for tocsin just now, rather than for the application."""
    return getattr(_thread, "is_own_work", False)


def say(text: str) -> None:
    """Write one line to stderr, marked as ours; a missing or broken stderr is nobody's fault here."""
    stream = sys.stderr
    if stream is None:
        return
    try:
        stream.write(f"tocsin: {text}\n")
        stream.flush()
    except Exception:  # noqa: BLE001 - sys.stderr may be anybody's object, or be written to by the thread we interrupt
        return


def complain(sort: str, text: str, fault: BaseException | None = None) -> None:
    """Tell operators that tocsin itself failed.

    ``sort`` names the place, such as ``intake``; complaints of one sort share a budget. ``fault``, where given,
    is shown with its traceback the first time. Counted in `swallowed` when there is a fault.
    """
    global _swallowed
    if fault is not None:
        _swallowed += 1
    now = time.monotonic()
    last = _last_told.get(sort)
    if (last is not None and now - last < _INTERVAL_S) or (last is None and len(_last_told) >= _SORTS):
        _kept_back[sort] = _kept_back.get(sort, 0) + 1
        return
    _last_told[sort] = now
    kept = _kept_back.pop(sort, 0)
    try:
        message = Scrubber().text(text, limits.MESSAGE_CHARS) + (f" ({kept} more like this kept back)" if kept else "")
        say(message)
        if fault is not None and last is None:
            say(_masked_traceback(fault))
        logging.getLogger(LOGGER).log(logging.ERROR, "%s", message, extra={"tocsin_skip": True})
    except Exception:  # noqa: BLE001 - a foreign logging handler may raise; a complaint must not
        say(f"{sort}: failed, and so did telling of it")


def _masked_traceback(fault: BaseException) -> str:
    """Return a fault of ours as text, without its chain: that may be the application's exception, and tell secrets."""
    text = "".join(traceback.format_exception(fault, limit=-8, chain=False)).rstrip()
    return Scrubber().text(text, limits.MESSAGE_CHARS)


def swallowed() -> int:
    """Return how many faults of our own this process swallowed; the test run fails when it grows unasked."""
    return _swallowed
