"""structlog, JSON lines into a file: its documentation's example for production, with tracebacks as data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from sink import Sink

NAME, PACKAGE, MODULE = "structlog", "structlog", "structlog"
CONFIGURATION = "`merge_contextvars, add_log_level, dict_tracebacks, TimeStamper, JSONRenderer`, `WriteLoggerFactory`"
SINK = "a file"
DEFAULT_LOCALS = True

_loggers: list[Any] = []


def start(sink: Sink, has_locals: bool | None) -> None:
    import structlog

    tracebacks = structlog.processors.dict_tracebacks
    if has_locals is not None:
        transformer = structlog.tracebacks.ExceptionDictTransformer(show_locals=has_locals)
        tracebacks = structlog.processors.ExceptionRenderer(transformer)
    file = Path(tempfile.mkdtemp(), "shop.log").open("w")  # noqa: SIM115 - open as long as the process lives
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            tracebacks,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file),
        cache_logger_on_first_use=True,
    )
    _loggers.append(structlog.get_logger("shop"))


def capture(exc: BaseException) -> None:
    _loggers[0].exception("the order failed")
