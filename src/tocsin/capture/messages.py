"""Messages of exceptions: an exception goes in, the text its traceback would show leaves; no foreign code runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tocsin.capture import anatomy
from tocsin.capture.plain import plain
from tocsin.capture.validation import validation_message
from tocsin.event import limits
from tocsin.event.typename import type_name
from tocsin.system.interrupts import let_through

__all__ = ["TRUSTED_MODULES", "message_of"]

# Packages whose exceptions' own __str__ is known to format what they hold, and to do nothing else.
TRUSTED_MODULES: Final = frozenset(
    {
        *("aiohttp", "asyncpg", "botocore", "celery", "django", "email", "flask", "gunicorn", "h11", "httpx"),
        *("jinja2", "json", "jwt", "kombu", "ldap3", "MySQLdb", "mysql", "oracledb", "psycopg", "psycopg2"),
        *("pydantic_core", "pymongo", "pymysql", "redis", "requests", "smtplib", "sqlalchemy", "sqlite3"),
        *("starlette", "subprocess", "tomllib", "urllib", "urllib3", "werkzeug", "xml", "yaml", "zoneinfo"),
        *("configparser", "http", "calendar", "re", "tarfile", "xmlrpc", "tocsin"),
    }
)


def message_of(exc: BaseException) -> str:
    """Return an exception's message, bounded, not yet masked.

    From the built-in ``__str__`` or from ``args`` of exact builtin types; an overridden ``__str__`` runs only
    if its class belongs to a package of `TRUSTED_MODULES`. Never raises.
    """
    try:
        return _message(exc)[: limits.MESSAGE_CHARS * 2]
    except Exception as fault:  # noqa: BLE001 - whatever a hostile exception does, its type is still told
        let_through(fault)
        return f"<message not to be had: {type_name(type(fault))}>"


def _message(exc: BaseException) -> str:
    for owner in anatomy.mro(type(exc)):
        space = anatomy.namespace(owner)
        if "__str__" not in space:
            continue
        written = space["__str__"]
        builtin = _BUILTIN.get(id(written))
        if builtin is not None:
            return builtin(exc)
        if type_name(owner).startswith("fastapi.exceptions."):
            return validation_message(exc)
        if type_name(owner).partition(".")[0] in TRUSTED_MODULES:
            text = written(exc)
            text = str.__getitem__(text, slice(limits.MESSAGE_CHARS * 2)) if issubclass(type(text), str) else None
            return _of_args(exc) if text is None else text
        return _of_args(exc)
    return _of_args(exc)


def _of_args(exc: BaseException) -> str:
    values = anatomy.args(exc)
    if not values:
        return ""
    if len(values) == 1:
        return str(plain(values[0], message_of))
    return repr(plain(values, message_of))


def _of_key_error(exc: BaseException) -> str:
    values = anatomy.args(exc)
    return repr(plain(values[0], message_of)) if len(values) == 1 else _of_args(exc)


def _slot(cls: type, name: str) -> Callable[[BaseException], Any]:
    read: Callable[[BaseException], Any] = cls.__dict__[name].__get__
    return read


_OS = {name: _slot(OSError, name) for name in ("errno", "strerror", "filename", "filename2")}
_SYNTAX = {name: _slot(SyntaxError, name) for name in ("msg", "filename", "lineno", "text")}
_IMPORT_MESSAGE = _slot(ImportError, "msg")
_GROUP_MESSAGE = _slot(BaseExceptionGroup, "message")


def _of_os_error(exc: BaseException) -> str:
    number, text, first, second = (plain(read(exc)) for read in _OS.values())
    if number is None or text is None:
        return _of_args(exc)
    told = f"[Errno {number}] {text}"
    if first is not None:
        told += f": {first!r}"
        if second is not None:
            told += f" -> {second!r}"
    return told


def _of_syntax_error(exc: BaseException) -> str:
    message, filename, line, text = (plain(read(exc)) for read in _SYNTAX.values())
    place = filename.replace("\\", "/").rpartition("/")[2] if type(filename) is str else ""
    told = ", ".join(part for part in (place, f"line {line}" if type(line) is int else "") if part)
    shown = f"{message} ({told})" if told else str(message)
    # The line is shown by the place that the exception names (`capture.places`), if it says which one it is.
    return f"{shown}\n    {text.strip()}" if type(line) is not int and type(text) is str and text.strip() else shown


def _of_import_error(exc: BaseException) -> str:
    message = _IMPORT_MESSAGE(exc)
    return message if type(message) is str else _of_args(exc)


def _of_group(exc: BaseException) -> str:
    number = len(anatomy.members(exc))
    return f"{plain(_GROUP_MESSAGE(exc))} ({number} sub-exception{'' if number == 1 else 's'})"


def _of_unicode_error(exc: BaseException) -> str:
    for cls in (UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError):
        if issubclass(type(exc), cls):
            names = ("reason", "object") if cls is UnicodeTranslateError else ("encoding", "reason", "object")
            values = [_slot(cls, name)(exc) for name in names]
            is_short = type(values[-2]) is str and len(values[-2]) <= limits.MESSAGE_CHARS  # the reason, shown in full
            if is_short and all(type(value) is str or type(value) is bytes for value in values):
                return str(cls.__dict__["__str__"](exc))
    return _of_args(exc)


_BUILTIN: Final[dict[int, Callable[[BaseException], str]]] = {
    id(cls.__dict__["__str__"]): read
    for cls, read in (
        (BaseException, _of_args),
        (KeyError, _of_key_error),
        (OSError, _of_os_error),
        (SyntaxError, _of_syntax_error),
        (ImportError, _of_import_error),
        (BaseExceptionGroup, _of_group),
        (UnicodeDecodeError, _of_unicode_error),
        (UnicodeEncodeError, _of_unicode_error),
        (UnicodeTranslateError, _of_unicode_error),
    )
}
