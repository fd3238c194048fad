"""Entries go in; requests of the OTLP logs service leave, each below a size, records grouped by their origin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tocsin.sinks.base import Entry, SinkContext
from tocsin.sinks.http import encode_json
from tocsin.sinks.otlp.record import log_record
from tocsin.sinks.otlp.values import attributes
from tocsin.sinks.version import version

__all__ = ["REQUEST_BYTES", "requests"]

REQUEST_BYTES: Final = 4_000_000  # what even a collector that passes on by gRPC takes: 4 MiB
_RESOURCE: Final = (  # member of the event, attribute by the semantic conventions
    ("application", "service.name"),
    ("release", "service.version"),
    ("environment", "deployment.environment.name"),
    ("host", "host.name"),
)


def requests(
    entries: Sequence[Entry], context: SinkContext, observed: datetime, max_bytes: int = REQUEST_BYTES
) -> Iterator[tuple[list[Entry], bytes]]:
    """Give (entries, the request's JSON) until all are told, in order; one record alone may be longer."""
    chunk: list[tuple[Entry, bytes, bytes]] = []
    size = 0
    for entry in entries:
        members = entry.members()
        resource = encode_json({"attributes": _resource(members, context)})
        record = encode_json(log_record(entry, members, observed))
        added = len(record) + len(resource) + 200
        if chunk and size + added > max_bytes:
            yield [each for each, _, _ in chunk], _request(chunk)
            chunk, size = [], 0
        chunk.append((entry, resource, record))
        size += added
    if chunk:
        yield [each for each, _, _ in chunk], _request(chunk)


def _request(chunk: Sequence[tuple[Entry, bytes, bytes]]) -> bytes:
    """Return an ExportLogsServiceRequest. The parts are JSON already, and are put together as they are."""
    by_resource: dict[bytes, list[bytes]] = {}
    for _, resource, record in chunk:
        by_resource.setdefault(resource, []).append(record)
    scope = encode_json({"name": "tocsin", "version": version()})
    groups = [
        b'{"resource":%s,"scopeLogs":[{"scope":%s,"logRecords":[%s]}]}' % (resource, scope, b",".join(records))
        for resource, records in by_resource.items()
    ]
    return b'{"resourceLogs":[%s]}' % b",".join(groups)


def _resource(members: Mapping[str, Any], context: SinkContext) -> list[dict[str, Any]]:
    fallback = {"application": context.application, "environment": context.environment, "host": context.host}
    process = members.get("process")
    pid = process.get("id") if isinstance(process, dict) else None
    pairs = [(name, members.get(member) or fallback.get(member)) for member, name in _RESOURCE]
    return attributes([*pairs, ("process.pid", pid)])
