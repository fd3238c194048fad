"""An entry goes in; what Windows is to log leaves: type, category, event id, and a text within its limits."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.event import wire
from tocsin.event.limits import EVENT_LOG_UNITS
from tocsin.event.model import Event
from tocsin.render import harmless
from tocsin.render.facts import facts, table, what
from tocsin.render.lead_up import lead_up_text
from tocsin.render.spots import spot_rows, spots
from tocsin.render.text import trace_text
from tocsin.sinks.base import Entry, Origin

__all__ = ["CATEGORIES", "EVENT_IDS", "Record", "fitted", "record_of", "units"]

_ERROR, _WARNING, _INFORMATION = 1, 2, 4
_TYPES: Final = frozenset({0, _ERROR, _WARNING, _INFORMATION, 8, 16})

# Part of what is promised: people attach tasks and filters to these. All are below 1000, as the message file wants.
EVENT_IDS: Final = {"traceback": 101, "error": 102, "warning": 103, "count": 110, "loss": 120, "check": 130}
CATEGORIES: Final = {"traceback": 1, "error": 1, "warning": 1, "count": 2, "loss": 3, "check": 3}

# The Event Viewer takes a percent sign before a number for a place where another string is to be put in, in what is
# put in as well (so ReportEventW's documentation). A wide one is shown in its stead.
_INSERTION: Final = re.compile(r"%(?=[0-9])")
_WIDE_PERCENT: Final = "\uff05"
_NEWLINE: Final = "\r\n"
_HEAD_SHARE: Final = 0.6  # of a text that is cut; the rest is its end, where a traceback says what happened


@dataclass(frozen=True, slots=True)
class Record:
    """Be one event to log: ``text`` has no NUL, no ``%n``, and at most EVENT_LOG_UNITS UTF-16 code units."""

    type: int
    category: int
    event_id: int
    text: str


def record_of(entry: Entry) -> Record:
    """Return what to log of an entry. Never raises, whatever the entry's line is."""
    members = entry.members()
    prepared = members.get("prepared")
    own: Mapping[str, Any] = prepared if isinstance(prepared, dict) else {}
    kind = _kind(entry, members)
    return Record(
        _number(own.get("type"), _type(kind, entry.levelno), _TYPES),
        _number(own.get("category"), CATEGORIES[kind], range(0x1_0000)),
        _number(own.get("event_id"), EVENT_IDS[kind], range(0x1_0000_0000)),
        fitted(_prepared_text(own, entry) or _text(entry, members)),
    )


def units(text: str) -> int:
    """Return how many UTF-16 code units a text has, which is what Windows calls its characters."""
    return len(text) + sum(character > "\uffff" for character in text)


def fitted(text: str, limit: int = EVENT_LOG_UNITS) -> str:
    """Return the text with Windows' line ends, at most ``limit`` code units long; a longer one loses its middle."""
    shown = _INSERTION.sub(_WIDE_PERCENT, harmless.block(text).replace("\n", _NEWLINE)).rstrip()
    size = units(shown)
    if size <= limit:
        return shown
    mark = f"{_NEWLINE}[of {size:,} characters the middle is left out here]{_NEWLINE}"
    room = limit - len(mark)
    head, tail = int(room * _HEAD_SHARE), room - int(room * _HEAD_SHARE)
    data = shown.encode("utf-16-le")
    # "ignore" drops the half of a surrogate pair that a cut leaves over.
    return data[: 2 * head].decode("utf-16-le", "ignore") + mark + _end(data, tail)


def _end(data: bytes, size: int) -> str:
    tail = data[len(data) - 2 * size :]
    if tail and 0xDC00 <= int.from_bytes(tail[:2], "little") <= 0xDFFF:
        tail = tail[2:]
    return tail.decode("utf-16-le", "ignore")


def _kind(entry: Entry, members: Mapping[str, Any]) -> str:
    if members.get("check") is True:
        return "check"
    if members.get("kind") == "loss":
        return "loss"
    # The error id of an occurrence has a second part; a count's is the issue's.
    is_whole = "process" in members or "-" in str(members.get("error_id") or "-")
    return entry.kind if is_whole and entry.origin.offset is not None else "count"


def _type(kind: str, levelno: int) -> int:
    if kind == "loss":
        return _WARNING
    return _ERROR if levelno >= logging.ERROR else _WARNING if levelno >= logging.WARNING else _INFORMATION


def _number(value: Any, default: int, allowed: frozenset[int] | range) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value in allowed else default


# -- the text ----------------------------------------------------------------------------------------------


def _prepared_text(own: Mapping[str, Any], entry: Entry) -> str:
    text = own.get("text")
    if not isinstance(text, str) or not text.strip():
        return ""
    return text if entry.occurrences <= 1 else f"{text}\n\n{entry.occurrences:,} times"


def _text(entry: Entry, members: Mapping[str, Any]) -> str:
    try:
        if "process" in members:  # a count or a loss is no whole event
            return _whole(wire.event_from(members), entry)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return _bare(entry, members)


def _whole(event: Event, entry: Entry) -> str:
    rows = [*spot_rows(spots(event)), *_standing(entry), ("Error id", harmless.line(event.error_id)), *facts(event)]
    rows.append(("Origin", _origin(entry.origin)))
    told = "\n".join(table((label, value) for label, value in rows if value))
    return "\n\n".join([what(event), told, *lead_up_text(event), *trace_text(event)])


def _standing(entry: Entry) -> Iterator[tuple[str, str]]:
    if entry.occurrences > 1:
        yield "Stands for", f"{entry.occurrences:,} occurrences"


def _bare(entry: Entry, members: Mapping[str, Any]) -> str:
    """Return the text of a count, a loss or a torn report: what there is to tell."""
    exception = members.get("exception")
    told = exception if isinstance(exception, dict) else {}
    said = str(told.get("type") or members.get("message") or members.get("reason") or entry.kind)
    if told.get("type") and told.get("message"):
        said += f": {told['message']}"
    rows = (
        *_standing(entry),
        ("Error id", str(members.get("error_id") or "")),
        ("Fingerprint", str(members.get("fingerprint") or entry.fingerprint)),
        ("Application", str(members.get("application") or "")),
        ("Release", str(members.get("release") or "")),
        ("Host", str(members.get("host") or "")),
        ("Origin", _origin(entry.origin)),
    )
    shown = ((label, harmless.line(value)) for label, value in rows if value)
    return f"{harmless.line(said, 300)}\n\n" + "\n".join(table(shown))


def _origin(origin: Origin) -> str:
    if origin.offset is not None:
        return f"{origin.process}/{origin.generation}/{origin.offset}"
    return f"{origin.process}/{origin.generation}/{origin.slot}={origin.count}"
