"""An entry and a size go in; its line leaves, not longer than that, and still a whole JSON object of the schema.

Dropped, in this order, until it fits: earlier lines of the lead-up, the code around frames, causes and group members,
outer frames, what was given as extra, the request's headers, the whole lead-up, the end of the message, the
traceback, the request, tags and task. What remains in any case: schema, kind, level, fingerprint, error id, where
from, when, the exception's type, how the message begins, origin and occurrences.
``cut_bytes`` says how long the line was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from tocsin.event import wire
from tocsin.sinks.base import Entry

__all__ = ["shortened"]

_CONTEXT: Final = ("before", "after", "locals", "end_line", "column", "end_column")
_CHAINED: Final = ("cause", "context", "members", "members_omitted", "notes")
_LEAD_UP: Final = (20, 5)  # latest lines that are kept
_FRAMES: Final = (32, 16, 8, 4, 2, 1)
_CHARS: Final = (1_024, 512, 256, 128, 64, 32)
_NAMES: Final = ("application", "environment", "release", "host", "logger", "template", "location", "thread")
_LEAST_CHARS: Final = 16  # a character may take twelve bytes
_ALWAYS: Final = ("schema", "error_id", "fingerprint", "kind", "level", "levelno", "timestamp")


def shortened(entry: Entry, max_bytes: int) -> bytes:
    """Return the line of an entry in at most ``max_bytes``. Never raises, whatever the line is."""
    if len(entry.line) <= max_bytes:
        return entry.line
    try:
        members = json.loads(entry.line)
        if isinstance(members, dict):
            members["cut_bytes"] = len(entry.line)
            for _ in _steps(members):
                line = _dumps(members)
                if len(line) <= max_bytes:
                    return line
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        pass
    return _least(entry, max_bytes)


def _steps(members: dict[str, Any]) -> Iterator[None]:
    """Make the members smaller step by step, the least missed first."""
    yield from _of_lead_up(members, _LEAD_UP)
    exception = members.get("exception")
    if isinstance(exception, dict):
        yield from _in_exception(exception)
    for name in ("fields", "request.headers"):
        _empty(members, name)
        yield
    yield from _of_lead_up(members, (0,))
    for chars in _CHARS:
        _clip_messages(members, chars)
        yield
    if isinstance(exception, dict) and exception.get("frames"):
        exception["frames_omitted"] = exception.get("frames_omitted", 0) + len(exception["frames"])
        exception["frames"] = []
        yield
    if members.get("request") is not None:
        members["request"] = None
        yield
    for name in ("tags", "task"):
        if members.pop(name, None):
            yield
    for name in _NAMES:
        _clip(members, name, 64)
    yield
    for name in _NAMES:
        _clip(members, name, _LEAST_CHARS)
    if isinstance(exception, dict):
        _clip(exception, "type", 64)
    _clip_messages(members, _LEAST_CHARS)
    yield


def _of_lead_up(members: dict[str, Any], numbers: tuple[int, ...]) -> Iterator[None]:
    for number in numbers:
        if len(members.get("lead_up") or ()) > number:
            members["lead_up"] = members["lead_up"][-number:] if number else []
            yield


def _in_exception(exception: dict[str, Any]) -> Iterator[None]:
    _for_all_frames(exception, lambda frame: [frame.pop(name, None) for name in _CONTEXT])
    yield
    for name in _CHAINED:
        exception.pop(name, None)
    yield
    frames = exception.get("frames") or []
    for number in _FRAMES:
        if len(frames) > number:
            exception["frames_omitted"] = exception.get("frames_omitted", 0) + len(frames) - number
            frames = exception["frames"] = frames[-number:]  # the innermost tell most
            yield


def _for_all_frames(exception: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> None:
    for frame in exception.get("frames") or ():
        change(frame)
    for other in (exception.get("cause"), exception.get("context"), *(exception.get("members") or ())):
        if isinstance(other, dict):
            _for_all_frames(other, change)


def _empty(members: dict[str, Any], name: str) -> None:
    holder: Any = members
    *outer, last = name.split(".")
    for each in outer:
        holder = holder.get(each)
    if isinstance(holder, dict) and holder.get(last):
        holder[last] = {}


def _clip_messages(members: dict[str, Any], chars: int) -> None:
    _clip(members, "message", chars)
    _clip(members, "template", chars)
    if isinstance(members.get("exception"), dict):
        _clip(members["exception"], "message", chars)
    request = members.get("request")
    if isinstance(request, dict):
        for name in ("path", "query", "host"):
            _clip(request, name, chars)


def _clip(members: dict[str, Any], name: str, chars: int) -> None:
    value = members.get(name)
    if isinstance(value, str) and len(value) > chars:
        members[name] = value[: chars - 1] + "…"


def _least(entry: Entry, max_bytes: int) -> bytes:
    """Return what every line has, for one that can't be read or has no end in a place where none is expected."""
    origin = entry.origin
    place = {"offset": origin.offset} if origin.offset is not None else {"slot": origin.slot, "count": origin.count}
    known = entry.members()
    exception = known.get("exception")
    type_ = exception.get("type") if isinstance(exception, dict) else None
    members: dict[str, Any] = {
        "schema": wire.SCHEMA,
        "kind": entry.kind,
        "fingerprint": entry.fingerprint,
        "levelno": entry.levelno,
        **{name: known[name] for name in _ALWAYS if isinstance(known.get(name), str | int)},
        **{name: _short(known.get(name)) for name in ("application", "environment", "release", "host")},
        "logger": "",
        "message": _short(known.get("message")),
        "exception": {"type": _short(type_), "message": ""} if type_ else None,
        "request": None,
        "origin": {"process": origin.process, "generation": origin.generation, **place},
        "occurrences": entry.occurrences,
        "cut_bytes": len(entry.line),
    }
    line = _dumps(members)
    for name in ("message", "exception", "release", "host", "environment", "level"):
        if len(line) <= max_bytes:
            break
        members.pop(name)
        line = _dumps(members)
    return line


def _short(value: Any) -> str:
    return value[:_LEAST_CHARS] if isinstance(value, str) else ""


def _dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
