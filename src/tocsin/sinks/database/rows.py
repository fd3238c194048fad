"""Entries go in; rows that every database takes leave, whatever is in an event, and what they add to issues."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tocsin.event import limits, wire
from tocsin.event.model import Event
from tocsin.render import harmless
from tocsin.render.facts import culprit, logged_at
from tocsin.sinks.base import Entry, SinkContext

__all__ = ["CHARS", "Addition", "Row", "additions", "row_of"]

CHARS: Final[Mapping[str, int]] = {  # of the columns; what is longer is cut, and whole in the event
    "origin": 100,
    "error_id": 32,
    "error_prefix": 16,
    "fingerprint": 80,
    "kind": 16,
    "level": 32,
    "application": 120,
    "environment": 120,
    "release": 200,
    "first_release": 200,
    "last_release": 200,
    "last_error_id": 32,
    "host": 255,
    "logger": limits.NAME_CHARS,
    "type": limits.NAME_CHARS,
    "culprit": 2 * limits.NAME_CHARS + 1,
    "method": 32,
    "path": limits.PATH_CHARS,
    "message": limits.MESSAGE_CHARS,
}
_INT64: Final = 2**63 - 1
_INT32: Final = 2**31 - 1
_DEPTH: Final = 28  # MariaDB's JSON functions take no more than 32 levels
_CUT: Final = "…[cut]"
_YEARS: Final = range(1000, 9999)  # MariaDB's range; within it every time zone can show every moment


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one row: the values of its columns, whether it is a fault's at all, and whether it is one of a check.

    The row of a count stands for what its cell counted from ``counted_from`` (exclusive) to ``counted_to``. Its key
    says where it begins: after a crash delivery begins there again, but by then the cell may have gone on.
    """

    values: Mapping[str, Any]
    is_fault: bool
    is_check: bool
    cell: str = ""  # process, generation and slot; "" for a report
    counted_from: int = 0

    @property
    def origin(self) -> str:
        """Return its key."""
        return str(self.values["origin"])

    @property
    def counted_to(self) -> int | None:
        """Return its cell's value after it; None for a report."""
        to: int | None = self.values["counted_to"]
        return to

    def behind(self, counted_to: int | None) -> Row | None:
        """Return what is left of it where a row of the same key reaches so far; None where that is nothing."""
        to = self.counted_to
        if to is None or counted_to is None or not self.counted_from < counted_to < to:
            return None
        covered = counted_to - self.counted_from
        occurrences = max(self.values["occurrences"] - covered, 0)
        event = {**self.values["event"], "occurrences": occurrences}
        if "lost" in event:
            event["lost"] = to - counted_to
        origin = _key(f"{self.cell}+{counted_to}")
        values = {**self.values, "origin": origin, "occurrences": occurrences, "event": event}
        return Row(values, self.is_fault, self.is_check, self.cell, counted_to)


@dataclass(frozen=True, slots=True)
class Addition:
    """Say what rows add to one issue. ``latest`` is the youngest of them, ``is_real`` false where all are checks."""

    latest: Mapping[str, Any]
    occurrences: int
    first_seen: datetime
    last_seen: datetime
    is_real: bool


def row_of(entry: Entry, context: SinkContext, received_at: datetime) -> Row:
    """Return the row of an entry. Texts hold no NUL and no lone surrogates, numbers have 64 bits. Never raises."""
    members = _members(entry.line)
    texts = _texts(members, entry, context)
    origin = entry.origin
    cell = "" if origin.slot is None else f"{origin.process}/{origin.generation}/{origin.slot}"
    counted_to = _integer(origin.count, _INT64) if cell else 0
    counted_from = max(counted_to - entry.occurrences, 0)
    values = {
        "origin": _key(f"{cell}+{counted_from}" if cell else f"{origin.process}/{origin.generation}/{origin.offset}"),
        "counted_to": counted_to if cell else None,
        "timestamp": _time(members.get("timestamp")),
        **{name: _text(value, CHARS[name]) for name, value in texts.items()},
        "levelno": _integer(entry.levelno, _INT32),
        "status": _status(_part(members, "request").get("status")),
        "occurrences": _integer(members.get("occurrences", entry.occurrences), _INT64),
        "received_at": received_at,
        "event": _jsonable(members, _DEPTH),
    }
    return Row(values, texts["kind"] != "loss", members.get("check") is True, cell, counted_from)


