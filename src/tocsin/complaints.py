"""Our own failures: what went wrong inside tocsin goes in; a line on stderr and a record of `tocsin.internal` leave.

Never into our own sinks. The first complaint of a sort is told in full, later ones at most once a minute with the
number that was kept back. Nothing here raises, but what a signal handler raised is let through.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tocsin import system
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.typename import type_name
from tocsin.system.interrupts import let_present_through, let_through

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
    line = f"tocsin: {text}\n"
    try:
        if type(stream) is not io.TextIOWrapper or not _written(stream, line):
            stream.write(line)
            stream.flush()
    except Exception as own:  # noqa: BLE001 - sys.stderr may be anybody's, or be written to by the thread we interrupt
        let_through(own)


def _written(stream: io.TextIOWrapper, line: str) -> bool:
    """Write past a stream's buffer and its lock, which a fork may have left held; return False where that can't be."""
    try:
        fd = stream.fileno()
    except OSError:  # io.UnsupportedOperation: it writes to memory
        return False
    return system.write_promptly(fd, line.encode(stream.encoding, "backslashreplace")) >= 0


def complain(sort: str, text: str, fault: BaseException | None = None) -> None:
    """Tell operators that tocsin itself failed.

    ``sort`` names the place, such as ``intake``; complaints of one sort share a budget. ``fault``, where given,
    is shown with its traceback the first time. Counted in `swallowed` when there is a fault.

    Raises what is no failure of ours: ``fault``, or the exception that the caller handles, if a signal handler of the
    application's has raised it.
    """
    global _swallowed
    let_through(fault)
    let_present_through()
    if fault is not None:
        _swallowed += 1
    try:
        _tell(sort, text, fault)
    except Exception as own:  # noqa: BLE001 - a foreign handler may raise, or no call be left; a complaint must not
        try:
            let_through(own)
            say(f"{sort}: failed, and so did telling of it")
        except RecursionError:
            return


def _tell(sort: str, text: str, fault: BaseException | None) -> None:
    now = time.monotonic()
    last = _last_told.get(sort)
    if (last is not None and now - last < _INTERVAL_S) or (last is None and len(_last_told) >= _SORTS):
        _kept_back[sort] = _kept_back.get(sort, 0) + 1
        return
    _last_told[sort] = now
    kept = _kept_back.pop(sort, 0)
    message = Scrubber().text(text, limits.MESSAGE_CHARS) + (f" ({kept} more like this kept back)" if kept else "")
    say(message)
    if fault is not None and last is None:
        say(_masked_traceback(fault))
    logging.getLogger(LOGGER).log(logging.ERROR, "%s", message, extra={"tocsin_skip": True})


def _masked_traceback(fault: BaseException) -> str:
    """Return a fault of ours as text, without its chain: that may be the application's exception, and tell secrets."""
    entry = BaseException.__dict__["__traceback__"].__get__(fault)
    lines = ["Traceback (most recent call last):\n", *traceback.format_tb(entry, limit=-8)]
    return Scrubber().text("".join(lines) + type_name(type(fault)) + _said(fault), limits.MESSAGE_CHARS)


def _said(fault: BaseException) -> str:
    """Return what a built-in exception says; one of the application's may do anything when it is asked."""
    values = BaseException.__dict__["args"].__get__(fault)
    is_plain = all(type(value) is str or type(value) is int or value is None for value in values)
    return f": {BaseException.__str__(fault)}" if values and is_plain else ""


def swallowed() -> int:
    """Return how many faults of our own this process swallowed; the test run fails when it grows unasked."""
    return _swallowed
