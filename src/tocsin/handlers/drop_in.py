"""What all drop-in handlers are: a record that passed level and filters goes in; it is spooled for one destination.

Mixed in before the handler of `logging.handlers` that it takes the place of: constructor, attributes and hooks are that
one's, and what blocks is never reached.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from tocsin.complaints import LOGGER, complain, is_own_work, say
from tocsin.event import limits
from tocsin.handlers.channel import Names, channel, leave
from tocsin.handlers.destination import Destination
from tocsin.intake.announce import ANNOUNCER
from tocsin.reporter import Reporter, current
from tocsin.system.interrupts import let_through

__all__ = ["DropIn", "shortened"]

_RETRY_S: Final = 60.0


class DropIn(logging.Handler):
    """Spool records for a destination of their own. Binds at its first record; takes no lock, which a fork could hold.

    The error id is left on the record as ``record.error_id``, unless a handler before has left one.
    """

    _is_told: ClassVar[bool] = False  # it tells people: what came here is told now, whatever its level
    _never_called: ClassVar[tuple[str, ...]] = ()  # hooks of the standard handler that have no meaning here

    _destination: Destination
    _names: Names
    _reporter: Reporter | None = None
    _failed_at: float = -_RETRY_S

    def _drop_in(self, destination: Destination, names: Names) -> None:
        """Keep where records go. Raises ConfigError where they never could."""
        self._destination = destination
        self._names = names
        destination.check()
        for hook in self._never_called:
            if getattr(type(self), hook, None) is not _inherited(type(self), hook):
                say(f"{type(self).__name__}.{hook} is never called: tocsin delivers by a sink of its own")

    # -- what logging calls --------------------------------------------------------------------------------

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record as `logging.Handler.handle` does, but for the lock; what delivery itself logs is left out."""
        if _is_ours(record) or is_own_work():
            return False
        verdict: object = self.filter(record)
        if not verdict:
            return False
        # Since Python 3.12 a filter may return another record in the place of the one it was given.
        self.emit(verdict if isinstance(verdict, logging.LogRecord) else record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Spool the record, or count it. Never waits; what fails goes to `handleError`."""
        try:
            reporter = self._bound()
            if reporter is None:
                return
            error_id = reporter.intake.handed(record, lambda: self._prepared(record), is_told=self._is_told)
            if error_id is not None and "error_id" not in record.__dict__:
                record.error_id = error_id
        except Exception as fault:  # noqa: BLE001 - as in the standard handlers: `logging.raiseExceptions` decides
            let_through(fault)
            self.handleError(record)

    def flush(self) -> None:
        """Wait up to two seconds until what was spooled is delivered."""
        reporter = self._reporter
        if reporter is not None and reporter.is_hosting:
            reporter.flush(limits.EXIT_DELAY_S)

    def close(self) -> None:
        """Have `logging` forget the handler. What it took is still delivered: a `dictConfig` closes every handler."""
        leave(self)
        logging.Handler.close(self)

    def createLock(self) -> None:
        """Have no lock: `logging` would register it for fork handling, and `handle` takes none."""
        self.lock = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to a process, so that a handler can be copied and sent to another one."""
        return {**self.__dict__, "_reporter": None, "_failed_at": -_RETRY_S}

    # -- what the kinds of handlers say --------------------------------------------------------------------

    def _to_send(self, record: logging.LogRecord) -> Mapping[str, Any]:
        """Return what is sent of a record: numbers, texts, tables of texts. They are masked afterwards."""
        return {"text": shortened(self.format(record))}

    # -- the rest ------------------------------------------------------------------------------------------

    def _prepared(self, record: logging.LogRecord) -> Mapping[str, Any]:
        """Return what is sent; where a formatter or a hook fails, the report still goes out, in tocsin's words."""
        try:
            return self._to_send(record)
        except Exception as fault:  # noqa: BLE001 - the application's own code, as in the standard handlers
            let_through(fault)
            self.handleError(record)
            return {}

    def _bound(self) -> Reporter | None:
        present = current()
        if present is not None and present.is_substitute:
            return present  # within a test that captures events nothing is sent
        if self._reporter is None or self._reporter.is_closed:
            if time.monotonic() - self._failed_at < _RETRY_S:
                return None
            try:
                self._reporter = channel(self._destination, self._names, self)
            except Exception as fault:  # noqa: BLE001 - a log call must not fail because there is no place for a spool
                self._failed_at = time.monotonic()
                complain("handlers", f"{type(self).__name__} reports nothing: {fault}")
                return None
        return self._reporter


def shortened(text: str, chars: int = limits.PREPARED_CHARS) -> str:
    """Return both ends of a text that is too long: a traceback says in its last line what happened."""
    if len(text) <= chars:
        return text
    half = chars // 2 - 32
    return f"{text[:half]}\n[{len(text) - 2 * half:,} characters left out]\n{text[-half:]}"


def _is_ours(record: logging.LogRecord) -> bool:
    """Tell whether a record tells of tocsin itself; that which announces a captured exception does not."""
    return record.name == LOGGER or (bool(getattr(record, "tocsin_skip", False)) and record.name != ANNOUNCER)


def _inherited(cls: type, hook: str) -> Callable[..., Any] | None:
    """Return the hook as the class of `logging.handlers` has it."""
    for base in cls.__mro__:
        if base.__module__ == "logging.handlers":
            return getattr(base, hook, None)
    return None
