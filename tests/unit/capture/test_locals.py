"""Local variables as reports tell them: built-in values in full, all else by type; masked, bounded, nothing asked."""

from __future__ import annotations

import gc
import os
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import pytest

import seeds
from tocsin.capture import values as values_of
from tocsin.capture.describers import registry
from tocsin.capture.locals import LocalsReader, LocalsRoom, Stop
from tocsin.capture.values import Values
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from witness import asked, hostile

SCRUBBER = Scrubber()


class Order:
    """Be an application's class."""


class Colour(int):
    """Be derived from a built-in type."""


class Zone(tzinfo):
    """Be a time zone of the application's."""

    def utcoffset(self, at: datetime | None) -> timedelta:
        raise RuntimeError("foreign code ran")

    tzname = dst = utcoffset  # type: ignore[assignment]


def _text(value: object) -> str:
    return Values(SCRUBBER).first(value)


def _stops(exc: BaseException, *, in_app: bool = True) -> list[Stop]:
    stops = []
    entry = exc.__traceback__
    while entry is not None:
        stops.append((entry.tb_frame, entry.tb_lasti, in_app))
        entry = entry.tb_next
    return stops


def _raised(function: Callable[..., object], *args: object) -> BaseException:
    try:
        function(*args)
    except Exception as exc:
        return exc
    raise AssertionError("nothing was raised")


def _read(function: Callable[..., object], *args: object) -> dict[str, str] | None:
    return LocalsReader(SCRUBBER).read(_stops(_raised(function, *args)), LocalsRoom())[-1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((None, "None"), (True, "True"), (7, "7"), (-1.5, "-1.5"), ("a'b", '"a\'b"'), (b"\0", "b'\\x00'"), ("", "''")),
        *(([], "[]"), ((), "()"), ((1,), "(1,)"), ({}, "{}"), (set(), "set()"), (frozenset(), "frozenset()")),
        *(({1}, "{1}"), (frozenset({1}), "frozenset({1})"), ([1, "a", None], "[1, 'a', None]")),
        *(({"a": {"b": [1]}}, "{'a': {'b': [1]}}"), ({(1, 2): 3}, "{(1, 2): 3}")),
        *((date(2026, 5, 1), "2026-05-01"), (timedelta(1), "1 day, 0:00:00"), (Decimal("1.50"), "Decimal('1.50')")),
        (datetime(2026, 5, 1, 12, tzinfo=UTC), "2026-05-01 12:00:00+00:00"),
        (UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')"),
        (PurePosixPath("/srv/shop"), "PurePosixPath('/srv/shop')"),
        (Order(), f"<{__name__}.Order>"),
        (Order, f"<class {__name__}.Order>"),
        (Colour(5), f"<{__name__}.Colour>"),
        (OrderedDict(a=1), "OrderedDict({'a': 1})"),
        ([Order(), {"order": Order()}], f"[<{__name__}.Order>, {{'order': <{__name__}.Order>}}]"),
        (datetime(2026, 5, 1, tzinfo=Zone()), f"2026-05-01 00:00:00 <{__name__}.Zone>"),
        ("\x1b[31m\u202e\ud800\0\n", "'\\x1b[31m\\u202e\\ud800\\x00\\n'"),
    ],
)
def test_values_of_exact_builtin_types_are_shown(value: object, text: str) -> None:
    """Everything else is named by its type: a subclass may do anything."""
    assert _text(value) == text


def test_huge_numbers_are_told_by_their_size() -> None:
    """Their digits would cost quadratic time, or fill the event."""
    assert _text(10**1_000_000) == "<int of 3,321,929 bits>"
    assert _text(Decimal(10**9_999)).startswith("<decimal.Decimal of ")
    assert _text(Decimal("1e999999")) == "Decimal('1E+999999')"


def test_long_values_are_cut_before_they_are_looked_at() -> None:
    """A value of any size costs what is shown of it."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    loop: list[Any] = []
    loop.append(loop)
    for value in (
        "x" * 50_000_000,
        b"x" * 50_000_000,
        list(range(1_000_000)),
        dict.fromkeys(range(1_000_000)),
        deep,
        loop,
    ):
        assert len(_text(value)) < 2 * limits.LOCAL_CHARS
    assert _text("x" * 1_000).endswith("x… (1,000 characters)")
    assert _text(list(range(100))) == "[0, 1, 2, 3, 4, 5, … 94 more]"
    assert _text([[[[1]]]]) == "[[[<list of 1>]]]"
    while deep:  # taken apart by hand: freeing it at once would recurse
        deep = deep.pop()


def test_nothing_is_asked_of_an_object() -> None:
    """Neither a value nor its class nor its metaclass is called, compared, hashed or looked into."""
    objects = [hostile(), hostile("s", bases=(str,)), hostile(5, bases=(int,)), hostile(bases=(dict,))]
    objects += [hostile(bases=(list,)), hostile(b"b", bases=(bytes,)), hostile(1.5, bases=(float,)), type(hostile())]
    objects += [
        hostile(2026, 1, 1, bases=(date,)),
        hostile(2026, 1, 1, bases=(datetime,)),
        hostile("x", bases=(ValueError,)),
    ]
    objects += [datetime(2026, 1, 1, tzinfo=hostile(bases=(tzinfo,)))]
    objects += [datetime(2026, 1, 1, tzinfo=timezone(timedelta(0), hostile("z", bases=(str,))))]

    def view(one: object, many: list[object], table: dict[str, object], password: object, self: object) -> None:
        raise ValueError("x")

    asked.clear()
    for one in objects:
        shown = _read(view, one, [one, (one,)], {"a": one, "password": one}, one, one)
        assert shown is not None
        assert shown["password"] == "[masked: password]"
    assert asked == []


def test_a_path_that_holds_foreign_text_is_named_by_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.12 on a path joins its parts late, and they may be derived from str."""

    class Raw:
        _raw_paths = (hostile("x", bases=(str,)),)

    asked.clear()
    assert values_of._path(Raw()) == f"<{__name__}.{Raw.__qualname__}>"
    assert asked == []
    assert _text(Path("/srv")) == "PosixPath('/srv')" or os.name == "nt"


