"""What is no report: an exception goes in; the tally it belongs to leaves, or None for one to be reported."""

from __future__ import annotations

from typing import Final

from tocsin.capture.disconnects import is_bad_host, is_disconnect
from tocsin.config.ignore import Ignore
from tocsin.event import limits

__all__ = ["LeftOut"]


class LeftOut:
    """Tell exceptions that are only tallied: clients that went away, bad Host headers, what the settings ignore.

    Remembers its answer per class, at most `SORTED_CLASSES` of them, since to compare names costs 4 µs and every
    occurrence of a storm is asked about. An OSError is looked at each time, for its frames say whose connection it
    was, and so is a group, for what it holds.
    Thread-safe: each step on the table is one operation of the interpreter.
    """

    def __init__(self, ignore: Ignore) -> None:
        self._ignore: Final = ignore
        self._known: dict[int, tuple[type, str | None]] = {}  # by id: a metaclass may have a `__hash__` of its own

    def reason(self, exc: BaseException) -> str | None:
        """Return the name of the tally, None for an exception that is to be reported."""
        cls = type(exc)
        known = self._known.get(id(cls))
        if known is not None:  # the class in the value keeps the id from being given out again
            return known[1]
        found = self._look(exc)
        if not issubclass(cls, (OSError, BaseExceptionGroup)):
            if len(self._known) >= limits.SORTED_CLASSES:
                self._known.clear()
            self._known[id(cls)] = (cls, found)
        return found

    def _look(self, exc: BaseException) -> str | None:
        if is_disconnect(exc):
            return "disconnects"
        if is_bad_host(exc):
            return "bad_hosts"
        return "ignored" if self._ignore.covers_exception(exc) else None
