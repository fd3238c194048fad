"""Describers: what a report says of objects, by what lies in them; nothing of theirs runs, no secret is told."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import enum
import functools
import io
import logging
import re
import socket
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tocsin import ConfigError, Secret, describer
from tocsin.capture import anatomy
from tocsin.capture.described import described_fields
from tocsin.capture.describers import registry
from tocsin.capture.records import text_of
from tocsin.capture.values import Values
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from witness import Refused, asked, hostile, hostile_class, objects

SCRUBBER = Scrubber()
HERE = __name__


def _text(value: object) -> str:
    return Values(SCRUBBER).first(value)


@dataclasses.dataclass
class Account:
    """Be an application's record."""

    number: int
    password: str
    token: str | None = None
    note: str = dataclasses.field(default="kept out", repr=False)
    children: list[Any] = dataclasses.field(default_factory=list)

    def __repr__(self) -> str:
        raise Refused("repr")


@dataclasses.dataclass(slots=True, frozen=True)
class Line:
    """Be a record without a dict."""

    article: str
    api_key: str


class Point(NamedTuple):
    """Be a tuple with names."""

    x: int
    secret: str


class Colour(enum.Enum):
    """Be a choice."""

    RED = 1


class Mode(enum.Flag):
    """Be several choices at once."""

    READ = 1
    WRITE = 2


class Sort(enum.StrEnum):
    """Be a choice that is a text besides."""

    BIKE = "bike"


def _numbers() -> Iterator[int]:
    yield 1


async def _fetch() -> None:
    await asyncio.sleep(0)


async def _stream() -> Any:
    yield 1


def _closed(coroutine: Any) -> Any:
    coroutine.close()
    return coroutine


def _begun(generator: Any) -> Any:
    next(generator)
    return generator


def _locked() -> Any:
    lock = threading.Lock()
    lock.acquire()
    return lock


def _released() -> memoryview:
    view = memoryview(b"abc")
    view.release()
    return view


registry.known_of(object)  # fills the table
PATHS = sorted(path for path in registry._rules if "." in path)
MEMBERS = (
    *("model", "_result_cache", "_state", "_wrapped", "method", "path", "scope", "_value_", "_name_", "name", "_value"),
    *("_sa_instance_state", "_mgr", "status_code", "_status_code", "_closed", "_flag", "_locked", "shape", "dtype"),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (_numbers(), "<generator _numbers (not started)>"),
        (_begun(_numbers()), f"<generator _numbers (suspended at line {_numbers.__code__.co_firstlineno + 1})>"),
        (_closed(_numbers()), "<generator _numbers (finished)>"),
        (_closed(_fetch()), "<coroutine _fetch (finished)>"),
        (_fetch, f"<function {HERE}._fetch>"),
        (Account(1, "x").__init__, f"<method {HERE}.Account.__init__>"),
        (print, "<built-in print>"),
        (re, "<module re>"),
        (Colour, f"<class {HERE}.Colour>"),
        (hostile_class(), "<class shop.models.Hostile>"),
        (functools.partial(_fetch, 1, pwd="x"), f"partial(<function {HERE}._fetch>, 1, pwd=[masked: password])"),
        (collections.OrderedDict(a=1), "OrderedDict({'a': 1})"),
        (collections.Counter("aab"), "Counter({'a': 2, 'b': 1})"),
        (collections.defaultdict(list, a=[1]), "defaultdict({'a': [1]})"),
        (types.MappingProxyType({"a": 1}), "mappingproxy({'a': 1})"),
        (collections.ChainMap({"a": 1}, {"b": 2}), "ChainMap([{'a': 1}, {'b': 2}])"),
        (collections.deque(range(9)), "deque([0, 1, 2, 3, 4, 5, … 3 more])"),
        (re.compile("a+"), "re.compile('a+')"),
        (range(2, 10**400), "range(2, <int of 1,329 bits>)"),
        (slice(1, None), "slice(1, None, None)"),
        (bytearray(b"abc"), "bytearray(b'abc')"),
        (memoryview(b"abc"), "<memoryview of 3 bytes>"),
        (_released(), "<memoryview (released)>"),
        (1 + 2j, "(1+2j)"),
        (threading.Lock(), "<lock (unlocked)>"),
        (_locked(), "<lock (locked)>"),
        (threading.Event(), "<threading.Event (not set)>"),
        (threading.Semaphore(3), "<threading.Semaphore (3 left)>"),
        (Future(), "<concurrent.futures._base.Future (pending)>"),
        (io.BytesIO(b"x"), "<BytesIO (open)>"),
        (ValueError("gone"), "<ValueError 'gone'>"),
        (KeyError(), "<KeyError>"),
        (logging.getLogger("shop.orders"), "<logging.Logger 'shop.orders'>"),
        (Colour.RED, f"<{HERE}.Colour.RED 1>"),
        (Sort.BIKE, f"<{HERE}.Sort.BIKE 'bike'>"),
        (Secret("hunter2"), "[masked: secret]"),
        (Point(1, "hunter2"), f"{HERE}.Point(x=1, secret=[masked: secret])"),
        (Line("bike", "hunter2"), f"{HERE}.Line(article='bike', api_key=[masked: API key])"),
        ([Account(1, "hunter2")], f"[{HERE}.Account(number=1, password=[masked: password], token=None, children=[])]"),
        (object(), "<object>"),
    ],
    ids=lambda value: "" if type(value) is not str else value[:30],
)  # fmt: skip
def test_what_is_said_of_an_object(value: object, text: str) -> None:
    """Its type, and what of it lies open; masking the text again leaves it as it is."""
    assert _text(value) == text
    assert SCRUBBER.text(text) == text