def test_names_and_shapes_are_masked() -> None:
    """By the name of a variable, by the names of keys within, and by what a text looks like."""

    def view() -> None:
        password, api_token, session = "hunter2", ["a", "b"], None
        settings = {"db": {"PASSWORD": "hunter2", "host": "db1"}, "secret": None, "note": "ann@example.org"}
        url, header = "postgres://u:hunter2@db1/shop", b"Authorization: Bearer abc.def.ghi"
        pairs, card = [("X-Api-Key", "hunter2")], 4111_1111_1111_1111
        long = "x" * 190 + " password=hunter2" + "y" * 5_000
        raise ValueError(password, api_token, session, settings, url, header, pairs, card, long)

    shown = _read(view)
    assert shown is not None
    assert (shown["password"], shown["session"]) == ("[masked: password]", "None")
    assert shown["api_token"].startswith("[masked: ")
    assert shown["settings"].startswith("{'db': {'PASSWORD': [masked: password], 'host': 'db1'}, 'secret': None, ")
    assert shown["url"] == "'postgres://u:[masked: password]@db1/shop'"
    assert shown["card"].startswith("[masked")
    everything = " ".join(shown.values())
    for secret in ("hunter2", "abc.def", "411111", "example.org"):
        assert secret not in everything


def test_own_names_are_masked_and_masking_can_be_off() -> None:
    """`mask_keys` counts here too; without masking a report shows all."""

    def view() -> None:
        iban, token = "DE00", "t0ken"
        raise ValueError(iban, token)

    stops = _stops(_raised(view))
    own = LocalsReader(Scrubber(["iban"])).read(stops, LocalsRoom())[-1]
    off = LocalsReader(Scrubber(is_on=False)).read(stops, LocalsRoom())[-1]
    assert own == {"iban": "[masked: iban]", "token": "[masked: token]"}
    assert off == {"iban": "'DE00'", "token": "'t0ken'"}


def test_masking_again_changes_nothing() -> None:
    """What a hook changed is masked a second time: the texts stay as they are (drawn at random)."""
    dice = seeds.dice()
    words = [
        "password",
        "=",
        ": ",
        "hunter2",
        "'",
        '"',
        "{",
        "}",
        "eyJabcdefgh.i",
        "a@b.cd",
        "://u:p@h",
        "\\",
        "\n",
        "ß",
    ]
    words += [
        "-----BEGIN X-----",
        "Bearer a1b2c3d4",
        "%20",
        "key",
        "4111111111111111",
        "…",
        ",",
        "Authorization: Basic q",
    ]

    def draw(depth: int) -> Any:
        kind = dice.randrange(6 if depth else 2)
        if kind < 2:
            text = "".join(dice.choices(words, k=dice.choice((1, 3, 9, 60))))
            return text.encode() if kind else text
        inside = [draw(depth - 1) for _ in range(dice.randrange(4))]
        if kind == 2:
            return {"".join(dice.choices(words, k=2)): item for item in inside}
        return tuple(inside) if kind == 3 else inside

    def view(value: object) -> None:
        raise ValueError("x")

    for _ in range(400):
        shown = _read(view, draw(3))
        assert shown is not None
        assert {name: SCRUBBER.text(text, limits.FIELD_CHARS) for name, text in shown.items()} == shown
        assert all(text.isprintable() for text in shown.values())


def test_self_is_named_by_type_and_temporaries_are_left_out() -> None:
    """What every method has tells its class; what the interpreter made up tells nothing."""

    class Cart(dict[str, int]):
        def add(self, article: str) -> None:
            [1 / 0 for _ in article]

    def fail() -> None:
        self = {"plain": "dict"}
        raise ValueError(self)

    exc = _raised(Cart(a=1).add, "bike")
    shown = [found for found in LocalsReader(SCRUBBER).read(_stops(exc), LocalsRoom()) if found]
    assert {"self": f"<{__name__}.{Cart.__qualname__}>", "article": "'bike'"}.items() <= shown[1].items()
    assert not [name for found in shown for name in found if not name.isidentifier()]
    assert _read(fail) == {"self": "<dict>"}


