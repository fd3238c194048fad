"""An entry goes in; an OTLP LogRecord leaves, in the JSON encoding, with attributes by the semantic conventions."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from tocsin.event import limits, wire
from tocsin.event.model import Event, ExceptionInfo, Request
from tocsin.render.facts import frame_name, innermost
from tocsin.render.lead_up import lead_up_text
from tocsin.render.traceback import plain, traceback_lines
from tocsin.sinks.base import Entry
from tocsin.sinks.origin_uuid import origin_text, origin_uuid
from tocsin.sinks.otlp.values import any_value, attributes

__all__ = ["STACKTRACE_CHARS", "log_record", "severity"]

_Pairs: TypeAlias = "Iterator[tuple[str, Any]]"

STACKTRACE_CHARS: Final = 65_536
_CUT: Final = "…[cut]"
_DEPTH: Final = 2 * limits.CHAIN
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS_MAX: Final = 2**64
_SEVERITIES: Final = ((logging.CRITICAL, 21), (logging.ERROR, 17), (logging.WARNING, 13), (logging.INFO, 9))
_DEBUG_SEVERITY: Final = 5
_WARN_SEVERITY: Final = 13


def log_record(entry: Entry, members: Mapping[str, Any], observed: datetime) -> dict[str, Any]:
    """Return the record of an entry: a report, a count, a loss or a check. Never raises, whatever ``members`` is."""
    is_loss = members.get("kind") == "loss"
    pairs = dict(_about(entry, members))
    try:
        pairs |= dict(_of_event(wire.event_from(members)) if "process" in members else _of_count(members))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pairs |= dict(_of_count(members))
    return {
        "timeUnixNano": _nanos(members.get("timestamp")),
        "observedTimeUnixNano": _nanos(wire.timestamp_text(observed)),
        "severityNumber": _WARN_SEVERITY if is_loss else severity(entry.levelno),
        "severityText": str(members.get("level") or ("WARNING" if is_loss else logging.getLevelName(entry.levelno))),
        "body": any_value(_body(entry, members)),
        "attributes": attributes(pairs.items()),
    }


def severity(levelno: int) -> int:
    """Return the SeverityNumber of a level: FATAL 21, ERROR 17, WARN 13, INFO 9, DEBUG 5."""
    return next((number for floor, number in _SEVERITIES if levelno >= floor), _DEBUG_SEVERITY)


def _nanos(timestamp: Any) -> str:
    """Return nanoseconds since 1970 as text; 0, which stands for unknown, for what 64 bits don't hold."""
    try:
        since = datetime.fromisoformat(str(timestamp)) - _EPOCH
    except (ValueError, TypeError):
        return "0"
    nanos = since // timedelta(microseconds=1) * 1_000
    return str(nanos) if 0 <= nanos < _NANOS_MAX else "0"


def _body(entry: Entry, members: Mapping[str, Any]) -> str:
    exception = members.get("exception")
    said = members.get("message") or members.get("template") or members.get("reason")
    if not said and isinstance(exception, dict):
        said = f"{exception.get('type') or 'Exception'}: {exception.get('message') or ''}".removesuffix(": ")
    return str(said or members.get("kind") or entry.kind)


def _about(entry: Entry, members: Mapping[str, Any]) -> _Pairs:
    """Give what every record has."""
    occurrences = members.get("occurrences")
    yield "log.record.uid", str(origin_uuid(entry.origin))
    yield "tocsin.kind", str(members.get("kind") or entry.kind)
    yield "tocsin.error_id", str(members.get("error_id") or "")
    yield "tocsin.fingerprint", str(members.get("fingerprint") or entry.fingerprint)
    yield "tocsin.occurrences", occurrences if isinstance(occurrences, int) else entry.occurrences
    yield "tocsin.origin", origin_text(entry.origin)
    yield "tocsin.lost", members.get("lost")
    yield "tocsin.reason", members.get("reason")
    yield "tocsin.check", True if members.get("check") is True else None


def _of_count(members: Mapping[str, Any]) -> _Pairs:
    """Give what a line without a report tells of its fault."""
    exception = members.get("exception")
    if isinstance(exception, dict):
        yield "exception.type", exception.get("type")
        yield "exception.message", exception.get("message")
    yield "log.logger", members.get("logger")
    yield "tocsin.template", members.get("template")


def _of_event(event: Event) -> _Pairs:
    if event.exception is not None:
        yield "exception.type", event.exception.type
        yield "exception.message", event.exception.message
        yield "exception.stacktrace", _stacktrace(event.exception)
    yield from _code(event)
    if event.request is not None:
        yield from _request(event.request)
    if event.task is not None:  # for work in the background there is no convention yet
        yield "tocsin.task.name", event.task.name
        yield "tocsin.task.by", event.task.by
        yield "tocsin.task.id", event.task.id
    yield "log.logger", event.logger
    yield "thread.name", event.thread
    yield "tocsin.template", event.template
    # As text, as the stack trace is: backends show that legibly, and lists of tables hardly any of them.
    yield "tocsin.lead_up", "".join(lead_up_text(event)).partition("\n\n")[2]
    for name, value in list(event.tags.items())[: limits.TAGS]:
        yield f"tocsin.tag.{name}", value
    for name, value in list(event.fields.items())[: limits.FIELDS]:
        yield f"tocsin.field.{name}", value


def _stacktrace(exception: ExceptionInfo) -> str:
    """Return the traceback as Python prints it, library frames too; of a very long one the end is kept."""
    text = "\n".join(plain(traceback_lines(_unfolded(exception, 0))))
    return text if len(text) <= STACKTRACE_CHARS else _CUT + text[len(_CUT) - STACKTRACE_CHARS :]


def _unfolded(info: ExceptionInfo, depth: int) -> ExceptionInfo:
    """Return the exception with every frame called the application's own: others would be shown as a number only."""
    if depth >= _DEPTH:
        return info
    return replace(
        info,
        frames=tuple(replace(frame, in_app=True) for frame in info.frames),
        cause=None if info.cause is None else _unfolded(info.cause, depth + 1),
        context=None if info.context is None else _unfolded(info.context, depth + 1),
        members=tuple(_unfolded(member, depth + 1) for member in info.members),
    )


def _code(event: Event) -> _Pairs:
    """Give where it happened: the innermost application frame, else the place of the log call."""
    frame = innermost(event.exception)
    if frame is not None:
        yield "code.function.name", frame_name(frame)
        yield "code.file.path", frame.file
        yield "code.line.number", frame.line
        return
    function, _, line = event.location.rpartition(":")
    yield "code.function.name", function
    yield "code.line.number", int(line) if line.isascii() and line.isdigit() and len(line) < 10 else None


def _request(request: Request) -> _Pairs:
    host, _, port = request.host.rpartition(":") if request.host[-1:].isdigit() else (request.host, "", "")
    yield "http.request.method", request.method
    yield "http.route", request.route
    yield "http.response.status_code", request.status
    yield "url.scheme", request.scheme
    yield "url.path", request.path
    yield "url.query", request.query
    yield "server.address", host or request.host
    yield "server.port", int(port) if host and port.isascii() and port.isdigit() and len(port) < 6 else None
    yield "client.address", request.client
    yield "user.id", request.user
    yield "tocsin.client_hash", request.client_hash
    yield "tocsin.endpoint", request.endpoint
    for name, value in list(request.headers.items())[: limits.HEADERS]:
        yield f"http.request.header.{name.lower()}", [value]
