"""Fault keys: an exception or a record goes in, a cheap identity within this process leaves."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator
from itertools import chain
from types import CodeType, TracebackType
from typing import Final, TypeAlias

from tocsin.capture import anatomy
from tocsin.event import limits
from tocsin.event.identity.wording import normalise
from tocsin.event.typename import type_name

__all__ = ["FaultKey", "Pins", "fault_key", "lasting_key", "pins", "record_key", "visited"]

FaultKey: TypeAlias = tuple[Hashable, ...]
Pins: TypeAlias = tuple[CodeType | type, ...]

# An instruction's address: the id of its code object and its offset in it. CPython (3.11 and later) keeps the
# instructions within the object, so no two places share one. One number costs a third of what a pair of them does.
_Place: TypeAlias = int
_TEMPLATE_CHARS: Final = 512
_CAUSE, _CONTEXT, _MEMBER, _LINKS = 1, 2, 3, 4


def fault_key(exc: BaseException) -> FaultKey:
    """Return the key of an exception: type and place in the code per frame, over the chain and groups.

    Recursion collapses to the places that recur, whatever its depth. Runs no foreign code. Of each exception
    the innermost `FAULT_KEY_FRAMES` frames count, and of a deeper stack the outermost `FRAMES`: a report shows both
    ends, and where libraries recur the application's own are at the other one.

    The key is of plain numbers, ids among them: whoever keeps it keeps the `pins` of the same exception as well, so
    that no id is given out again. Measured on CPython 3.11: 0.15 µs a frame.
    """
    if anatomy.successor(exc) is None and not anatomy.members(exc):
        return _parts(exc)  # nearly every exception, without what walking a tree costs
    return tuple(part for visited, link in _visited(exc) for part in (link, *_parts(visited)))


def lasting_key(exc: BaseException) -> FaultKey:
    """Return a key of names, files and positions: the same where the same code was compiled anew.

    Template engines do that for each error (Jinja2 makes a traceback of its own), and then no two occurrences have a
    `fault_key` in common. It takes five times as long, so it is asked for only where that one is not known.
    """
    parts: list[Hashable] = []
    for visited, link in _visited(exc):
        head, tail = (list(map(_described, part)) for part in _ends(anatomy.traceback(visited)))
        if type(visited) is RecursionError:
            times = Counter(tail)
            tail = [place for place in tail if times[place] > 1] or tail
        distinct = dict.fromkeys(head + tail)
        # What is cut may begin anywhere in a recursion's cycle.
        parts += (link, type_name(type(visited)), len(distinct), *(sorted(distinct) if head else distinct))
    return tuple(parts)


def pins(exc: BaseException) -> Pins:
    """Return the classes and code objects whose ids are in an exception's key; no frame, no exception, no value."""
    found: dict[int, CodeType | type] = {}
    for visited, _ in _visited(exc):
        cls = type(visited)
        found[id(cls)] = cls
        for entry in chain.from_iterable(_ends(anatomy.traceback(visited))):
            code = entry.tb_frame.f_code
            found[id(code)] = code
    return tuple(found.values())


def record_key(
    name: str, levelno: int, template: object, *, function: str = "", is_formatted: bool = False
) -> FaultKey:
    """Return the key of a log record without an exception: logger, level, unformatted message, function of the call.

    A template that ``is_formatted`` (nothing was left to fill in) has its numbers, quoted texts and paths
    replaced: an f-string that holds an order's number is one fault, not as many as there are orders. One that is no
    text counts by its type.
    """
    if type(template) is not str:
        return ("record", name, levelno, function, id(type(template)))
    words = template[:_TEMPLATE_CHARS]
    return ("record", name, levelno, function, normalise(words) if is_formatted else words)


def visited(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its chain and its members, each once and within bounds."""
    return (found for found, _ in _visited(exc))


def _visited(exc: BaseException) -> Iterator[tuple[BaseException, int]]:
    """Yield them with a number that says of which one each is the cause, the context or a member."""
    seen: set[int] = set()
    waiting = [(exc, limits.GROUP_DEPTH, 0)]
    while waiting and len(seen) < limits.EXCEPTIONS:
        current: BaseException | None
        current, depth, link = waiting.pop()
        links = 0
        while current is not None and id(current) not in seen and links < limits.CHAIN:
            number = len(seen) * _LINKS
            seen.add(id(current))
            links += 1
            yield current, link
            if depth and (inner := anatomy.members(current)):
                waiting += [(member, depth - 1, number + _MEMBER) for member in inner[: limits.GROUP_MEMBERS]]
            link = number + (_CONTEXT if anatomy.cause(current) is None else _CAUSE)
            current = anatomy.successor(current)


def _parts(exc: BaseException) -> FaultKey:
    cls = type(exc)
    entry = anatomy.traceback(exc)
    places = _recurring(entry) if cls is RecursionError else _places(entry)
    return (id(cls), len(places), *places)


def _places(entry: TracebackType | None) -> dict[_Place, None]:
    """Return each distinct place once, outermost first."""
    places: dict[_Place, None] = {}
    outermost = entry
    for _ in range(limits.FAULT_KEY_FRAMES):
        if entry is None:
            return places
        places[id(entry.tb_frame.f_code) + entry.tb_lasti] = None
        entry = entry.tb_next
    if entry is None:
        return places
    head, tail = _ends(outermost)
    return _sorted(map(_place, head + tail))


def _recurring(entry: TracebackType | None) -> dict[_Place, None]:
    """Return the places that occur more than once: at which call the stack ended is chance, not where it began."""
    times: dict[_Place, int] = {}
    head, tail = _ends(entry)
    for place in map(_place, tail):
        times[place] = times.get(place, 0) + 1
    return _sorted([*map(_place, head), *([place for place, count in times.items() if count > 1] or times)])


def _ends(entry: TracebackType | None) -> tuple[list[TracebackType], list[TracebackType]]:
    """Return (outermost, innermost) entries; the first are those before the others, what repeats at once being one."""
    head: list[TracebackType] = []
    tail: deque[TracebackType] = deque()
    last: _Place = -1
    while entry is not None:
        tail.append(entry)
        if len(tail) > limits.FAULT_KEY_FRAMES:
            first = tail.popleft()
            here = _place(first)
            if here != last and len(head) < limits.FRAMES:
                head.append(first)
            last = here
        entry = entry.tb_next
    return head, list(tail)


def _place(entry: TracebackType) -> _Place:
    return id(entry.tb_frame.f_code) + entry.tb_lasti


def _described(entry: TracebackType) -> tuple[str, str, str, int, int]:
    code = entry.tb_frame.f_code
    names = (entry.tb_frame.f_globals.get("__name__"), code.co_filename, code.co_qualname)
    module, file, function = (name if type(name) is str else "?" for name in names)
    return module, file, function, entry.tb_lineno or 0, entry.tb_lasti


def _sorted(places: Iterable[_Place]) -> dict[_Place, None]:
    # The innermost frames of a deep recursion begin anywhere in its cycle; sorted, that doesn't matter.
    return dict.fromkeys(sorted(places))
