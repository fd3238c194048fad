"""Logbook, into a file."""

from __future__ import annotations

import tempfile
from typing import Any

from sink import Sink

NAME, PACKAGE, MODULE = "Logbook", "Logbook", "logbook"
CONFIGURATION = "`FileHandler(file).push_application()`, `Logger.exception`"
SINK = "a file"
DEFAULT_LOCALS = None

_loggers: list[Any] = []


def start(sink: Sink, has_locals: bool | None) -> None:
    import logbook

    logbook.FileHandler(f"{tempfile.mkdtemp()}/shop.log").push_application()
    _loggers.append(logbook.Logger("shop"))


def capture(exc: BaseException) -> None:
    _loggers[0].exception("the order failed")
