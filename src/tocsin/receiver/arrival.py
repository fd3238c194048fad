"""One line of a sender goes in; an Arrival leaves, checked as far as a spool relies on it, or an Unreadable."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, get_args

from tocsin.event import error_id, limits, wire
from tocsin.event.errors import DecodeError
from tocsin.event.model import Kind
from tocsin.render import harmless
from tocsin.sinks.base import Origin
from tocsin.sinks.socket.protocol import Code

__all__ = ["Arrival", "Unreadable", "arrival_of", "decoded", "origin_of"]

_FINGERPRINT: Final = re.compile(r"v(?:[1-9]|1[0-6]):[0-9a-f]{32}")  # versions that a record's header has room for
# Half a character, which no encoder takes: as an escape, or as bytes that are no UTF-8. Pairs match as well.
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_NO_FINGERPRINT: Final = "v1:" + "0" * 32
_MOST_COUNT: Final = (1 << 32) - 1  # what a record's header holds
_MOST_NUMBER: Final = (1 << 63) - 1
_PROCESS_CHARS: Final = 64
_FIRST_S: Final = -62_135_424_000.0  # the third day that a datetime holds: it is one in every zone, as delivery needs
_AHEAD_S: Final = 300.0  # a sender's clock may be so far ahead; past it the time of arrival counts


@dataclass(frozen=True, slots=True)
class Arrival:
    """Be one line as it came. ``members`` are all of it but ``origin`` and ``occurrences``."""

    kind: Kind
    levelno: int
    number: int
    fingerprint: str
    time: float
    origin: Origin
    occurrences: int
    application: str
    environment: str
    release: str
    host: str
    members: Mapping[str, Any]
    is_loss: bool = False  # it tells of ``lost`` reports and the ``reason``, and of no fault
    lost: int = 0
    reason: str = ""

    @property
    def is_check(self) -> bool:
        """Tell whether `tocsin check` sent it."""
        return self.members.get("check") is True


class Unreadable(DecodeError):
    """Say what is wrong with a line, by the protocol's code: ``line``, or ``schema`` for one of a newer schema."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def arrival_of(members: Any) -> Arrival:
    """Return what a decoded line is. Raises Unreadable."""
    if not isinstance(members, dict):
        raise Unreadable("line", "a line must be a JSON object")
    _require_schema(members.get("schema"))
    is_loss = members.get("kind") == "loss"
    texts = {name: members.get(name, "") for name in ("application", "environment", "release", "host")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise Unreadable("line", "application, environment, release and host must be texts")
    levelno = members.get("levelno", 0)
    return Arrival(
        kind="error" if is_loss else _kind(members.get("kind")),
        levelno=levelno if _is_number(levelno, _MOST_NUMBER) else 0,
        number=_number(members.get("error_id")),
        fingerprint=_NO_FINGERPRINT if is_loss else _fingerprint(members.get("fingerprint")),
        time=_time(members.get("timestamp")),
        origin=origin_of(members.get("origin")),
        occurrences=_count(members.get("occurrences"), "occurrences"),
        **{name: text[: limits.NAME_CHARS] for name, text in texts.items()},
        members={name: value for name, value in members.items() if name not in ("origin", "occurrences")},
        is_loss=is_loss,
        lost=_count(members.get("lost"), "lost") if is_loss else 0,
        reason=str(members.get("reason", ""))[: limits.NAME_CHARS] if is_loss else "",
    )


def decoded(line: bytes) -> Any:
    """Return a line's JSON; what strict encoders refuse is replaced: NaN by null, half characters by U+FFFD.

    Raises Unreadable.
    """
    try:
        value = json.loads(line, parse_constant=lambda name: None)
        return _without_halves(value) if _SURROGATE.search(line) else value
    except (ValueError, RecursionError):
        raise Unreadable("line", "a line must be JSON in UTF-8, and not nested deep") from None


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return harmless.encodable(value)
    if isinstance(value, list):
        return [_without_halves(each) for each in value]
    if isinstance(value, dict):
        return {_without_halves(name): _without_halves(each) for name, each in value.items()}
    return value


def origin_of(members: Any) -> Origin:
    """Return the origin in a line. Raises Unreadable."""
    if isinstance(members, dict):
        process: Any = members.get("process")
        generation: Any = members.get("generation")
        numbers = [members.get(name) for name in ("offset", "slot", "count")]
        offset, slot, count = (number if _is_number(number, _MOST_NUMBER) else None for number in numbers)
        is_named = isinstance(process, str) and 0 < len(process) <= _PROCESS_CHARS and process.isprintable()
        if is_named and _is_number(generation, _MOST_NUMBER):
            if offset is not None:
                return Origin(process, generation, offset=offset)
            if slot is not None and count is not None:
                return Origin(process, generation, slot=slot, count=count)
    raise Unreadable("line", "origin must have process, generation, and offset or slot and count")


def _require_schema(schema: Any) -> None:
    if not _is_number(schema, _MOST_NUMBER) or schema == 0:
        raise Unreadable("line", "schema must be the number of the schema")
    if schema > wire.SCHEMA:
        raise Unreadable("schema", f"schema {schema} is newer than this receiver, which reads {wire.SCHEMA}")


def _kind(value: Any) -> Kind:
    for kind in _KINDS:
        if value == kind:
            return kind
    raise Unreadable("line", "kind must be traceback, error, warning or loss")


def _fingerprint(value: Any) -> str:
    if isinstance(value, str) and _FINGERPRINT.fullmatch(value):
        return value
    raise Unreadable("line", "fingerprint must be v1: (or v2: …) and 32 hexadecimal digits")


def _is_number(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _count(value: Any, name: str) -> int:
    if not _is_number(value, _MOST_NUMBER):
        raise Unreadable("line", f"{name} must be a whole number from 0")
    return min(int(value), _MOST_COUNT)


def _number(value: Any) -> int:
    return error_id.number(value.partition("-")[2][:4]) if isinstance(value, str) else 0


def _time(value: Any) -> float:
    now = time.time()
    try:
        at = datetime.fromisoformat(value)
        seconds = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return now
    return seconds if _FIRST_S <= seconds <= now + _AHEAD_S else now
