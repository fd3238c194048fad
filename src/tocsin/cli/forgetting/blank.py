"""An event's JSON goes in; what is left of it once it is forgotten leaves: what failed in the code, and how often.

Nothing of whom it happened to or with which values: no message, data of a request, local variable, field or tag, and
no source line.
Law: what leaves is never longer than what went in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["FORGOTTEN", "IDENTITY", "blanked", "padded"]

FORGOTTEN: Final = "[forgotten]"
# Kept to the letter: by these it is known and counted.
IDENTITY: Final = ("schema", "error_id", "fingerprint", "kind", "level", "levelno", "timestamp")
_CODE: Final = ("application", "environment", "release", "host", "logger", "location", "commit", "reason")
_EMPTIED: Final = ("message", "template", "thread")
_TAIL: Final = ("origin", "occurrences", "lost", "check")
_FRAME: Final = ("module", "function", "file", "line", "in_app", "repeats")
_REQUEST: Final = ("method", "route", "endpoint", "status")
_REQUEST_EMPTIED: Final = ("path", "query", "scheme", "host")
_DEEPEST: Final = 200


def blanked(members: Mapping[str, Any], without: Callable[[str], str] = str) -> dict[str, Any]:
    """Return what is left of an event or of a line. ``without`` takes out of a text what may not stay anywhere."""
    kept: dict[str, Any] = {name: members[name] for name in IDENTITY if name in members}
    kept |= {name: _text(members[name], without) for name in _CODE if name in members}
    kept |= dict.fromkeys((name for name in _EMPTIED if name in members), "")
    if isinstance(process := members.get("process"), Mapping):
        kept["process"] = {"id": process.get("id", 0), "name": ""}
    if "fields" in members:
        kept["fields"] = {}
    if "request" in members:
        kept["request"] = _request(members["request"], without)
    if "exception" in members:
        kept["exception"] = _exception(members["exception"], without, 0)
    if isinstance(task := members.get("task"), Mapping):
        kept["task"] = {
            "name": _text(task.get("name", ""), without),
            "by": _text(task.get("by", ""), without),
            "id": "",
        }
    return kept | {name: members[name] for name in _TAIL if name in members}


def padded(members: Mapping[str, Any], without: Callable[[str], str], length: int) -> bytes:
    """Return what is left as exactly ``length`` bytes of JSON, which those of ``members`` had.

    The blanks stand before the members that a file sink's line ends with, so that the file still ends as it did.
    """
    kept = blanked(members, without)
    marked = {**kept, "forgotten": True}
    if "message" in kept:
        marked["message"] = FORGOTTEN
    for each in (marked, {**kept, "forgotten": True}, kept):
        head = {name: value for name, value in each.items() if name not in _TAIL}
        tail = {name: value for name, value in each.items() if name in _TAIL}
        begin = json.dumps(head, separators=(",", ":"))[:-1]
        end = f",{json.dumps(tail, separators=(',', ':'))[1:]}" if tail else "}"
        if len(begin) + len(end) <= length:
            return f"{begin}{' ' * (length - len(begin) - len(end))}{end}".encode("ascii")
    return b"{}".ljust(length) if length > 1 else b" " * length  # somebody wrote it by hand: nothing of it can stay


def _text(value: Any, without: Callable[[str], str]) -> Any:
    return without(value) if isinstance(value, str) else value


def _request(request: Any, without: Callable[[str], str]) -> Any:
    if not isinstance(request, Mapping):
        return None
    kept: dict[str, Any] = {name: "" for name in _REQUEST_EMPTIED if name in request}
    kept |= {name: _text(request[name], without) for name in _REQUEST if name in request}
    return {**kept, "headers": {}} if "headers" in request else kept


def _exception(info: Any, without: Callable[[str], str], depth: int) -> Any:
    if not isinstance(info, Mapping) or depth > _DEEPEST:
        return None
    kept: dict[str, Any] = {"type": _text(info.get("type", ""), without), "message": ""}
    if isinstance(info.get("frames"), list):
        kept["frames"] = [_frame(frame, without) for frame in info["frames"] if isinstance(frame, Mapping)]
    if "frames_omitted" in info:
        kept["frames_omitted"] = info["frames_omitted"]
    for name in ("cause", "context"):
        if isinstance(info.get(name), Mapping):
            kept[name] = _exception(info[name], without, depth + 1)
    if isinstance(info.get("members"), list):
        kept["members"] = [_exception(each, without, depth + 1) for each in info["members"]]
        kept["members_omitted"] = info.get("members_omitted", 0)
    return kept


def _frame(frame: Mapping[str, Any], without: Callable[[str], str]) -> dict[str, Any]:
    kept = {name: _text(frame[name], without) for name in _FRAME if name in frame}
    return {**kept, "source": ""} if "source" in frame else kept
