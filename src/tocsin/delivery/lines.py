"""Public lines: a sighting goes in; one JSON object with ``origin`` and ``occurrences`` leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tocsin.delivery.sightings import Sighting
from tocsin.event import error_id, wire
from tocsin.sinks.base import Entry, Origin
from tocsin.spool.tallies import COUNTED

__all__ = ["loss_entry", "sighting_entry"]


def sighting_entry(sighting: Sighting, about: Mapping[str, Any], now: datetime, *, issue: str = "") -> Entry:
    """Return the entry of a sighting. A full event's line is its spooled bytes with two members added.

    ``issue`` is the fingerprint of its issue, where that is not the sighting's own: error ids stay what people saw.
    """
    header = sighting.header
    if sighting.body is not None and not sighting.is_count:
        line = _extended(sighting.body, sighting.origin, sighting.occurrences)
    else:
        line = _dumps(_counted(sighting, about, now))
    if issue and issue != header.fingerprint:
        # Within a text of the report the quotes would be escaped, so these are the member's.
        line = line.replace(_named(header.fingerprint), _named(issue), 1)
    return Entry(sighting.origin, header.kind, header.levelno, issue or header.fingerprint, sighting.occurrences, line)


def loss_entry(reason: str, number: int, origin: Origin, about: Mapping[str, Any], now: datetime) -> Entry:
    """Return the entry that tells of ``number`` lost reports; it belongs to no fingerprint."""
    members = {
        "schema": wire.SCHEMA,
        "kind": "loss",
        "reason": reason,
        "fingerprint": "",
        "error_id": "",
        **_whereabouts(about, now),
        "message": f"{number} lost: {reason}",
        "origin": _origin_members(origin),
        "lost": number,
        "occurrences": 0 if reason in COUNTED else number,
    }
    return Entry(origin, "error", 0, "", number, _dumps(members))


def _named(fingerprint: str) -> bytes:
    return b'"fingerprint":"%s"' % fingerprint.encode()


def _extended(body: bytes, origin: Origin, occurrences: int) -> bytes:
    tail = b',"origin":%s,"occurrences":%d}' % (_dumps(_origin_members(origin)), occurrences)
    return body[:-1] + tail


def _counted(sighting: Sighting, about: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the members of a line without a report: a count, or an event whose report was torn."""
    header = sighting.header
    prefix = error_id.prefix(header.fingerprint)
    at = now if sighting.origin.slot is not None else datetime.fromtimestamp(header.time, UTC)
    members: dict[str, Any] = {
        "schema": wire.SCHEMA,
        "error_id": prefix if sighting.is_count else error_id.make(prefix, header.number),
        "fingerprint": header.fingerprint,
        "kind": header.kind,
        "levelno": header.levelno,
        **_whereabouts(about, at),
    }
    if sighting.body is not None:
        members |= _likeness(sighting.body)
    elif not sighting.is_count:
        members["reason"] = "report torn: the process died, or the disk was full, while it was written"
    members |= {"origin": _origin_members(sighting.origin), "occurrences": sighting.occurrences}
    return members


def _likeness(body: bytes) -> dict[str, Any]:
    """Return what counted occurrences have in common with the fault's first report; nothing if that can't be read."""
    try:
        first = json.loads(body)
        members = {name: first[name] for name in ("level", "logger", "message", "template", "location")}
        if first["exception"] is not None:
            members["exception"] = {name: first["exception"][name] for name in ("type", "message")}
        if "prepared" in first:
            members["prepared"] = first["prepared"]
    except (ValueError, KeyError, TypeError):
        return {}
    return members


def _whereabouts(about: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    names = ("application", "environment", "release", "host")
    return {
        **{name: about.get(name, "") for name in names},
        "timestamp": wire.timestamp_text(at),
        "level": "",
        "logger": "",
        "message": "",
        "exception": None,
        "request": None,
    }


def _origin_members(origin: Origin) -> dict[str, Any]:
    members: dict[str, Any] = {"process": origin.process, "generation": origin.generation}
    if origin.offset is not None:
        return {**members, "offset": origin.offset}
    return {**members, "slot": origin.slot, "count": origin.count}


def _dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
