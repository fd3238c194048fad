"""Log records: a LogRecord goes in, the pieces of an event leave: kind, message, template, fields, place."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple, TypeAlias

from tocsin.capture.messages import message_of
from tocsin.capture.piece import Piece
from tocsin.capture.plain import Described, plain
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Kind
from tocsin.event.typename import describe_value, type_name
from tocsin.system.interrupts import let_through

__all__ = [
    "RecordText",
    "exception_of",
    "extra_of",
    "is_admitted",
    "kind_of",
    "level_of",
    "location_of",
    "name_of",
    "process_name",
    "read",
    "status_of",
    "text_of",
]

# Reports of exceptions nobody caught, by logger and the beginning of the unformatted message.
_UNCAUGHT: Final = (
    ("aiohttp.server", ("Error handling request", "Unhandled exception")),
    ("apscheduler.executors", ('Job "%s" raised an exception',)),
    ("asyncio", ("",)),  # only its exception handler logs with an exception at ERROR
    ("celery.app.trace", ("Task %(name)s[%(id)s]", "Task handler raised error")),
    ("concurrent.futures", ("exception calling callback", "Exception in worker", "Exception in initializer")),
    ("daphne.server", ("Exception inside application",)),
    ("django.request", ("Internal Server Error", "%s: %s")),  # since 5.2 by the status's own words
    ("django.server", ("",)),
    ("dramatiq", ("Failed to process message",)),
    ("gunicorn.error", ("Error handling request", "Exception in worker process", "Socket error processing request")),
    ("huey", ("Unhandled exception in task",)),
    ("hypercorn.error", ("Error in ASGI Framework",)),
    ("rq.worker", ("",)),
    ("sanic.error", ("Exception occurred",)),
    ("tornado.application", ("Uncaught exception", "Exception in callback", "Exception after Future")),
    ("tornado.general", ("Uncaught exception",)),
    ("uvicorn.error", ("Exception in ASGI application",)),
    ("waitress", ("Exception while serving", "Exception when serving", "uncaptured python exception")),
    ("werkzeug", ("Error on request",)),
    ("_granian", ("Application callable raised an exception",)),
)
# Flask and Quart name the logger after the application; the function that logs is theirs.
_FLASK_FUNCTION: Final = "log_exception"
_FLASK_MESSAGE: Final = "Exception on "
_FIRST_SERVER_ERROR: Final = 500
_WARNING_STATUSES: Final = frozenset({400})
_ERROR_STATUSES: Final = frozenset({500})

_STANDARD: Final = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    *("message", "asctime", "taskName", "request", "status_code", "color_message"),
    # Celery gives its own task's data along; the arguments in it are the application's.
    *("data",),
}
_OWN_PREFIX: Final = "tocsin_"
_ERROR_ID: Final = re.compile(r"[2-9A-Z]{6}-[2-9A-Z]{4}")
_Hides: TypeAlias = Callable[[str, object], str]  # what stands for a value under its name, "" where it is shown
_HIDES: Final = Scrubber().hides  # by the default names; a reporter has its own besides


class RecordText(NamedTuple):
    """Hold a record's message and template, bounded but not masked yet.

    ``is_formatted`` says that the template had nothing to fill in: it may be an f-string's result.
    """

    message: str
    template: str
    is_formatted: bool


def read(record: logging.LogRecord, hides: _Hides = _HIDES) -> Piece:
    """Return what a record says besides its exception, unmasked: most records are only counted.

    Only what fills ``%(password)s`` is masked here already: once formatted, it has no name any more. Objects in the
    message are named by type; `Piece.told` has them described.
    """
    text = text_of(record, hides, is_described=False)
    fields = extra_of(record)
    error_id = fields.get("error_id")
    is_ours = type(error_id) is str and _ERROR_ID.fullmatch(error_id) is not None
    if is_ours:  # left by a handler of ours that took the record before
        del fields["error_id"]
    return Piece(
        kind=kind_of(record, exception_of(record) is not None),
        levelno=level_of(record),
        message=text.message,
        template=text.template,
        is_formatted=text.is_formatted,
        logger=name_of(record),
        location=location_of(record),
        fields=fields,
        error_id=str(error_id) if is_ours else "",
        tell=None if text.is_formatted else lambda: text_of(record, hides).message,
    )


def process_name() -> str:
    """Return multiprocessing's name of this process, without importing it."""
    module: Any = sys.modules.get("multiprocessing")
    try:
        name = module.current_process().name if module is not None else "MainProcess"
    except Exception as fault:  # noqa: BLE001 - half-imported or patched: the name is no more than a hint
        let_through(fault)
        name = "?"
    return name[: limits.NAME_CHARS] if type(name) is str else "?"


def exception_of(record: logging.LogRecord) -> BaseException | None:
    """Return the exception that came with a record."""
    found: Any = record.exc_info
    if type(found) is tuple and len(found) == 3:
        found = found[1]
    return found if issubclass(type(found), BaseException) else None