def additions(rows: Iterable[Row]) -> list[Addition]:
    """Return what rows add to their issues, in the order of the issues' keys: everybody who adds locks in it."""
    found: dict[tuple[str, str, str], Addition] = {}
    for row in rows:
        if not row.is_fault:
            continue
        values = row.values
        key = (values["fingerprint"], values["application"], values["environment"])
        at = values["timestamp"] or values["received_at"]
        before = found.get(key)
        if before is None:
            found[key] = Addition(values, values["occurrences"], at, at, not row.is_check)
            continue
        found[key] = Addition(
            values if at >= before.last_seen else before.latest,
            min(before.occurrences + values["occurrences"], _INT64),
            min(at, before.first_seen),
            max(at, before.last_seen),
            before.is_real or not row.is_check,
        )
    return [found[key] for key in sorted(found)]


def _texts(members: Mapping[str, Any], entry: Entry, context: SinkContext) -> dict[str, Any]:
    event = _event(members)
    exception, request = _part(members, "exception"), _part(members, "request")
    place = logged_at(str(members.get("logger") or ""), str(members.get("location") or "")).rpartition(":")[0]
    return {
        "error_id": members.get("error_id"),
        "fingerprint": members.get("fingerprint") or entry.fingerprint,
        "kind": members.get("kind") or entry.kind,
        "level": members.get("level"),
        "application": members.get("application") or context.application,
        "environment": members.get("environment") or context.environment,
        "release": members.get("release"),
        "host": members.get("host") or context.host,
        "logger": members.get("logger"),
        "type": exception.get("type"),
        "message": exception.get("message") or members.get("message") or members.get("reason"),
        "culprit": place if event is None else culprit(event),
        "method": request.get("method"),
        "path": request.get("path"),
    }


def _key(text: str) -> str:
    """Return a key that fits its column, such as ``018f…/1/4096`` or ``018f…/1/8+17``."""
    if len(text) <= CHARS["origin"] and text.isascii() and text.isprintable():
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _members(line: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(line, parse_int=_parsed_integer, parse_float=_parsed_float, parse_constant=_no_number)
    except (ValueError, RecursionError):
        decoded = None
    return decoded if isinstance(decoded, dict) else {"raw": line.decode("utf-8", "replace")}


def _part(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = members.get(name)
    return part if isinstance(part, dict) else {}


def _event(members: Mapping[str, Any]) -> Event | None:
    if "process" not in members:
        return None  # a count or a loss is no whole event
    try:
        return wire.event_from(members)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


# -- values that every database takes ----------------------------------------------------------------------


def _parsed_integer(digits: str) -> int | str:
    """Return an integer of 64 bits, or the text of a longer one: as a number it would be rounded, or refused."""
    if len(digits) > 20:
        return digits
    number = int(digits)
    return number if -_INT64 <= number <= _INT64 else digits


def _parsed_float(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _no_number(_: str) -> None:
    """Stand for NaN and the infinities, which are no JSON."""


def _text(value: Any, chars: int) -> str:
    text = _clean(value if isinstance(value, str) else "" if value is None else str(value))
    # In MariaDB's index a character beyond the basic plane is one character as well.
    return text if len(text) <= chars else text[: chars - 1] + "…"


def _clean(text: str) -> str:
    """Return a text without NUL, which PostgreSQL has no place for, and without halves of characters."""
    if "\0" in text:
        text = text.replace("\0", "\\0")
    return harmless.encodable(text)


def _jsonable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, (dict, list)) and depth <= 0:
        return _CUT
    if isinstance(value, dict):
        return {_clean(name): _jsonable(each, depth - 1) for name, each in value.items()}
    if isinstance(value, list):
        return [_jsonable(each, depth - 1) for each in value]
    return value


def _integer(value: Any, most: int) -> int:
    if isinstance(value, str):  # a number too long for 64 bits
        return -most if value.startswith("-") else most
    return max(-most, min(int(value), most)) if isinstance(value, (int, float)) else 0


def _status(value: Any) -> int | None:
    return _integer(value, _INT32) if isinstance(value, int) and not isinstance(value, bool) else None


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
        at = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if at.year in _YEARS else None
