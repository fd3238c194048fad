"""Every place by which a value reaches a report: `PLACES` leave, each of which says what it makes of a secret.

A place belongs to one of a few acts (a request that fails, a group of exceptions, a record of logging …) and to a slot
of it. `plan` fills all places of many acts with different secrets, so that a few hundred events hold every pair.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode

from shapes import SHAPES, Shape, fits

__all__ = ["FAMILIES", "PLACES", "Act", "Held", "Place", "plan"]


FAMILIES: Final = {
    "request": ("header", "cookie", "query", "path", "host"),
    "messages, notes": ("message", "args", "cause", "context", "key", "note", "member"),
    "log calls": ("arg", "assigned", "mapped", "lead"),
    "fields, tags, names": ("extra", "field", "tag", "task", "thread"),
    "source lines": ("source",),
    "local variables": ("local",),
}


class Held(Protocol):
    """What a place is filled with: a secret, or a harmless value."""

    @property
    def by(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def held(self) -> str: ...
    @property
    def said(self) -> str: ...
    @property
    def is_harmless(self) -> bool: ...


_H = TypeVar("_H", bound=Held)
_NEVER_SHOWN: Final = ("cookie",)  # not even what is harmless


@dataclass(frozen=True, slots=True)
class Place:
    """One place: the act it belongs to, its slot there, and what is put into it."""

    name: str
    act: str
    slot: str
    make: Callable[[Any], Any]
    takes: Callable[[Any], bool] = lambda held: True

    @property
    def family(self) -> str:
        """Return the column of the table that it belongs to."""
        slot = self.slot.rstrip("0123456789")
        return next((family for family, slots in FAMILIES.items() if slot in slots), "messages, notes")


@dataclass(frozen=True, slots=True)
class Act(Generic[_H]):
    """One occurrence to bring about: what each of its places is filled with."""

    number: int
    kind: str
    filled: tuple[tuple[Place, _H], ...] = field(repr=False)  # a frame's variables show it

    def slots(self, slot: str) -> list[Any]:
        """Return what the places of this slot make of what they hold, in order."""
        return [place.make(held) for place, held in self.filled if place.slot == slot]


def plan(held: Sequence[_H], kinds: Sequence[str] = (), *, every: int = 1) -> Iterator[Act[_H]]:
    """Yield acts until each place has held all that it takes, or one in ``every``; none holds the same thing twice."""
    number = 0
    for kind in kinds or dict.fromkeys(place.act for place in PLACES):
        waiting = []
        for at, place in enumerate(place for place in PLACES if place.act == kind):
            fitting = [each for each in held if _is_fit(place, each)][at % every :: every]
            turn = at * 7 % max(1, len(fitting))
            waiting.append((place, deque(fitting[turn:] + fitting[:turn])))
        while any(queue for _, queue in waiting):
            filled: list[tuple[Place, _H]] = []
            for place, queue in waiting:
                found = next((each for each in queue if not _is_told(each, filled)), None)
                if found is not None:
                    queue.remove(found)
                    filled.append((place, found))
            yield Act(number, kind, tuple(filled))
            number += 1


def _is_fit(place: Place, held: Held) -> bool:
    if held.by == "code":
        return place.slot.startswith("source")
    if held.is_harmless and place.slot in _NEVER_SHOWN:
        return False
    return place.takes(held)


def _is_told(held: Held, filled: Sequence[tuple[Place, Held]]) -> bool:
    """Tell whether one of these texts is within the other: what is found of one could be the other's."""
    return any(held.held in other.said or other.held in held.said for _, other in filled)


# -- what places take --------------------------------------------------------------------------------------


def _is_named(held: Held) -> bool:
    return held.by == "name"


def _is_bare(held: Held) -> bool:
    return held.by != "name"


def _is_short(held: Held) -> bool:
    return len(held.said) < 200 and "\n" not in held.said


def _is_shape(held: Held) -> bool:
    return held.by == "shape" and _is_short(held)


def _identifier(name: str) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in name)


def _pair(held: Held) -> tuple[str, Any]:
    return held.name, held.held


def _local(held: Held) -> tuple[str, Any]:
    return _identifier(held.name), held.held


def _query(held: Held) -> str:
    return urlencode({"page": "2", held.name: held.held, "sort": "date"})


def _shaped(shape: Shape, act: str, slot: str) -> Place:
    return Place(f"{slot}: {shape.name}", act, slot, shape.make, lambda held: fits(shape, held))


def _text(turn: int) -> Callable[[Held], str]:
    """Return what makes a text in one of the shapes: another one for each secret and ``turn``."""

    def make(held: Held) -> str:
        fitting = [shape for shape in SHAPES if fits(shape, held)]
        return fitting[(sum(held.held.encode()) + turn) % len(fitting)].make(held)

    return make


def _structures(act: str, slot: str) -> Iterator[Place]:
    """Yield the places of fields: a named value, containers around it, texts."""
    yield Place(f"{slot}: value", act, slot, _pair)
    yield Place(f"{slot}: bytes", act, slot, lambda held: (held.name, held.held.encode()))
    yield Place(f"{slot}: in a dict", act, slot, lambda held: ("user", {"id": 7, held.name: held.held}))
    yield Place(f"{slot}: in a list", act, slot, lambda held: ("rows", [{"deep": {held.name: [held.held]}}]))
    yield Place(f"{slot}: list of texts", act, slot, lambda held: ("seen", ["first", held.said]))
    yield Place(f"{slot}: key of a dict", act, slot, lambda held: ("seen", {held.said: 1}), _is_shape)
    yield Place(f"{slot}: text", act, slot, lambda held: ("note", _text(7)(held)))


