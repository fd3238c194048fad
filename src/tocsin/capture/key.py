"""Fault keys: an exception or a record goes in, a cheap identity within this process leaves."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from itertools import islice
from types import CodeType, TracebackType
from typing import Final, TypeAlias

from tocsin.capture import anatomy
from tocsin.event import limits
from tocsin.event.fingerprint import normalise

__all__ = ["FaultKey", "fault_key", "record_key"]

_Place: TypeAlias = tuple[int, int]  # id of the code object, offset of the instruction
_TEMPLATE_CHARS: Final = 512


class FaultKey:
    """Be the identity of a fault in one process. Immutable, hashable, cheap to compare.

    ``pins`` keeps the code objects and classes alive whose ids are in ``parts``, so that no id is given out
    again while the key exists. It holds no frame, no exception, no value of the application.
    """

    __slots__ = ("_hash", "parts", "pins")

    def __init__(self, parts: tuple[Hashable, ...], pins: tuple[CodeType | type, ...] = ()) -> None:
        self.parts: Final = parts
        self.pins: Final = pins
        self._hash: Final = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return type(other) is FaultKey and self._hash == other._hash and self.parts == other.parts

    def __repr__(self) -> str:
        return f"FaultKey({self._hash:#x}, {len(self.pins)} pins)"


def fault_key(exc: BaseException) -> FaultKey:
    """Return the key of an exception: type and (code object, position) per frame, over the chain and groups.

    Recursion collapses to the places that recur, whatever its depth. Runs no foreign code. Of each exception
    the innermost `FAULT_KEY_FRAMES` frames count.
    """
    parts: list[Hashable] = []
    pins: list[CodeType | type] = []
    seen: set[int] = set()
    waiting = [(exc, limits.GROUP_DEPTH)]
    while waiting and len(seen) < limits.EXCEPTIONS:
        current: BaseException | None
        current, depth = waiting.pop()
        chain = 0
        while current is not None and id(current) not in seen and chain < limits.CHAIN:
            seen.add(id(current))
            chain += 1
            cls = type(current)
            places = _places(anatomy.traceback(current), cls is RecursionError)
            parts += (id(cls), len(places), *places)
            pins.append(cls)
            pins += places.values()
            if depth and (inner := anatomy.members(current)):
                waiting += [(member, depth - 1) for member in inner[: limits.GROUP_MEMBERS]]
            current = anatomy.successor(current)
    return FaultKey(tuple(parts), tuple(pins))


def record_key(name: str, levelno: int, template: object, *, is_formatted: bool = False) -> FaultKey:
    """Return the key of a log record without an exception: logger, level, unformatted message.

    A template that ``is_formatted`` (nothing was left to fill in) has its numbers, quoted texts and paths
    replaced: an f-string that holds an order's number is one fault, not as many as there are orders.
    """
    if type(template) is not str:
        return FaultKey(("record", name, levelno, id(type(template))), (type(template),))
    words = template[:_TEMPLATE_CHARS]
    return FaultKey(("record", name, levelno, normalise(words) if is_formatted else words))


def _places(entry: TracebackType | None, is_recursion: bool) -> dict[_Place, CodeType]:
    """Return each distinct place once, outermost first."""
    if is_recursion:
        return _recurring(entry)
    places: dict[_Place, CodeType] = {}
    outermost = entry
    for _ in range(limits.FAULT_KEY_FRAMES):
        if entry is None:
            return places
        code = entry.tb_frame.f_code
        places[id(code), entry.tb_lasti] = code
        entry = entry.tb_next
    if entry is None:
        return places
    return _sorted(_innermost(outermost))


def _recurring(entry: TracebackType | None) -> dict[_Place, CodeType]:
    """Return the places that occur more than once: at which call the stack ended is chance."""
    times: dict[_Place, int] = {}
    codes: dict[_Place, CodeType] = {}
    for code, lasti in _innermost(entry):
        place = (id(code), lasti)
        times[place] = times.get(place, 0) + 1
        codes[place] = code
    repeated = [(codes[place], place[1]) for place, count in times.items() if count > 1]
    return _sorted(repeated or [(code, place[1]) for place, code in codes.items()])


def _innermost(entry: TracebackType | None) -> list[tuple[CodeType, int]]:
    found: deque[tuple[CodeType, int]] = deque(maxlen=limits.FAULT_KEY_FRAMES)
    while entry is not None:
        found.append((entry.tb_frame.f_code, entry.tb_lasti))
        entry = entry.tb_next
    return list(found)


def _sorted(found: list[tuple[CodeType, int]]) -> dict[_Place, CodeType]:
    # The innermost frames of a deep recursion begin anywhere in its cycle; sorted, that doesn't matter.
    places = {(id(code), lasti): code for code, lasti in found}
    return dict(sorted(islice(places.items(), limits.FAULT_KEY_FRAMES), key=lambda item: item[0]))
