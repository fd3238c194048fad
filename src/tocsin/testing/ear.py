"""Ordinary logging in a test: a Reporter goes in; for the length of a block records reach it from the root logger."""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from tocsin.config.loggers import all_loggers
from tocsin.reporter import Reporter

__all__ = ["listening"]

_OURS: Final = ("tocsin.internal", "tocsin.report")
_ERROR_ID: Final = re.compile(r"[0-9A-Z]{6}-[0-9A-Z]{4}")


class _Ear(logging.Handler):
    """Do as the handler of `tocsin.setup` does: it stays out where the application has a LogHandler of its own."""

    is_tocsin = True  # as LogHandler says it: the announcing record is not for this one

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()  # records below the level are the lead-up of those that are reported
        self._intake = reporter.intake
        self._default = reporter.settings.level

    def emit(self, record: logging.LogRecord) -> None:
        if record.__dict__.get("tocsin_skip") is True or record.name in _OURS:
            return
        if _has_error_id(record):  # a drop-in handler took it
            return
        if _has_own():
            return
        if record.levelno >= self._intake.threshold(record.name, self._default):
            error_id = self._intake.record(record)
            if error_id is not None:
                record.error_id = error_id
        self._intake.noted(record)


@contextmanager
def listening(reporter: Reporter) -> Iterator[Callable[[], None]]:
    """Hear the root logger for the length of the block; yield what puts the handler back where it was taken away.

    A `dictConfig` within the block takes every handler off the root logger; through `dictConfigClass`, which is there
    to be replaced, ours is put back after it.
    """
    root, ear = logging.getLogger(), _Ear(reporter)

    def listen() -> None:
        if ear not in root.handlers:
            root.addHandler(ear)

    before: Any = logging.config.dictConfigClass

    class Configurator(before):  # type: ignore[misc]  # whatever class stands there
        def configure(self) -> None:
            super().configure()
            listen()

    listen()
    logging.config.dictConfigClass = Configurator
    try:
        yield listen
    finally:
        if logging.config.dictConfigClass is Configurator:
            logging.config.dictConfigClass = before
        root.removeHandler(ear)


def _has_error_id(record: logging.LogRecord) -> bool:
    """Tell whether a handler of ours left one; an application may have something of that name in its ``extra``."""
    found = record.__dict__.get("error_id")
    return type(found) is str and _ERROR_ID.fullmatch(found) is not None


def _has_own() -> bool:
    handlers = (handler for logger in all_loggers() for handler in logger.handlers)
    return any(getattr(handler, "is_tocsin", False) and not isinstance(handler, _Ear) for handler in handlers)
