"""An entry goes in; one RFC 5424 message leaves as bytes without a line break, never longer than a stated size."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.event import limits, wire
from tocsin.event.model import Event
from tocsin.render import harmless
from tocsin.render.line import times, whereabouts
from tocsin.sinks.base import Entry, Origin, SinkContext

__all__ = ["CUT", "SD_ID", "Style", "message", "severity"]

# §7.2.2 wants a private enterprise number in the name of structured data. tocsin has none; RFC 5612 gives this one
# to documentation, so nobody else's structured data can be meant by it.
SD_ID: Final = "tocsin@32473"
CUT: Final = "…[cut]".encode()

_NIL: Final = "-"
_BOM: Final = b"\xef\xbb\xbf"
_LEAST_TEXT_BYTES: Final = 120  # of a message are kept for its text; structured data gets no more than the rest
_VALUE_CHARS: Final = 256
# Of a clock that was never set nothing is said, as RFC 5424 §6.2.3 has it: rsyslog takes no message past the year 2099.
_TIMESTAMP: Final = re.compile(r"(19[7-9]\d|20\d\d)-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_NAME_CHARS: Final = 32  # of a parameter's name
_NO_PARAM_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
_NO_PRINTUSASCII: Final = re.compile(r"[^!-~]")

_ESCAPED: Final = re.compile(r'["\\\]]')
_SEVERITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG_SEVERITY: Final = 7
_LOSS_SEVERITY: Final = 4
_MOST_PRIORITY: Final = 191  # §6.2.1


@dataclass(frozen=True, slots=True)
class Style:
    """Say how messages look: the facility's number, the most bytes of one, whether its text begins with a BOM."""

    facility: int
    max_bytes: int
    has_bom: bool = False


def message(entry: Entry, context: SinkContext, style: Style) -> bytes:
    """Return the message (§6) of an entry, at most ``style.max_bytes`` long, and always valid UTF-8.

    What doesn't fit is cut from the text first, marked by ``…[cut]``; the end of the text, where and on which
    request, is kept. Never raises, whatever the entry's line is.
    """
    members = entry.members()
    start = _header(entry, members, context, style.facility)
    room = style.max_bytes - len(start) - len(_BOM) * style.has_bom
    data = _structured_data(_params(entry, members), room - _LEAST_TEXT_BYTES)
    text = _text(entry, members, room - len(data) - 1)
    return b"".join([start, data, b" ", _BOM if style.has_bom else b"", text])


def severity(levelno: int) -> int:
    """Return the severity (§6.2.1) of a level: 2 critical, 3 error, 4 warning, 6 informational, 7 debug."""
    return next((number for floor, number in _SEVERITIES if levelno >= floor), _DEBUG_SEVERITY)


def _header(entry: Entry, members: Mapping[str, Any], context: SinkContext, facility: int) -> bytes:
    kind = str(members.get("kind") or entry.kind)
    number = facility * 8 + (_LOSS_SEVERITY if kind == "loss" else severity(entry.levelno))
    own = _prepared(members).get("priority")
    if isinstance(own, int) and 0 <= own <= _MOST_PRIORITY:
        number = own
    at = str(members.get("timestamp") or "")
    process = members.get("process")
    fields = (
        at if _TIMESTAMP.fullmatch(at) else _NIL,
        _host(members.get("host") or context.host),
        _word(members.get("application") or context.application, 48),
        _word(process.get("id") if isinstance(process, dict) else "", 128),
        _word(kind, 32),
    )
    return f"<{number}>1 {' '.join(fields)} ".encode("ascii")


def _word(value: Any, chars: int) -> str:
    """Return a header field: printable ASCII without blanks, other characters as ``?``; ``-`` where there is none."""
    return _NO_PRINTUSASCII.sub("?", str(value or ""))[:chars] or _NIL


def _host(value: Any) -> str:
    """Return a host's word. syslog-ng takes no message whose host has a bracket, or a colon but in an IP address."""
    word = _word(value, 255)
    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        return re.sub(r"[\[\]:]", "?", word)


# -- structured data ---------------------------------------------------------------------------------------


