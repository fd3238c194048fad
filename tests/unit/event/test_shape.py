"""Decoding requires the model's types: a member that is something else makes it no event, wherever it comes from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fuzz_event import MEMBERS

from tocsin.event import wire
from tocsin.event.errors import DecodeError


def changed(path: str, value: Any) -> bytes:
    """Return the sample event with one member replaced; ``exception.frames.0.line`` is a path."""
    members = json.loads(json.dumps(MEMBERS))
    *way, last = path.split(".")
    part = members
    for name in way:
        part = part[int(name) if name.isdigit() else name]
    part[int(last) if last.isdigit() else last] = value
    return json.dumps(members).encode()


def test_the_sample_is_an_event() -> None:
    assert wire.decode(json.dumps(MEMBERS).encode()).error_id == MEMBERS["error_id"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("message", 5),
        ("logger", None),
        ("kind", "question"),
        ("levelno", True),
        ("levelno", 1.5),
        ("timestamp", "2026-01-02T00:00:00"),
        ("timestamp", "0001-01-01T00:00:00+23:59"),
        ("fields", []),
        ("prepared", "x"),
        ("process.id", "7"),
        ("request.client_hash", {}),
        ("request.headers", {"Accept": 7}),
        ("request.user", 7),
        ("task", {"name": 1}),
        ("task", {"by": "celery"}),
        ("tags", ["eu"]),
        ("tags", {"region": 1}),
        ("lead_up", [{"timestamp": "2026-01-02T00:00:00", "level": "INFO", "logger": "a", "message": "b"}]),
        ("lead_up", [{"timestamp": "2026-01-02T00:00:00Z", "level": "INFO", "logger": "a"}]),
        ("lead_up", [{"timestamp": "2026-01-02T00:00:00Z", "level": "INFO", "logger": "a", "message": 1}]),
        ("request.status", "500"),
        ("exception.type", None),
        ("exception.notes", [1]),
        ("exception.frames.0.line", "7"),
        ("exception.frames.0.in_app", 1),
        ("exception.frames.0.before", [None]),
        ("exception.frames.0.locals", {"x": 1}),
        ("exception.cause.message", 7),
    ],
)
def test_a_member_of_another_type_makes_it_no_event(path: str, value: Any) -> None:
    """Such a line, taken in by a receiver, would have stopped its leader at each of its tries."""
    with pytest.raises(DecodeError):
        wire.decode(changed(path, value))


def test_nesting_past_what_can_be_shown_makes_it_no_event() -> None:
    deep: Any = 0
    for _ in range(300):
        deep = [deep]
    with pytest.raises(DecodeError, match="too deep"):
        wire.decode(changed("fields.deep", deep))
    info = MEMBERS["exception"]
    for _ in range(250):
        info = {**MEMBERS["exception"], "cause": info}
    with pytest.raises(DecodeError, match="too deep"):
        wire.decode(changed("exception", info))


def test_members_of_a_later_version_are_passed_over() -> None:
    wire.decode(changed("surprise", {"of": ["any", 1]}))
    wire.decode(changed("request.surprise", 7))