def test_flags_are_told_by_their_value() -> None:
    """Their name differs from one Python to the next."""
    assert _text(Mode.READ | Mode.WRITE).endswith(" 3>")


def test_a_running_generator_and_an_asynchronous_one() -> None:
    """Of the latter it is known from Python 3.12 on whether it was started."""
    seen = []

    def itself() -> Iterator[None]:
        seen.append(_text(made))
        yield

    made = itself()
    next(made)
    assert seen == [f"<generator {itself.__qualname__} (running)>"]
    stream = _stream()
    assert _text(stream) in ("<async_generator _stream (not running)>", "<async_generator _stream (not started)>")


def test_tasks_are_told_with_their_coroutine() -> None:
    """By name, state, and where the coroutine stands."""

    async def main() -> list[str]:
        task = asyncio.create_task(_fetch(), name="refresh")
        told = [_text(task), _text(asyncio.get_running_loop().create_future()), _text(asyncio.Lock())]
        await task
        return [*told, _text(task)]

    assert asyncio.run(main()) == [
        "<_asyncio.Task 'refresh' (pending) <coroutine _fetch (not started)>>",
        "<_asyncio.Future (pending)>",
        "<asyncio.locks.Lock (unlocked)>",
        "<_asyncio.Task 'refresh' (finished) <coroutine _fetch (finished)>>",
    ]


def test_files_and_sockets_are_told_without_a_system_call(tmp_path: Path) -> None:
    """Name, mode, whether it is closed: all of it lies in the objects."""
    path = tmp_path / "a.txt"
    with path.open("w", encoding="utf-8") as text, path.open("rb") as raw, path.open("rb", buffering=0) as bare:
        assert _text(text) == f"<TextIOWrapper {str(path)!r} mode='w' (open)>"
        assert _text(raw) == f"<BufferedReader {str(path)!r} mode='rb' (open)>"
        assert _text(bare) == f"<FileIO {str(path)!r} mode='rb' (open)>"
    assert _text(text) == f"<TextIOWrapper {str(path)!r} mode='w' (closed)>"
    with socket.socket() as made:
        assert _text(made) == "<socket.socket (open)>"
    assert _text(made) == "<socket.socket (closed)>"


def test_cycles_and_depth_end() -> None:
    """A record in itself is told as deep as containers are, then by its type."""
    account = Account(1, "hunter2")
    account.children.append(account)
    text = _text(account)
    assert text.count("Account(") == 2
    assert text.count("hunter2") == 0
    assert text.endswith("children=<list of 1>)])")


def test_only_the_memory_of_objects_is_read() -> None:
    """Properties, defaults made late, and attributes that classes put in front of members do not run."""

    @dataclasses.dataclass
    class Late:
        amount: int = 0

        def __getattribute__(self, name: str) -> Any:
            asked.append(name)
            raise Refused(name)

    made = object.__new__(Late)
    anatomy.stored(made)["amount"] = 5
    asked.clear()
    assert _text(made).endswith("Late(amount=5)")
    assert asked == []


@pytest.mark.parametrize("path", PATHS)
def test_no_describer_runs_anything_of_an_object_that_claims_a_class(path: str) -> None:
    """A class under a library's name, whose every method notes and refuses, with members of the same kind."""
    module, _, name = path.rpartition(".")
    claims = hostile_class(name=name, meta=False)
    type.__setattr__(claims, "__module__", module)
    for held in objects().values():
        made = object.__new__(claims)
        anatomy.stored(made).update(dict.fromkeys(MEMBERS, held))
        asked.clear()
        text = _text([made])
        assert asked == []
        assert text.startswith("[")


def test_no_describer_runs_anything_of_what_objects_hold() -> None:
    """Structures, partials, proxies, deques of objects that note and refuse."""
    odd = hostile()
    asked.clear()
    table = dict.fromkeys(["a"], odd)
    for value in (
        Account(odd, odd, odd, children=[odd]),
        Line(odd, odd),
        Point(odd, odd),
        functools.partial(_numbers, odd, a=odd),
        collections.deque([odd]),
        collections.OrderedDict(table),
        collections.defaultdict(None, table),
        types.MappingProxyType(table),
        collections.ChainMap(table),
        slice(odd, odd),
        ValueError(odd),
        hostile_class(tuple, meta=False).__new__,
    ):
        assert "hunter2" not in _text(value)
    assert asked == []


