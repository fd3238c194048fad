"""What the rules of others need: an exception, a record and a request go in; plain facts leave, as JSON has them.

Frames are told as they are, outermost first, without any rule's opinion but one: ``in_app`` is what the SDKs of Sentry
say of a frame by their documentation (neither in site-packages or dist-packages nor in the standard library).
"""

from __future__ import annotations

import linecache
import logging
import os
import sysconfig
import traceback
from types import TracebackType
from typing import Any, Final

__all__ = ["HARNESS", "cleansed", "facts_of"]

#: Files whose frames are ours, and no part of what happened.
HARNESS: Final = (os.path.dirname(os.path.abspath(__file__)) + os.sep, "<play", "<prelude")  # noqa: PTH100, PTH120
_STANDARD: Final = os.path.realpath(sysconfig.get_path("stdlib")) + os.sep
_DEEPEST: Final = 1_200  # frames that are told of one exception
_CHAIN: Final = 8


def cleansed(exc: BaseException | None, seen: set[int] | None = None) -> None:
    """Take the frames of the harness out of an exception's traceback, and out of those that it came from."""
    seen = set() if seen is None else seen
    if exc is None or id(exc) in seen:
        return
    seen.add(id(exc))
    exc.__traceback__ = _without_harness(exc.__traceback__)
    for inner in (exc.__cause__, exc.__context__, *(exc.exceptions if isinstance(exc, BaseExceptionGroup) else ())):
        cleansed(inner, seen)


def _without_harness(entry: TracebackType | None) -> TracebackType | None:
    kept: list[TracebackType] = []
    while entry is not None:
        kept.append(entry)
        entry = entry.tb_next
    made: TracebackType | None = None
    for one in reversed(kept):
        if not is_harness(one.tb_frame.f_code.co_filename):
            made = TracebackType(made, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return made


def is_harness(file: str) -> bool:
    """Tell whether a file is one of ours."""
    return file.startswith(HARNESS) and f"{os.sep}families{os.sep}" not in file


def facts_of(
    exc: BaseException | None, record: logging.LogRecord | None, request: dict[str, str] | None, root: str
) -> dict[str, Any]:
    """Return the facts of one occurrence; ``root`` is the folder that the application runs in."""
    return {
        "exception": None if exc is None else _exception(exc, root, _CHAIN, set()),
        "record": None if record is None else _record(record, root),
        "request": request or {},
    }


def _record(record: logging.LogRecord, root: str) -> dict[str, Any]:
    return {
        "logger": record.name,
        "level": record.levelname.lower(),
        "template": str(record.msg),
        "message": record.getMessage(),
        "file": _relative(record.pathname, root),
        "function": record.funcName,
        "line": record.lineno,
        "has_args": bool(record.args),
    }


def _exception(exc: BaseException, root: str, left: int, seen: set[int]) -> dict[str, Any]:
    seen.add(id(exc))

    def inner(other: BaseException | None) -> dict[str, Any] | None:
        return None if other is None or not left or id(other) in seen else _exception(other, root, left - 1, seen)

    context = None if exc.__suppress_context__ else exc.__context__
    return {
        "type": type(exc).__name__,
        "module": type(exc).__module__,
        "message": str(exc),
        "frames": [_frame(entry, root) for entry in list(traceback.walk_tb(exc.__traceback__))[-_DEEPEST:]],
        "cause": inner(exc.__cause__),
        "context": inner(context) if exc.__cause__ is None else None,
        "members": [inner(member) for member in exc.exceptions] if isinstance(exc, BaseExceptionGroup) else [],
    }


def _frame(entry: tuple[Any, int], root: str) -> dict[str, Any]:
    frame, line = entry
    file = frame.f_code.co_filename
    return {
        "module": frame.f_globals.get("__name__") or "",
        "function": frame.f_code.co_name,
        "qualname": frame.f_code.co_qualname,
        "file": _relative(file, root),
        "path": file,
        "line": line,
        "context": linecache.getline(file, line, frame.f_globals).strip(),
        "in_app": _is_in_app(file),
    }


def _is_in_app(file: str) -> bool:
    inside = f"{os.sep}site-packages{os.sep}" in file or f"{os.sep}dist-packages{os.sep}" in file
    return not (inside or file.startswith("<") or os.path.realpath(file).startswith(_STANDARD))


def _relative(file: str, root: str) -> str:
    """Return a file's name as the SDKs tell it: relative to the folder on the path that it was imported from."""
    if file.startswith(root + os.sep):
        return file[len(root) + 1 :]
    for mark in (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}"):
        if mark in file:
            return file.rpartition(mark)[2]
    if os.path.realpath(file).startswith(_STANDARD):
        return os.path.realpath(file)[len(_STANDARD) :]
    return file
