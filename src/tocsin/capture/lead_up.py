"""The lead-up: records of logging go in; the last of the same request or task leave with what is reported of it."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from tocsin.capture import records
from tocsin.capture.requests import find_environ
from tocsin.event import limits
from tocsin.event.environ import LEAD_UP
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import LogLine
from tocsin.system.interrupts import let_through

__all__ = ["keep", "lines"]


# Values that stay as they are, and small; by id, since a metaclass may define `__hash__`.
_LASTING: Final = frozenset(map(id, (float, bool, type(None))))
_KEPT_CHARS: Final = 2 * limits.LEAD_UP_CHARS
_KEPT_ARGS: Final = 64
_HUGE: Final = 1 << 64  # the text of a huge number is refused by the interpreter


class _Kept(NamedTuple):
    created: Any
    level: int
    logger: str
    message: str  # unmasked: most requests are never reported
    args: tuple[Any, ...]  # what is still to be filled in

    def __repr__(self) -> str:
        return "<kept by tocsin>"  # it lies in the environ, which applications log and show, and is not masked yet


def keep(record: logging.LogRecord, length: int, hides: Callable[[str, object], str]) -> None:
    """Remember a record in the request or task that it was logged in, the last ``length`` of each.

    Outside of any nothing is remembered: what a thread did before says nothing of what it does now. No object of the
    application is kept alive, nor any asked: where arguments are more than short texts and numbers, the message is made
    now (3 µs), else when it is reported.
    """
    environ = find_environ(sys._getframe(1))
    if type(environ) is not dict:
        return
    ring = environ.get(LEAD_UP)
    if type(ring) is not deque:
        ring = environ[LEAD_UP] = deque(maxlen=length)
    message: Any = record.msg
    args: Any = record.args
    if not _is_lasting(message, args):
        message, args = records.text_of(record, hides).message[:_KEPT_CHARS], ()
    ring.append(_Kept(record.created, records.level_of(record), records.name_of(record), message, args))


def _is_lasting(message: Any, args: Any) -> bool:
    """Tell whether a message can be made later just as well, from short values that can't change."""
    if type(message) is not str or type(args) is not tuple or len(args) > _KEPT_ARGS:
        return False
    return all(map(_lasts, (message, *args)))


def _lasts(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return len(value) <= _KEPT_CHARS
    return -_HUGE < value < _HUGE if kind is int else id(kind) in _LASTING


def lines(environ: Mapping[str, Any], scrubber: Scrubber) -> tuple[LogLine, ...]:
    """Return what was remembered, masked, in its order; threads of the same request may go on adding to it."""
    ring = environ.get(LEAD_UP)
    if type(ring) is not deque:
        return ()
    kept = ring.copy()
    return tuple(_line(each, scrubber) for each in kept if type(each) is _Kept)


def _line(kept: _Kept, scrubber: Scrubber) -> LogLine:
    try:
        at = datetime.fromtimestamp(kept.created, UTC)
    except (TypeError, ValueError, OverflowError, OSError):  # a record made by hand may have anything there
        at = datetime.now(UTC)
    message = scrubber.text(_formatted(kept.message, kept.args), limits.LEAD_UP_CHARS)
    return LogLine(at, scrubber.name(logging.getLevelName(kept.level)), scrubber.name(kept.logger), message)


def _formatted(message: str, args: tuple[Any, ...]) -> str:
    if not args:
        return message
    try:
        return message % args
    except Exception as fault:  # noqa: BLE001 - a wrong format fails in many ways; what was meant is still told
        let_through(fault)
        return f"{message} {args!r}"