def kind_of(record: logging.LogRecord, has_exception: bool) -> Kind:
    """Return the kind of event a record becomes.

    ``traceback`` only for a framework's report of an exception that nobody caught; ``error`` for any other
    record of ERROR or above, its exception attached; ``warning`` for the rest. A status code below 500 makes a
    warning of any level.
    """
    status = status_of(record)
    if status is not None and status < _FIRST_SERVER_ERROR:
        return "warning"
    if has_exception and _is_uncaught(record):
        return "traceback"
    return "error" if level_of(record) >= logging.ERROR else "warning"


def status_of(record: logging.LogRecord) -> int | None:
    """Return the HTTP status a framework (Django) put on the record."""
    status: Any = record.__dict__.get("status_code")
    return int.__pos__(status) if issubclass(type(status), int) and type(status) is not bool else None


def is_admitted(
    record: logging.LogRecord,
    warning_statuses: Collection[int] = _WARNING_STATUSES,
    error_statuses: Collection[int] = _ERROR_STATUSES,
) -> bool:
    """Return whether a record is taken in as far as its status code says: a 404 is no warning.

    Records without a status code are, and so are exceptions behind a server error; not the cancellations that asyncio
    logs while a server shuts down (Hypercorn, until Python 3.12).
    """
    if name_of(record) == "asyncio" and type_name(type(exception_of(record))) == "asyncio.exceptions.CancelledError":
        return False
    status = status_of(record)
    if status is None or status in warning_statuses or status in error_statuses:
        return True
    return status >= _FIRST_SERVER_ERROR and exception_of(record) is not None


def text_of(record: logging.LogRecord, hides: _Hides = _HIDES, *, is_described: bool = True) -> RecordText:
    """Return a record's message and template without running foreign ``__str__``, ``__repr__``, ``__format__``.

    Arguments that are no builtin values become descriptions, or the names of their types; named ones that ``hides``
    says are sensitive are masked; a message that can't be formatted is followed by its arguments. Never raises.
    """
    written: Any = record.msg
    cls = type(written)
    if issubclass(cls, BaseException):
        # logger.error(exc): the message differs each time, what it is a report of does not.
        return RecordText(message_of(written), type_name(cls), False)
    if not issubclass(cls, str):
        return RecordText(str(plain(written)), describe_value(written), True)
    template = str.__getitem__(written, slice(limits.MESSAGE_CHARS * 2))
    values: Any = record.args
    # Of anything but logging's own tuple and dict, whether it is empty would be asked of foreign code.
    if values is None or (type(values) is tuple and not values) or (type(values) is dict and not values):
        return RecordText(template, template, True)
    return RecordText(_formatted(template, values, hides, is_described), template, False)


def extra_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what was given as ``extra``, unmasked: attributes that an ordinary record has not."""
    return {
        name: value
        for name, value in record.__dict__.copy().items()
        if type(name) is str and name not in _STANDARD and not name.startswith(_OWN_PREFIX)
    }


def name_of(record: logging.LogRecord) -> str:
    """Return the name of the record's logger; a record made by hand may have anything there."""
    name: Any = record.name
    return str.__getitem__(name, slice(limits.NAME_CHARS)) if issubclass(type(name), str) else "?"


def location_of(record: logging.LogRecord) -> str:
    """Return ``module.function:line`` of the call that logged."""
    return f"{plain(record.module)}.{plain(record.funcName)}:{plain(record.lineno)}"


def level_of(record: logging.LogRecord) -> int:
    """Return the record's level; a record made by hand may have anything there, which counts as 0."""
    level: Any = record.levelno
    return int.__pos__(level) if issubclass(type(level), int) else 0  # a member of an IntEnum is one


def _is_uncaught(record: logging.LogRecord) -> bool:
    if type(record.msg) is not str or type(record.name) is not str:
        return False
    if type(record.funcName) is str and record.funcName == _FLASK_FUNCTION and record.msg.startswith(_FLASK_MESSAGE):
        return True
    return any(
        (record.name == logger or record.name.startswith(f"{logger}.")) and record.msg.startswith(beginnings)
        for logger, beginnings in _UNCAUGHT
    )


def _formatted(template: str, values: Any, hides: _Hides, is_described: bool) -> str:
    try:
        safe = plain(values, message_of, is_described=is_described)
        if type(safe) is dict:
            safe = {name: _shown(name, value, hides) for name, value in safe.items()}
    except Exception as fault:  # noqa: BLE001 - arguments may be changed by another thread meanwhile
        let_through(fault)
        return f"{template} <arguments not to be had: {type_name(type(fault))}>"
    try:
        return str(template % safe)[: limits.MESSAGE_CHARS * 2]
    except Exception as fault:  # noqa: BLE001 - a wrong format fails in many ways; what was meant is still told
        let_through(fault)
        return f"{template} {safe!r}"[: limits.MESSAGE_CHARS * 2]


def _shown(name: object, value: Any, hides: _Hides) -> Any:
    if type(name) is not str or value is None or type(value) is bool or value == "":
        return value
    mask = hides(name, value)
    return Described(mask) if mask else value
