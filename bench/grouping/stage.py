"""Where occurrences are caught: exceptions and records go in from wherever frameworks tell them; seen things leave."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.capture import records
from tocsin.capture.call_sites import CallSites
from tocsin.capture.piece import Piece

__all__ = ["OWN_LOGGERS", "Seen", "Stage"]

#: Loggers of frameworks, which say again what was seen as an exception already.
OWN_LOGGERS: Final = ("django", "celery", "asyncio", "werkzeug", "concurrent")


@dataclass(frozen=True, slots=True)
class Seen:
    """Hold one thing that was seen: an exception, a record, or a record with an exception; of which request."""

    exc: BaseException | None
    record: logging.LogRecord | None
    request: dict[str, str]
    environ: dict[str, Any]
    piece: Piece | None = None  # what tocsin makes of the record


@dataclass(slots=True)
class Stage:
    """Collect what is seen while something is played."""

    seen: list[Seen] = field(default_factory=list)
    request: dict[str, str] = field(default_factory=dict)
    environ: dict[str, Any] = field(default_factory=dict)
    sites: CallSites = field(default_factory=CallSites)

    def exception(self, exc: BaseException) -> None:
        """Take an exception in, once."""
        if not any(one.exc is exc for one in self.seen):
            self.seen.append(Seen(exc, None, self.request, self.environ))

    def record(self, record: logging.LogRecord) -> None:
        """Take a record in, unless a framework only repeats itself."""
        if record.name.partition(".")[0] in OWN_LOGGERS or record.funcName == "log_exception":
            return
        exc = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        piece = records.read(record)  # while the call is under way, as a handler does
        piece = self.sites.read(record, piece) if exc is None else piece
        self.seen.append(Seen(exc, record, self.request, self.environ, piece))

    def handler(self) -> logging.Handler:
        """Return a handler for the root logger."""
        stage = self

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                stage.record(record)

        return Handler(logging.WARNING)
