"""Faults: an exception as it was captured goes in; what there is to mend leaves: a type, and one or two places.

What is mended is where the first exception was raised, so of a chain the cause counts, and of a stack the innermost
function of the application. Callers, wrappers and libraries don't, unless the fault is theirs: a function that only
hands on what it was given is passed over, and one that refuses what it was given is told with who gave it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from tocsin.event.identity.digest import digest
from tocsin.event.identity.operations import GUARD, HANDS_ON, is_callers
from tocsin.event.identity.part import Part
from tocsin.event.model import ExceptionInfo, Frame

__all__ = ["has_frames", "is_own", "parts_of"]

# Python 3.12 inlines these into the function around them (PEP 709).
_INLINED: Final = tuple(f".<locals>.{name}" for name in ("<listcomp>", "<setcomp>", "<dictcomp>"))
_DEEPEST: Final = 64  # chains are bounded, but nobody says how they are nested
_LIBRARY: Final = "library"


def parts_of(info: ExceptionInfo) -> tuple[Part, ...]:
    """Return what identifies the fault behind an exception."""
    return _parts(info, _DEEPEST)


def is_own(parts: Sequence[Part]) -> bool:
    """Return whether code of the application is among the parts, so that no more is needed."""
    return all(part.name != _LIBRARY for part in parts)


def has_frames(info: ExceptionInfo) -> bool:
    """Return whether an exception, or one that it came from, was raised anywhere."""
    return any(part.frames for part in _all(info))


def _parts(info: ExceptionInfo, depth: int, around: Sequence[Frame] = ()) -> tuple[Part, ...]:
    """``around`` are the application's frames of the group that an exception is a member of."""
    culprit, stack = _culprit(info, around)
    if culprit.members and depth:
        # Tasks end in any order, and as many of them fail as were started: a set.
        each = [_parts(member, depth - 1, stack) for member in culprit.members]
        found = {digest(map("=".join, ((part.name, part.value) for part in parts))): parts for parts in each}
        if len(found) == 1:
            return next(iter(found.values()))
        reason = "one of several faults in a group, in whichever order they came"
        told = {key: ", ".join(part.value for part in parts) for key, parts in found.items()}
        return tuple(Part("member", key, f"{reason}: {told[key]}") for key in sorted(found))
    reason = "of what was raised"
    if culprit is not info:
        reason = "of the cause: what was made of it later is not what is to be mended"
    return (Part("type", culprit.type, reason), *_places(culprit, stack))


def _culprit(info: ExceptionInfo, around: Sequence[Frame]) -> tuple[ExceptionInfo, Sequence[Frame]]:
    """Return the exception to look at, and the application's frames that it went through, outermost first.

    That is the cause that lies deepest of those raised below the application's code.
    """
    chain = [info]
    while chain[-1].cause is not None and len(chain) < _DEEPEST:
        chain.append(chain[-1].cause)
    stacks = [around]
    for one in chain:
        stacks.append(_joined(stacks[-1], [frame for frame in _named(one.frames) if frame.in_app]))
    for number in range(len(chain) - 1, -1, -1):
        one = chain[number]
        if any(frame.in_app for part in (one, *one.members) for frame in part.frames):
            return one, stacks[number + 1]
    return next((one for one in chain if one.frames or one.members), info), ()


def _joined(outer: Sequence[Frame], inner: Sequence[Frame]) -> Sequence[Frame]:
    """Return the frames of a cause behind those of its callers, which are in the traceback of what it was made into."""
    if not inner:
        return outer
    first = _function(inner[0])
    at = next((number for number in range(len(outer) - 1, -1, -1) if _function(outer[number]) == first), 0)
    return [*outer[:at], *inner]


def _places(info: ExceptionInfo, own: Sequence[Frame]) -> tuple[Part, ...]:
    if info.place is not None and info.place.in_app:
        return _place("place", info.place, "the exception itself names it")
    frames = _named(info.frames)
    if info.type == "RecursionError":
        return _recurring([frame for frame in frames if frame.in_app] or frames)
    if own:
        return _blamed(own, info.type)
    if not frames:
        return ()
    return (Part(_LIBRARY, _function(frames[-1]), "the innermost function; none of the application's is there"),)


def _blamed(frames: Sequence[Frame], type_name: str) -> tuple[Part, ...]:
    """Return the function to look at, and what in it failed; and who called it, where that is a part of the fault."""
    guard: Frame | None = None
    for frame in reversed(frames):
        if frame.operation.startswith(HANDS_ON):
            continue
        if guard is None and is_callers(frame.operation, type_name):
            guard = frame
        elif guard is None:
            return _place("function", frame, "the application's innermost function that does more than hand on")
        elif _function(frame) != _function(guard):
            return (*_place("function", guard, _fault_of(guard)), *_place("caller", frame, "it gave that"))
    if guard is not None:
        return _place("function", guard, f"{_fault_of(guard)}; nobody of the application gave it")
    return _place("function", frames[-1], "the application's innermost function")


def _fault_of(guard: Frame) -> str:
    return "it refuses what it is given" if guard.operation.startswith(GUARD) else "what it is given is of a wrong kind"


def _place(name: str, frame: Frame, reason: str) -> tuple[Part, ...]:
    where = Part(name, _function(frame), reason)
    if not frame.operation:
        return (where,)
    return where, Part("operation", frame.operation, "what of it failed, without names of variables and values")


def _recurring(frames: Sequence[Frame]) -> tuple[Part, ...]:
    """Return what recurs: at which call the stack ended is chance."""
    times: Counter[str] = Counter()
    for frame in frames:
        if not frame.operation.startswith(HANDS_ON):
            times[_function(frame)] += frame.repeats
    names = [name for name, count in times.items() if count > 1] or [_function(frames[-1])] if frames else []
    return tuple(Part("recursion", name, "it calls itself, or what calls it") for name in sorted(names))


def _named(frames: Sequence[Frame]) -> list[Frame]:
    """Return the frames with those of comprehensions taken for the function around them."""
    found: list[Frame] = []
    for frame in frames:
        name = frame.function
        for inlined in _INLINED:  # one may be in another, and a function in it
            name = name.replace(inlined, "")
        if name != frame.function:
            is_inlined = frame.function.endswith(_INLINED)
            frame = replace(frame, function=name)  # noqa: PLW2901
            if is_inlined and found and _function(found[-1]) == _function(frame):
                found.pop()
        found.append(frame)
    return found


def _function(frame: Frame) -> str:
    # A file that can't be compiled has no name of its own; imported, it would have that of the file.
    module = frame.module or frame.file.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    return f"{module}.{frame.function}" if frame.function else module


def _all(info: ExceptionInfo) -> Iterator[ExceptionInfo]:
    waiting, seen = [info], 0
    while waiting and seen < _DEEPEST:
        part = waiting.pop()
        seen += 1
        yield part
        waiting += [inner for inner in (part.cause, part.context, *part.members) if inner is not None]