def test_modules_and_class_bodies_show_none() -> None:
    """Their namespace is a module's, or any object a metaclass made."""
    asked.clear()
    space = {"password": "hunter2", "odd": hostile()}
    assert _read(exec, "x = 1\n1 / 0", space) is None

    def body() -> None:
        class Table(metaclass=_Prepared):
            size = 1 / 0

    assert _read(body) is None
    assert asked == []


class _Prepared(type):
    @classmethod
    def __prepare__(cls, name: str, bases: tuple[type, ...], **_: object) -> Any:  # type: ignore[override]
        return _Space()


class _Space(dict[str, object]):
    def items(self) -> Any:
        asked.append("items")


def test_application_frames_and_the_innermost_show_theirs() -> None:
    """Variables of libraries between say little, and cost as much."""

    def deepest(last: int) -> None:
        raise ValueError(last)

    def inner(theirs: int, then: object) -> None:
        deepest(theirs)

    def outer(then: Callable[..., object]) -> None:
        mine = 1
        then(mine, None)

    stops = _stops(_raised(outer, inner))[1:]
    mixed = [(stop[0], stop[1], own) for stop, own in zip(stops, (True, False, False), strict=True)]
    assert LocalsReader(SCRUBBER).read(mixed, LocalsRoom()) == [
        {"then": f"<function {__name__}.{inner.__qualname__}>", "mine": "1"},
        None,
        {"last": "1"},
    ]
    assert LocalsReader(SCRUBBER).read([], LocalsRoom()) == []


def test_room_is_for_the_whole_event_and_goes_to_the_innermost_frames() -> None:
    """Frames, variables and characters are bounded over all the exceptions of an event."""

    def dive(depth: int, text: str) -> None:
        if depth:
            dive(depth - 1, text + "x")
        raise ValueError(depth)

    exc = _raised(dive, 200, "y" * 180)
    room = LocalsRoom()
    reader = LocalsReader(SCRUBBER)
    shown = reader.read(_stops(exc), room)
    told = [at for at, found in enumerate(shown) if found]
    assert told == list(range(len(shown) - len(told), len(shown)))
    assert 1 < len(told) <= limits.LOCALS_FRAMES + 1
    outermost = {"…": "variables of this frame and those outside it: out of room"}
    assert shown[told[0]] == outermost
    again = reader.read(_stops(exc), room)
    total = sum(len(text) for found in (*shown, *again) if found for text in found.values())
    assert total <= limits.LOCALS_BYTES + 3 * limits.LOCAL_CHARS
    assert reader.read(_stops(exc), room) == [None] * (len(shown) - 1) + [outermost]


def test_many_variables_are_cut_and_said_to_be() -> None:
    """A function with a hundred variables shows the first ones, its arguments among them."""
    body = "".join(f"    v{n} = {n}\n" for n in range(100))
    space: dict[str, Any] = {}
    exec(f"def many(first):\n{body}    raise ValueError\n", space)
    shown = _read(space["many"], "a")
    assert shown is not None
    assert len(shown) == limits.LOCALS + 1
    assert next(iter(shown)) == "first"
    assert shown["…"] == f"{101 - limits.LOCALS} more variables: out of room"


def test_many_values_with_secrets_stay_within_the_bounds_of_fields() -> None:
    """Texts full of escapes and secrets don't grow past what a field may have."""

    def view(value: object) -> None:
        raise ValueError("x")

    for value in (["\U000e0001" * 150] * 8, ["a@b.cd " * 25] * 8, {f"password{n}" * 9: "x" for n in range(99)}):
        shown = _read(view, value)
        assert shown is not None
        assert len(shown["value"]) <= limits.FIELD_CHARS


def test_a_generator_that_failed_shows_its_variables() -> None:
    """Its frame has ended, the values are there."""

    def numbers(start: int) -> Any:
        total = start
        yield total
        raise ValueError(total)

    shown = _read(list, numbers(3))
    assert shown == {"start": "3", "total": "3"}


def test_code_and_classes_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that makes functions and classes all the time does not make the caches grow."""
    monkeypatch.setattr(limits, "CACHED_FRAMES", 4)
    monkeypatch.setattr(limits, "CACHED_TYPES", 4)
    reader = LocalsReader(SCRUBBER)
    for number in range(10):
        space: dict[str, Any] = {}
        exec(f"def f(x):\n  y = {number}\n  raise ValueError", space)
        made = type(f"Made{number}", (), {})
        shown = reader.read(_stops(_raised(space["f"], made())), LocalsRoom())[-1]
        assert shown == {"x": f"<{__name__}.Made{number}>", "y": str(number)}
    assert len(reader._known) <= 4
    assert len(registry._known) <= 4
    gc.collect()