def _code(turn: int) -> Callable[[Held], str]:
    """Return what makes a line of code that holds a secret as a literal."""

    def make(held: Held) -> str:
        if held.by == "code":
            return held.said
        if held.by != "name":
            return f"send({held.said!r})"
        name = _identifier(held.name)
        return (
            f"{name} = {held.held!r}",
            f"client.send(user='bob', {name}={held.held!r})",
            f"settings[{held.name!r}] = {held.held!r}",
            f"config = {{'id': 7, {held.name!r}: {held.held!r}}}",
            f"if self.{name} == {held.held!r}: pass",
            f"self.{name}: str = {held.held!r}",
            f"setattr(user, {held.name!r}, {held.held!r})",
            f"os.environ.setdefault({held.name!r}, {held.held!r})",
        )[(len(held.held) + turn) % 8]

    return make


def _request() -> Iterator[Place]:
    act = "request"
    yield Place("header by its name", act, "header", _pair, _is_named)
    yield Place("header X-…", act, "header", lambda held: ("X-Note", held.said), _is_short)
    yield Place("User-Agent", act, "header", lambda held: ("User-Agent", f"bot/1 ({held.said})"), _is_short)
    yield Place("Referer", act, "header", lambda held: ("Referer", f"https://a.example/b?{_query(held)}"), _is_short)
    yield Place("X-Request-Id", act, "header", lambda held: ("X-Request-Id", held.held), _is_shape)
    yield Place("cookie", act, "cookie", lambda held: f"{_identifier(held.name)}={quote(held.held)}", _is_short)
    yield Place("query", act, "query", _query, _is_short)
    yield Place("query, a text", act, "query", lambda held: urlencode({"q": held.said}), _is_short)
    yield Place("path", act, "path", lambda held: f"/{quote(held.held)}", _is_shape)
    yield Place("Host", act, "host", lambda held: f"{quote(held.held)}.example.org", _is_shape)
    yield Place("exception's message", act, "message", lambda held: f"cannot go on: {held.said}")
    yield Place("exception's args", act, "args", lambda held: {held.name: held.held})
    yield Place("cause", act, "cause", _text(1))
    yield Place("context", act, "context", _text(2))
    yield Place("KeyError's key", act, "key", lambda held: held.said)
    for number in range(4):
        yield Place("note", act, f"note{number}", _text(3 + number))
    for number in range(6):
        yield Place("source line", act, f"source{number}", _code(number), lambda held: len(held.said) < 200)
    yield Place("local variable", act, "local", _local)
    yield Place("local variable", act, "local", _local)
    yield Place("local: bytes", act, "local", lambda held: (_identifier(held.name), held.held.encode()))
    yield Place("local: dict", act, "local", lambda held: ("row", {"id": 7, held.name: held.held}))
    yield Place("local: list of pairs", act, "local", lambda held: ("pairs", [(held.name, held.held)]))
    yield Place("local: text", act, "local", lambda held: ("text", held.said))
    yield Place("context field", act, "field", _pair)
    yield Place("context field: dict", act, "field", lambda held: ("cart", {"id": 7, held.name: held.held}))
    yield Place("tag", act, "tag", _pair, _is_short)
    yield Place("tag: a text", act, "tag", lambda held: ("note", held.said), _is_short)
    for number in range(4):
        yield Place("lead-up record", act, "lead", _text(8 + number))


def _record() -> Iterator[Place]:
    act = "record"
    yield Place("logging: f-string", act, "message", lambda held: f"failed with {held.said}")
    yield Place("logging: positional", act, "arg", lambda held: f"{held.said}")
    yield Place("logging: positional dict", act, "arg", lambda held: {"id": 7, held.name: held.held})
    yield Place("logging: positional list", act, "arg", lambda held: [("id", 7), (held.name, held.held)])
    yield Place("logging: name=%s", act, "assigned", _pair, lambda held: _is_named(held) and held.held.isalnum())
    yield from _structures(act, "extra")
    for number in range(8):
        yield Place("lead-up record", act, "lead", _text(12 + number))


def _mapping() -> Iterator[Place]:
    act = "mapping"
    yield Place("logging: %(name)s", act, "mapped", _local)
    yield Place("logging: %(name)s, a text", act, "mapped", lambda held: ("text", held.said))
    yield Place("logging: exc_info", act, "message", _text(20))


def _group() -> Iterator[Place]:
    # Two acts: an event holds 32 exceptions at most.
    for number, shape in enumerate(SHAPES):
        yield _shaped(shape, f"group{number % 2}", "member")
    yield Place("task's name", "group0", "task", lambda held: f"send to {held.said}", _is_short)
    yield Place("thread's name", "group1", "thread", lambda held: f"worker {held.said}", _is_short)


def _report() -> Iterator[Place]:
    act = "report"
    yield Place("report: message", act, "message", _text(21))
    yield from _structures(act, "field")


PLACES: Final = (*_request(), *_record(), *_mapping(), *_group(), *_report())