def _params(entry: Entry, members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give the parameters, the most important first: where room is short, the last ones are left out."""
    occurrences = members.get("occurrences")
    exception, request, task = members.get("exception"), members.get("request"), members.get("task")
    yield "error_id", str(members.get("error_id") or "")
    yield "fingerprint", str(members.get("fingerprint") or entry.fingerprint)
    yield "kind", str(members.get("kind") or entry.kind)
    yield "occurrences", str(occurrences if isinstance(occurrences, int) else entry.occurrences)
    yield "origin", _origin(entry.origin)
    yield "check", "true" if members.get("check") is True else ""
    yield "lost", str(members.get("lost") or "")
    yield "exception", str(exception.get("type") or "") if isinstance(exception, dict) else ""
    yield "path", str(request.get("path") or "") if isinstance(request, dict) else ""
    yield "task", str(task.get("name") or "") if isinstance(task, dict) else ""
    yield "release", str(members.get("release") or "")
    yield "environment", str(members.get("environment") or "")
    yield "task_id", str(task.get("id") or "") if isinstance(task, dict) else ""
    yield "user", str(request.get("user") or "") if isinstance(request, dict) else ""
    yield from _tags(members.get("tags"))


def _tags(tags: Any) -> Iterator[tuple[str, str]]:
    """Give a parameter for each tag, its name made one of RFC 5424 (§6.3.3) that nobody takes apart at its dots."""
    found: dict[str, str] = {}
    for name, value in list(tags.items())[: limits.TAGS] if isinstance(tags, dict) else ():
        found.setdefault(("tag_" + _NO_PARAM_NAME.sub("_", name))[:_NAME_CHARS], str(value))
    yield from found.items()


def _origin(origin: Origin) -> str:
    if origin.offset is not None:
        return f"{origin.process}/{origin.generation}/{origin.offset}"
    return f"{origin.process}/{origin.generation}/{origin.slot}={origin.count}"


def _structured_data(params: Iterator[tuple[str, str]], room_bytes: int) -> bytes:
    """Return the one element, with as many of the parameters as there is room for."""
    out = [b"[" + SD_ID.encode()]
    size = len(out[0]) + 1
    for name, value in params:
        shown = _ESCAPED.sub(r"\\\g<0>", harmless.line(value, _VALUE_CHARS))
        param = f' {name}="{shown}"'.encode()
        if value and size + len(param) <= room_bytes:
            out.append(param)
            size += len(param)
    return b"".join([*out, b"]"])


# -- the text ----------------------------------------------------------------------------------------------


def _prepared(members: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a drop-in handler prepared; it has its own priority, and its formatter's text is the whole text."""
    prepared = members.get("prepared")
    return prepared if isinstance(prepared, dict) else {}


def _text(entry: Entry, members: Mapping[str, Any], room_bytes: int) -> bytes:
    own = _prepared(members).get("text")
    if isinstance(own, str):
        return _fitted(harmless.line(own).encode(), times(max(entry.occurrences, 1)).encode(), room_bytes)
    try:
        # A count or a loss is no whole event.
        head, tail = _whole(wire.event_from(members)) if "process" in members else (_bare(entry, members), "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        head, tail = _bare(entry, members), ""
    tail += times(max(entry.occurrences, 1))  # a check stands for none
    mark = str(members.get("error_id") or "")
    return _fitted(harmless.line(f"{mark} {head}" if mark else head).encode(), tail.encode(), room_bytes)


def _whole(event: Event) -> tuple[str, str]:
    if event.exception is None:
        return event.message or event.template or event.level, whereabouts(event)
    said = event.exception.message
    return f"{event.exception.type}: {said}" if said else event.exception.type, whereabouts(event)


def _bare(entry: Entry, members: Mapping[str, Any]) -> str:
    exception = members.get("exception")
    if isinstance(exception, dict) and exception.get("type"):
        said = exception.get("message")
        return f"{exception['type']}: {said}" if said else str(exception["type"])
    return str(members.get("message") or members.get("reason") or members.get("kind") or entry.kind)


def _fitted(head: bytes, tail: bytes, room_bytes: int) -> bytes:
    if len(head) + len(tail) <= room_bytes:
        return head + tail
    if len(tail) > room_bytes // 2:
        tail = _clipped(tail, room_bytes // 2 - len(CUT)) + CUT
    if len(head) + len(tail) <= room_bytes:
        return head + tail
    return _clipped(head, room_bytes - len(tail) - len(CUT)) + CUT + tail


def _clipped(text: bytes, size: int) -> bytes:
    """Return at most so many bytes of UTF-8, without half a character at the end."""
    return text[:size].decode("utf-8", "ignore").encode()
