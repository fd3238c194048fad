"""An entry with a report goes in; the protocol's event leaves: JSON values, every text harmless and bounded."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from tocsin.event import limits, wire
from tocsin.event.model import Event, Request
from tocsin.render import harmless
from tocsin.render.facts import frame_name, innermost
from tocsin.sinks.base import Entry, SinkContext
from tocsin.sinks.origin_uuid import origin_text, origin_uuid
from tocsin.sinks.sentry.exceptions import exception_values
from tocsin.sinks.version import version

__all__ = ["event_payload", "level", "sdk"]

_LEVELS: Final = (
    (logging.CRITICAL, "fatal"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)
# What the servers' documentation and columns have room for; past it they cut, or take the event with a complaint.
_TAG_CHARS: Final = 200
_TAG_NAME_CHARS: Final = 32
_NOT_IN_TAGS: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
_RELEASE_CHARS: Final = 200
_ENVIRONMENT_CHARS: Final = 64
_LOGGER_CHARS: Final = 64
_TRANSACTION_CHARS: Final = 200
_NOT_IN_RELEASES: Final = re.compile(r"[\s/\\]")
_PLAUSIBLE: Final = re.compile(r"(?:19[7-9]|20|21)\d")
_CRUMB_LEVELS: Final = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "fatal"}
_FIELD_DEPTH: Final = 8


def event_payload(entry: Entry, members: Mapping[str, Any], context: SinkContext) -> dict[str, Any]:
    """Return the event of an entry whose decoded line is ``members``. Never raises, whatever that is."""
    try:
        return {**_common(entry, members, context), **_of_event(wire.event_from(members))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # A line of another version, or a time that no calendar has: what is there is told as a message.
        words = members.get("message") or members.get("kind") or entry.kind
        return {**_common(entry, members, context), "logentry": {"formatted": _block(words)}}


def sdk() -> dict[str, str]:
    """Return what sends: name and version."""
    return {"name": "tocsin", "version": version()}


def level(levelno: int) -> str:
    """Return the protocol's word for a level: fatal, error, warning, info or debug."""
    return next((name for floor, name in _LEVELS if levelno >= floor), "debug")


def _common(entry: Entry, members: Mapping[str, Any], context: SinkContext) -> dict[str, Any]:
    """Return what every event has, a line that can't be read included."""
    found: dict[str, Any] = {
        "event_id": origin_uuid(entry.origin).hex,
        "platform": "python",
        "sdk": sdk(),
        "level": level(entry.levelno),
        "fingerprint": [_line(members.get("fingerprint") or entry.fingerprint or "tocsin")],
        "server_name": _line(members.get("host") or context.host, limits.NAME_CHARS - 1),
        "release": _NOT_IN_RELEASES.sub("_", _line(members.get("release"), _RELEASE_CHARS)),
        "environment": _NOT_IN_RELEASES.sub("_", _line(members.get("environment"), _ENVIRONMENT_CHARS)),
        "tags": _tags(entry, members),
    }
    at = str(members.get("timestamp") or "")
    if _PLAUSIBLE.match(at):  # a clock that was never set is the server's to replace
        found["timestamp"] = at
    return {name: value for name, value in found.items() if value != ""}


def _tags(entry: Entry, members: Mapping[str, Any]) -> dict[str, str]:
    """Return our own tags and then the application's, of which none takes the name of one of ours."""
    tags: dict[str, Any] = {
        "error_id": members.get("error_id"),
        "kind": members.get("kind") or entry.kind,
        "application": members.get("application"),
        "origin": origin_text(entry.origin),
        "check": "true" if members.get("check") is True else "",
    }
    given = members.get("tags")
    for name, value in list(given.items())[: limits.TAGS] if isinstance(given, dict) else ():
        tags.setdefault(_NOT_IN_TAGS.sub("_", name)[:_TAG_NAME_CHARS], value)
    # A value may be spaces only, of which nothing is left.
    shown = {name: _line(value, _TAG_CHARS) for name, value in tags.items() if name}
    return {name: value for name, value in shown.items() if value}