def test_keys_of_ordered_dicts_are_not_hashed() -> None:
    """The iterator of an OrderedDict would look each key up."""

    class Key:
        is_quiet = True

        def __hash__(self) -> int:
            if not Key.is_quiet:
                asked.append("__hash__")
            return 1

        __eq__ = object.__eq__

    made = collections.OrderedDict({Key(): 1, Key(): 2})
    Key.is_quiet = False
    asked.clear()
    assert _text(made).count("Key>") == 2
    assert asked == []


class Money:
    """Be what the application describes itself."""

    def __init__(self, amount: object) -> None:
        self.amount = amount


class Rebate(Money):
    """Be derived from it."""


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[Any], object]], None]]:
    """Register a describer of `Money` for one test."""
    monkeypatch.setattr(registry, "_OWN", {})
    registry._known.clear()
    yield lambda function: (describer(f"{HERE}.Money")(function), None)[1]
    registry._known.clear()


def test_an_own_describer_is_asked_and_its_text_is_masked_and_cut(own: Any) -> None:
    """For subclasses too; in one line; behind the name of the type."""
    own(lambda money: f"{money.amount} EUR")
    assert _text(Money(12)) == f"<{HERE}.Money 12 EUR>"
    assert _text([Rebate(3)]) == f"[<{HERE}.Rebate 3 EUR>]"
    assert "hunter2" not in _text(Money("password=hunter2"))
    assert _text(Money("\n\x1b[31m")) == f"<{HERE}.Money \\n\\x1b[31m EUR>"
    assert len(_text(Money("x" * 10**6))) < limits.LOCAL_CHARS


def test_what_an_own_describer_raises_or_returns_amiss_is_told(own: Any) -> None:
    """In the text's place; the report goes on."""
    own(lambda money: 1 / 0)
    assert _text([Money(1), 2]) == f"[<{HERE}.Money (describer raised ZeroDivisionError)>, 2]"
    own(lambda money: 7)
    assert _text(Money(1)) == f"<{HERE}.Money (describer returned int)>"
    own(lambda money: hostile("text", bases=(str,)))
    asked.clear()
    assert _text(Money(1)) == f"<{HERE}.Money text>"
    assert asked == []


def test_an_own_describer_is_not_asked_within_itself(own: Any) -> None:
    """It may log its object, which has it described."""
    calls: list[object] = []

    def describe(money: Money) -> str:
        calls.append(money)
        return text_of(logging.LogRecord("shop", 40, "", 1, "odd %s", (money,), None)).message

    own(describe)
    money = Money(1)
    assert _text(money) == f"<{HERE}.Money odd <{HERE}.Money>>"
    assert calls == [money]


def test_a_describer_for_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of what is wrong; past so many, too."""
    monkeypatch.setattr(registry, "_OWN", {})
    for path in ("", "shop..Money", "shop models", 7, Money):
        with pytest.raises(ConfigError, match="full name"):
            describer(path)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="takes a function, not int"):
        describer("shop.Money")(7)  # type: ignore[type-var]
    for number in range(limits.DESCRIBERS):
        describer(f"shop.C{number}")(str)
    with pytest.raises(ConfigError, match="one too many"):
        describer("shop.Other")(str)
    describer("shop.C1")(repr)


def test_fields_and_arguments_of_log_calls_have_the_same_words(own: Any) -> None:
    """Where they were shown by their type alone; what holds no such object is left as it is."""
    own(lambda money: f"{money.amount} EUR")
    fields = {"money": Money(5), "many": [Money(6), "x"], "deep": {"a": {"b": Account(1, "hunter2")}}, "odd": object()}
    shown = SCRUBBER.fields(described_fields(fields, SCRUBBER))
    assert shown == {
        "money": f"<{HERE}.Money 5 EUR>",
        "many": [f"<{HERE}.Money 6 EUR>", "x"],
        "deep": {"a": {"b": f"{HERE}.Account(number=1, password=[masked: password], token=None, children=[])"}},
        "odd": "<object>",
    }
    plain = {"a": 1, "b": "x", "c": [1, {"d": 2}]}
    assert described_fields(plain, SCRUBBER)["c"] is plain["c"]
    record = logging.LogRecord("shop", 40, "", 1, "no %s for %s", (Money(7), Colour.RED), None)
    assert text_of(record).message == f"no <{HERE}.Money 7 EUR> for <{HERE}.Colour.RED 1>"


def test_fields_of_hostile_objects_run_nothing() -> None:
    """Also as keys of dicts, of which no copy is made."""
    odd = hostile()
    Free = hostile_class(meta=False)
    fields: dict[str, Any] = {"one": odd, "many": [odd, Colour.RED], "loop": []}
    fields["loop"].append(fields["loop"])
    asked.clear()
    shown = SCRUBBER.fields(described_fields({**fields, "class": Free}, SCRUBBER))
    assert asked == []
    assert shown["many"][1] == f"<{HERE}.Colour.RED 1>"  # type: ignore[index,call-overload]
