"""The budget of local variables: time, depth, width, bytes over one event; what it left out is told."""

from __future__ import annotations

import collections
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tocsin.capture.describers import registry
from tocsin.capture.locals import LocalsReader, LocalsRoom, Stop
from tocsin.capture.values import Values
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber

SCRUBBER = Scrubber()
HERE = __name__


class Clock:
    """Be a clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Slow:
    """Be what takes long to describe."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Give each `Slow` object that is described half of an event's time."""
    made = Clock()

    def describe(value: object) -> str:
        made.now += limits.LOCALS_S * 0.6
        return "slow"

    monkeypatch.setattr(registry, "_OWN", {f"{HERE}.Slow": describe})
    registry._known.clear()
    yield made
    registry._known.clear()


def _stops(function: Callable[..., object], *args: object) -> list[Stop]:
    try:
        function(*args)
    except Exception as exc:
        entry = exc.__traceback__
    stops: list[Stop] = []
    while entry is not None:
        stops.append((entry.tb_frame, entry.tb_lasti, True))
        entry = entry.tb_next
    return stops[1:]


def test_time_is_for_the_whole_event_and_what_it_left_out_is_told(clock: Clock) -> None:
    """Between two values it is looked at the clock; frames outside, and other exceptions of the event, get none."""

    def inner(first: object, second: object, third: object, fourth: object) -> None:
        raise ValueError

    def outer(mine: object) -> None:
        inner(Slow(), Slow(), Slow(), Slow())

    reader, room = LocalsReader(SCRUBBER, clock), LocalsRoom()
    out = {"…": "variables of this frame and those outside it: out of time"}
    slow = f"<{HERE}.Slow slow>"
    assert reader.read(_stops(outer, 1), room) == [
        out,
        {"first": slow, "second": slow, "…": "2 more variables: out of time"},
    ]
    assert reader.read(_stops(outer, 1), room) == [None, out]


def test_time_is_looked_at_within_containers_too(clock: Clock) -> None:
    """Of what comes after, the type is told."""
    values = Values(SCRUBBER, deadline=clock() + limits.LOCALS_S, clock=clock)
    by_type = f"<{HERE}.Slow>"
    assert values.first([Slow() for _ in range(4)]) == f"[<{HERE}.Slow slow>, <{HERE}.Slow slow>, {by_type}, {by_type}]"


def test_bytes_are_counted_as_they_are_written() -> None:
    """Four of a character beyond ASCII are four times as many."""

    def dive(depth: int, text: str) -> None:
        if depth:
            dive(depth - 1, chr(0x10000 + depth) * 150)
        raise ValueError

    shown = LocalsReader(SCRUBBER).read(_stops(dive, 40, "x"), LocalsRoom())
    written = sum(len(f"{name}{text}".encode()) for found in shown if found for name, text in found.items())
    assert limits.LOCALS_BYTES / 2 < written < limits.LOCALS_BYTES + 8 * limits.LOCAL_CHARS


def test_of_a_hundred_thousand_names_a_number_is_told() -> None:
    """A namespace may be of any size; as many as are shown are looked at."""
    body = "\n".join(f"    v{n} = {n}" for n in range(3_000))
    space: dict[str, Any] = {}
    exec(f"def many():\n{body}\n    raise ValueError\n", space)
    shown = LocalsReader(SCRUBBER).read(_stops(space["many"]), LocalsRoom())[-1]
    assert shown is not None
    assert shown["…"] == f"{3_000 - limits.LOCALS:,} more variables: out of room".replace(",", "")


def _steps(value: object) -> int:
    """Return how many calls of functions it takes to show a value, C's among them."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        Values(SCRUBBER).first(value)
    finally:
        sys.setprofile(None)
    return calls


def _nested(depth: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


def _loop() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made.update(me=made, also=[made] * 10)
    return made


@pytest.mark.parametrize(
    "make",
    [
        lambda: dict.fromkeys(range(1_000_000)),
        lambda: collections.Counter(dict.fromkeys(range(1_000_000), 1)),
        lambda: collections.deque(range(1_000_000)),
        lambda: set(range(1_000_000)),
        lambda: [[[i] * 1_000] * 1_000 for i in range(1_000)],
        lambda: _nested(10_000),
        _loop,
        lambda: "x" * 100_000_000,
        lambda: b"x" * 100_000_000,
        lambda: bytearray(100_000_000),
        lambda: memoryview(bytes(100_000_000)),
        lambda: 1 << 3_400_000,
        lambda: range(1 << 3_400_000),
        lambda: "password=" * 10_000_000,
    ],
)
def test_nothing_is_walked_past_its_bound(make: Callable[[], Any]) -> None:
    """However much there is, as many steps are made, and as long a text leaves, as for little."""
    value = make()
    assert _steps(value) < 4_000
    assert len(Values(SCRUBBER).first(value)) < 2 * limits.LOCAL_CHARS
    while type(value) is list and value:  # taken apart by hand: freeing it at once would recurse
        value = value.pop()


def test_a_table_of_empty_places_is_not_walked() -> None:
    """A million keys of which three are left: to find them, all places would be looked at."""
    table = dict.fromkeys(range(1_000_000))
    members = set(range(1_000_000))
    for number in range(999_997):
        del table[number]
        members.discard(number)
    assert Values(SCRUBBER).first(table) == "<dict of 3>"
    assert Values(SCRUBBER).first(members) == "<set of 3>"
    assert Values(SCRUBBER).first(dict.fromkeys(range(3))) == "{0: None, 1: None, 2: None}"