def _of_event(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {
        "logger": _line(event.logger, _LOGGER_CHARS),
        "transaction": _line(_transaction(event), _TRANSACTION_CHARS),
        "breadcrumbs": _breadcrumbs(event),
        "extra": {_line(name, limits.NAME_CHARS): _value(value, 0) for name, value in _bounded(event.fields)},
        "contexts": _contexts(event),
        "logentry": _logentry(event),
        "exception": _exception(event),
    }
    if event.request is not None:
        found |= _request(event.request)
    return {name: value for name, value in found.items() if value}


def _transaction(event: Event) -> str:
    """Return the route or the task, else the function where it happened, else the logger."""
    if event.request is not None and event.request.route:
        return event.request.route
    if event.task is not None and event.task.name:
        return event.task.name
    frame = innermost(event.exception)
    return frame_name(frame) if frame is not None else event.location or event.logger


def _exception(event: Event) -> dict[str, Any] | None:
    if event.exception is None:
        return None
    return {"values": exception_values(event.exception, is_handled=event.kind != "traceback")}


def _logentry(event: Event) -> dict[str, str] | None:
    """Return the message, where it says more than the exception does."""
    info = event.exception
    if info is not None and event.message in ("", info.type, info.message, f"{info.type}: {info.message}"):
        return None
    found = {"message": _block(event.template), "formatted": _block(event.message or event.template or event.level)}
    return {name: value for name, value in found.items() if value}


def _contexts(event: Event) -> dict[str, Any]:
    own = {
        "type": "tocsin",
        "process": event.process_id,
        "process_name": _line(event.process_name, limits.NAME_CHARS),
        "thread": _line(event.thread, limits.NAME_CHARS),
        "location": _line(event.location, limits.PATH_CHARS),
        "endpoint": _line(event.request.endpoint if event.request else "", limits.NAME_CHARS),
        "frames_left_out": event.exception.frames_omitted if event.exception else 0,
    }
    contexts: dict[str, Any] = {"tocsin": {name: value for name, value in own.items() if value}}
    if event.task is not None:
        named = {"name": event.task.name, "by": event.task.by, "id": event.task.id}
        shown = {name: _line(value, limits.NAME_CHARS) for name, value in named.items() if value}
        contexts["task"] = {"type": "task", **shown}
    if event.request is not None and isinstance(event.request.status, int):
        contexts["response"] = {"type": "response", "status_code": event.request.status}
    return contexts


def _breadcrumbs(event: Event) -> dict[str, Any] | None:
    """Return the lead-up, the oldest first; a time that the servers' calendars don't have is left out."""
    found: list[dict[str, Any]] = []
    for line in event.lead_up[-limits.LEAD_UP :]:
        at = wire.timestamp_text(line.timestamp)
        crumb = {
            "timestamp": at if _PLAUSIBLE.match(at) else "",
            "type": "default",
            "level": _CRUMB_LEVELS.get(line.level, "info"),
            "category": _line(line.logger, limits.NAME_CHARS),
            "message": harmless.block(line.message[: limits.LEAD_UP_CHARS]),
        }
        found.append({name: value for name, value in crumb.items() if value})
    return {"values": found} if found else None


def _request(request: Request) -> dict[str, Any]:
    scheme = request.scheme if request.scheme in ("http", "https") else "http"
    base = f"{scheme}://{_line(request.host, limits.NAME_CHARS)}" if request.host else ""
    found: dict[str, Any] = {
        "method": _line(request.method, 32),
        "url": base + _line(request.path, limits.PATH_CHARS),
        "query_string": _line(request.query, limits.QUERY_CHARS),
        "headers": {_line(name, 256): _line(value, limits.HEADER_CHARS) for name, value in _bounded(request.headers)},
    }
    if request.client:
        found["env"] = {"REMOTE_ADDR": _line(request.client, limits.NAME_CHARS)}
    members = {"request": {name: value for name, value in found.items() if value}}
    who = request.user or request.client_hash
    if who:  # the server counts how many users an issue has met by it
        members["user"] = {"id": _line(who, limits.NAME_CHARS)}
    return members


def _bounded(members: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(members.items())[: limits.FIELDS]


def _value(value: Any, depth: int) -> Any:
    """Return a field's value as JSON that every server takes: bounded, and no integer past 64 bits."""
    if depth >= _FIELD_DEPTH and isinstance(value, (list, dict)):
        return "…"
    if isinstance(value, dict):
        items = list(value.items())[: limits.FIELD_ITEMS]
        return {_line(name, limits.NAME_CHARS): _value(each, depth + 1) for name, each in items}
    if isinstance(value, list):
        return [_value(each, depth + 1) for each in value[: limits.FIELD_ITEMS]]
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return str(value)[: limits.FIELD_CHARS]
    return harmless.block(value[: limits.FIELD_CHARS]) if isinstance(value, str) else value


def _line(value: Any, chars: int = limits.PATH_CHARS) -> str:
    return harmless.line(str(value or ""), chars).strip()


def _block(value: Any) -> str:
    return harmless.block(str(value or "")[: limits.MESSAGE_CHARS])
