"""A decoded event goes in; it leaves if every part of it is what the model says, else TypeError or ValueError.

JSON knows no model. What another host, or a hand, wrote into a member would be met much later and much worse: in the
middle of the leader's work, at each of its tries.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import NoneType
from typing import Any, Final, TypeAlias

from tocsin.event.model import Event, ExceptionInfo, Frame, LogLine, Request, Task

__all__ = ["require_shape"]

_Allowed: TypeAlias = tuple[tuple[str, frozenset[type]], ...]
_TEXT: Final = frozenset({str})
_NUMBER: Final = frozenset({int})
_TABLE: Final = frozenset({dict})
_KINDS: Final = ("traceback", "error", "warning")
_DEPTH: Final = 200  # of exceptions, and of what fields hold: past ours, short of what recursion can bear


def _allowed(texts: str, numbers: str = "", **others: frozenset[type]) -> _Allowed:
    named = {**dict.fromkeys(texts.split(), _TEXT), **dict.fromkeys(numbers.split(), _NUMBER), **others}
    return tuple(named.items())


_EVENT: Final = _allowed(
    "level application environment release host logger message template process_name thread location"
    " custom_fingerprint error_id fingerprint commit",
    "levelno process_id",
    fields=_TABLE,
    tags=_TABLE,
    prepared=_TABLE,
)
_TASK: Final = _allowed("name by id")
_LINE: Final = _allowed("level logger message")
_EXCEPTION: Final = _allowed("type message", "frames_omitted members_omitted")
_FRAME: Final = _allowed(
    "module function file source url operation",
    "line repeats",
    end_line=_NUMBER | {NoneType},
    column=_NUMBER | {NoneType},
    end_column=_NUMBER | {NoneType},
    in_app=frozenset({bool}),
    locals=_TABLE | {NoneType},
)
_OPTIONAL: Final = _TEXT | {NoneType}
_REQUEST: Final = _allowed(
    "method path query scheme host",
    route=_OPTIONAL,
    endpoint=_OPTIONAL,
    client=_OPTIONAL,
    client_hash=_OPTIONAL,
    user=_OPTIONAL,
    status=_NUMBER | {NoneType},
    headers=_TABLE,
)


def require_shape(event: Event) -> Event:
    """Return the event. Raises TypeError or ValueError, with the member's name, where it is none of the model's."""
    if event.kind not in _KINDS:
        raise ValueError("kind is none of an event's")
    _require_time(event.timestamp)
    _require(event, _EVENT)
    _require_texts(event.tags)
    _require_shallow(event.fields, _DEPTH)
    _require_shallow(event.prepared, _DEPTH)
    if event.request is not None:
        _require(event.request, _REQUEST)
        _require_texts(event.request.headers)
    if event.task is not None:
        _require(event.task, _TASK)
    for line in event.lead_up:
        _require_time(line.timestamp)
        _require(line, _LINE)
    if event.exception is not None:
        _require_exception(event.exception, _DEPTH)
    return event


def _require_time(at: datetime) -> None:
    if at.tzinfo is None:
        raise ValueError("timestamp has no zone")
    try:
        at.astimezone(UTC)
    except OverflowError:
        raise ValueError("timestamp is in no calendar") from None


def _require(part: Event | ExceptionInfo | Frame | LogLine | Request | Task, allowed: _Allowed) -> None:
    for name, types in allowed:
        value = getattr(part, name)
        if type(value) not in types:
            raise TypeError(f"{name} is a {type(value).__name__} that it can't be")


def _require_exception(info: ExceptionInfo, depth: int) -> None:
    if not depth:
        raise ValueError("exceptions are nested too deep")
    _require(info, _EXCEPTION)
    _require_all(info.notes)
    for frame in info.frames if info.place is None else (*info.frames, info.place):
        _require(frame, _FRAME)
        _require_all(frame.before)
        _require_all(frame.after)
        if frame.locals is not None:
            _require_texts(frame.locals)
    for inner in (info.cause, info.context, *info.members):
        if inner is not None:
            _require_exception(inner, depth - 1)


def _require_all(texts: tuple[str, ...]) -> None:
    for text in texts:
        if type(text) is not str:
            raise TypeError(f"a text is a {type(text).__name__}")


def _require_texts(table: Mapping[str, str]) -> None:
    _require_all(tuple(table.values()))


def _require_shallow(value: Any, depth: int) -> None:
    """Raise ValueError where lists and tables are nested so deep that who shows them might not come to their end."""
    if type(value) not in (dict, list):
        return
    if not depth:
        raise ValueError("fields are nested too deep")
    for each in value.values() if type(value) is dict else value:
        _require_shallow(each, depth - 1)
