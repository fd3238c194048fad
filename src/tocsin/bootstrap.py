"""Set-up: a configuration goes in; the process's Reporter leaves, with ordinary logging as its way in."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from tocsin import reporter as reporters
from tocsin.capture.frames import in_app_rule, module_of
from tocsin.complaints import say
from tocsin.config.load import load
from tocsin.config.loggers import all_loggers, is_handled_elsewhere
from tocsin.event.errors import ConfigError
from tocsin.handlers import LeadUpHandler, LogHandler
from tocsin.intake import BeforeSpool
from tocsin.intake.announce import ANNOUNCER, SHOWN
from tocsin.integrations.watch import Station, Watch
from tocsin.reporter import Reporter
from tocsin.sinks.registry import faults_of

__all__ = ["install", "report", "setup", "watch"]

_T = TypeVar("_T")


def setup(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    root_handler: bool = True,
    before_spool: BeforeSpool | None = None,
    **overrides: Any,
) -> Reporter:
    """Set tocsin up in this process and return its Reporter. Opens nothing, starts nothing.

    ``config`` is a path of a TOML file or a mapping; without one ``TOCSIN_CONFIG`` names a file, and ``TOCSIN_*``
    variables count in any case. Keywords override single settings. A WARNING handler is added to the root logger
    unless ``root_handler`` is false or a LogHandler is attached anywhere. ``before_spool(event)`` may change an event
    or drop it by returning None; what it returns is masked again.

    Called again with equal settings it returns the same Reporter. Raises ConfigError, with every fault at once.
    """
    present = reporters.current()
    if present is not None and present.is_substitute:
        return present
    settings = load(config, overrides, os.environ, check_sinks=faults_of)
    reporter = reporters.establish(settings, before_spool, _application_file(sys._getframe(1)))
    if root_handler and settings.mode != "off" and not _has_handler():
        _add_root_handler(reporter)
    if settings.mode == "production" and settings.lead_up:
        _add_lead_up(reporter)
    return reporter


def _application_file(caller: FrameType) -> str:
    """Return the file of the code that calls `setup`, "" where it is nobody's.

    Where tocsin itself does, in the name of Django's or Pyramid's settings, it is the innermost of the application's
    that led there, such as `wsgi.py`. A command beside the interpreter (`celery`) is none of the application's.
    """
    if not _is_ours(caller):
        return caller.f_code.co_filename
    is_in_app, commands = in_app_rule(), Path(sys.executable).parent
    frame = caller.f_back
    while frame is not None:
        file = frame.f_code.co_filename
        if not _is_ours(frame) and is_in_app(module_of(frame), file) and Path(file).parent != commands:
            return file
        frame = frame.f_back
    return ""


def _is_ours(frame: FrameType) -> bool:
    return module_of(frame).partition(".")[0] == "tocsin"


def install(app: _T) -> _T:
    """Integrate an application object into the process's Reporter; return the same object. See `Reporter.install`.

    Raises ConfigError where `setup` was not called.
    """
    reporter = reporters.current()
    if reporter is None:
        raise ConfigError('install: call tocsin.setup("tocsin.toml") first')
    return reporter.install(app)


def report(exc: BaseException | None = None, **arguments: Any) -> str:
    """Report by the process's Reporter; see `Reporter.report`. Without a Reporter nothing happens and "" returns."""
    reporter = reporters.current()
    return "" if reporter is None else reporter.report(exc, **arguments)


def watch(name: str, /, *, tags: Mapping[str, Any] | None = None, **fields: Any) -> Watch:
    """Watch a block or a function by the process's Reporter; see `Reporter.watch`.

    The Reporter is looked for at each beginning, so functions may be decorated before `setup`; without one nothing
    happens. Raises ConfigError where ``name`` is no text.
    """
    return Watch(name, _station, tags, fields)


def _station() -> Station | None:
    reporter = reporters.current()
    return None if reporter is None else reporter.station


class _StandIn(LogHandler):
    """The handler that `setup` adds to the root logger.

    Its level is the setting ``level``, lower where `[loggers]` asks for more of some loggers. Before it was there, a
    record that no handler took went to `logging.lastResort`; it still does.
    """

    def __init__(self, reporter: Reporter) -> None:
        settings = reporter.settings
        super().__init__(min((settings.level, *settings.loggers.values())))
        self._intake = reporter.intake
        self._default = settings.level

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= self._intake.threshold(record.name, self._default):
            super().emit(record)
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and not _is_handled(record):
            last.handle(record)

    def handle(self, record: logging.LogRecord) -> bool:
        is_handled = super().handle(record)
        if (
            record.name == ANNOUNCER
            and not record.__dict__.get(SHOWN)
            and logging.lastResort is not None
            and not _is_handled(record)
        ):
            logging.lastResort.handle(record)
        return is_handled


def _add_root_handler(reporter: Reporter) -> None:
    root = logging.getLogger()
    is_debug = reporter.settings.mode == "debug"
    handler = LogHandler(logging.NOTSET) if is_debug else _StandIn(reporter)
    if is_debug and not root.handlers and root.level == logging.WARNING:
        # Nobody has configured logging, and debug mode promises to show everything.
        root.setLevel(logging.DEBUG)
        reporter.on_close(lambda: root.setLevel(logging.WARNING))
    root.addHandler(handler)
    reporter.on_close(lambda: root.removeHandler(handler))
    reporter.on_wake(lambda: _attach_again(handler))


def _add_lead_up(reporter: Reporter) -> None:
    """Attach a LeadUpHandler after each LogHandler, where none is yet."""
    for logger in all_loggers():
        kinds = {type(handler) for handler in logger.handlers}
        if LeadUpHandler not in kinds and any(issubclass(kind, LogHandler) for kind in kinds):
            handler = LeadUpHandler()
            logger.addHandler(handler)
            reporter.on_close(partial(logger.removeHandler, handler))


def _attach_again(handler: logging.Handler) -> None:
    """Put the handler back where a `dictConfig` that came after `setup` took it off the root logger."""
    if not _has_handler():
        logging.getLogger().addHandler(handler)
        say(
            "a later logging configuration removed the handler of setup(); it is back (or name tocsin.LogHandler there)"
        )


def _has_handler() -> bool:
    return any(isinstance(handler, LogHandler) for logger in all_loggers() for handler in logger.handlers)


def _is_handled(record: logging.LogRecord) -> bool:
    return is_handled_elsewhere(logging.getLogger(record.name))
