"""The wire form is strict JSON and goes back to the same event."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from tocsin.event import wire
from tocsin.event.errors import DecodeError
from tocsin.event.model import Event, ExceptionInfo, Frame, LogLine, Request, Task

FRAME = Frame("shop.orders", "pay", "/srv/shop/orders.py", 12, "  total / count", ("def pay():",), ("",), 12, 2, 15)
EVENT = Event(
    kind="traceback",
    level="ERROR",
    levelno=40,
    timestamp=datetime(2026, 11, 22, 8, 0, 0, 5, tzinfo=UTC),
    application="shop",
    commit="3071961a",
    environment="production",
    logger="shop",
    message="é \ud800 \x00",
    exception=ExceptionInfo(
        "ZeroDivisionError",
        "division by zero",
        (FRAME, dataclasses.replace(FRAME, repeats=3, url="https://git.example/a#L12", operation="Div total count")),
        notes=("look at the basket",),
        cause=ExceptionInfo("KeyError", "'x'"),
        members=(ExceptionInfo("ValueError", "a", place=dataclasses.replace(FRAME, function="")),),
    ),
    request=Request("POST", "/pay", headers={"User-Agent": "x"}, user="42", status=500),
    task=Task("nightly import", "watch", "7"),
    tags={"region": "eu"},
    lead_up=(LogLine(datetime(2026, 11, 22, 7, 59, 59, tzinfo=UTC), "INFO", "shop", "looked up \ud800"),),
    fields={"order": 7, "lines": [1, None, True]},
    error_id="7K3QDM-24F2",
    fingerprint="v1:00",
)


def test_an_event_comes_back_as_it_was() -> None:
    assert wire.decode(wire.encode(EVENT)) == EVENT


def test_the_wire_form_is_one_line_of_ascii() -> None:
    data = wire.encode(EVENT)
    assert data.isascii()
    assert b"\n" not in data
    assert json.loads(data)["timestamp"] == "2026-11-22T08:00:00.000005Z"


def test_a_rendered_fragment_is_pasted_and_a_replaced_frame_has_none() -> None:
    frame = dataclasses.replace(FRAME)
    object.__setattr__(frame, "fragment", wire.frame_fragment(frame))
    event = dataclasses.replace(EVENT, exception=ExceptionInfo("E", "", (frame,)))
    assert wire.decode(wire.encode(event)) == event
    assert dataclasses.replace(frame, source="other").fragment is None


def test_a_frame_given_locals_is_one_that_was_made_with_them() -> None:
    """Also where it is frozen, and in what is written of it."""
    made = wire.with_locals(dataclasses.replace(FRAME, url="https://forge/1", operation="order.total"), {"total": "1"})
    expected = dataclasses.replace(FRAME, url="https://forge/1", operation="order.total", locals={"total": "1"})
    assert made == expected
    assert type(made) is Frame
    assert json.loads(made.fragment or "") == json.loads(wire.frame_fragment(expected))
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.line = 1  # type: ignore[misc]


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"schema":1}', b"[" * 100_000])
def test_bytes_that_are_no_event_are_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        wire.decode(data)


def test_members_of_a_newer_schema_are_passed_over() -> None:
    members = json.loads(wire.encode(EVENT))
    members["new"] = 1
    members["request"]["new"] = 1
    assert wire.event_from(members) == EVENT
