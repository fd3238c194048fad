"""Exceptions: an exception goes in, a masked and bounded ExceptionInfo leaves. No foreign code runs."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeAlias

from tocsin.capture import anatomy
from tocsin.capture.frames import FrameCache, address, is_hidden, module_of
from tocsin.capture.main_module import imported_name
from tocsin.capture.messages import message_of
from tocsin.capture.nodes import tried, with_templates
from tocsin.capture.places import with_place
from tocsin.event import limits
from tocsin.event.identity.operations import HANDS_ON, is_callers
from tocsin.event.model import ExceptionInfo, Frame
from tocsin.event.typename import type_name
from tocsin.event.wire import with_locals

if TYPE_CHECKING:
    from tocsin.capture.locals import LocalsReader, LocalsRoom

__all__ = ["describe"]

_END: Final = limits.FRAMES // 2


class _Entry:
    """One or several consecutive identical entries of a traceback."""

    __slots__ = ("entry", "repeats")

    def __init__(self, entry: TracebackType) -> None:
        self.entry = entry
        self.repeats = 1


_Ends: TypeAlias = tuple[list[_Entry], int]
_Shown: TypeAlias = tuple[list[Frame], list[TracebackType], int]


class _Budget:
    """What may still be described within one event, and what has been."""

    def __init__(self, frames: FrameCache) -> None:
        self.locals = None if frames.locals is None else frames.locals.room()
        self.left = limits.EXCEPTIONS
        self.seen: set[int] = set()

    def take(self, exc: BaseException) -> bool:
        """Return whether ``exc`` is described: chains may be long, and bite their own tail."""
        if self.left <= 0 or id(exc) in self.seen:
            return False
        self.left -= 1
        self.seen.add(id(exc))
        return True


def describe(exc: BaseException, frames: FrameCache) -> ExceptionInfo:
    """Return what a report tells of an exception, its chain and its group, all of it masked.

    Of deep stacks both ends are kept, consecutive identical frames are one with a number of repeats, cycles
    and chains past their bounds are cut. No reference to an exception or a frame is kept.
    """
    budget = _Budget(frames)
    budget.take(exc)
    return _describe(exc, frames, budget, limits.CHAIN, limits.GROUP_DEPTH)


def _describe(exc: BaseException, frames: FrameCache, budget: _Budget, chain_left: int, depth: int) -> ExceptionInfo:
    scrubber = frames.scrubber
    entry = anatomy.traceback(exc)
    told, entries, omitted = _shown(entry, frames)
    told = _operated(exc, told, entries, frames)
    if frames.locals is not None and budget.locals is not None:
        told = _with_locals(frames.locals, told, entries, budget.locals)
    told, place = with_place(exc, with_templates(exc, told, entries, frames), frames)

    def inner(other: BaseException | None, links: int, groups: int) -> ExceptionInfo | None:
        other = _past_shells(other, budget)
        if other is None or links <= 0 or groups < 0 or not budget.take(other):
            return None
        return _describe(other, frames, budget, links, groups)

    cause = anatomy.cause(exc)
    inside = anatomy.members(exc)
    members = [inner(member, chain_left, depth - 1) for member in inside[: limits.GROUP_MEMBERS]] if inside else []
    shown = tuple([member for member in members if member is not None])
    notes = anatomy.notes(exc) + tried(exc)
    return ExceptionInfo(
        type=scrubber.name(imported_name(type_name(type(exc)))),
        message=scrubber.text(message_of(exc), limits.MESSAGE_CHARS),
        frames=tuple(told),
        frames_omitted=omitted,
        notes=tuple([scrubber.text(note, limits.NOTE_CHARS) for note in notes]) if notes else (),
        cause=inner(cause, chain_left - 1, depth),
        context=None if cause is not None else inner(anatomy.context(exc), chain_left - 1, depth),
        members=shown,
        members_omitted=len(inside) - len(shown),
        place=place,
    )


def _past_shells(exc: BaseException | None, budget: _Budget) -> BaseException | None:
    """Return the next of a chain that says something: a group of what is described already is passed over.

    Middleware that runs the application in a task group takes its exception out again, and raises it from the group.
    """
    for _ in range(limits.CHAIN):
        inside = () if exc is None else anatomy.members(exc)
        if exc is None or not inside or not all(id(member) in budget.seen for member in inside):
            break
        exc = anatomy.successor(exc)
    return exc


def _shown(entry: TracebackType | None, frames: FrameCache) -> _Shown:
    """Return the frames that a report shows and their entries, outermost first, and how many frames are left out.

    A short stack without repetitions, which nearly all are, takes one look-up a frame.
    """
    shown: list[Frame] = []
    entries: list[TracebackType] = []
    outermost, place, known = entry, -1, frames.known
    for _ in range(limits.FRAMES):
        if entry is None:
            return shown, entries, 0
        here = id(entry.tb_frame.f_code) + entry.tb_lasti  # as `address` does
        if here == place:
            break
        place = here
        frame = known(here)
        if frame is not None:
            shown.append(frame)
            entries.append(entry)
        elif entry.tb_next is None or not is_hidden(module_of(entry.tb_frame)):
            shown.append(frames.get(entry))
            entries.append(entry)
        entry = entry.tb_next
    if entry is None:
        return shown, entries, 0
    kept, omitted = _ends(outermost)
    return [_frame(one, frames) for one in kept], [one.entry for one in kept], omitted


def _operated(exc: BaseException, shown: list[Frame], entries: list[TracebackType], frames: FrameCache) -> list[Frame]:
    """Return the frames with what failed in those that may be at fault, from the innermost of the application's."""
    # What recurs is the fault, wherever it ended; and whom a cause or member was called by is told here.
    every = type(exc) is RecursionError or anatomy.cause(exc) is not None or bool(anatomy.members(exc))
    name = type_name(type(exc))
    guard = ""
    for at in range(len(shown) - 1, -1, -1):
        frame = shown[at]
        if not frame.in_app:
            continue
        made = frame if frame.operation else frames.operated(entries[at])
        if made is not frame:
            shown[at] = made if frame.repeats == 1 else replace(made, repeats=frame.repeats)
        if every or made.operation.startswith(HANDS_ON) or (guard and guard == frame.function):
            continue
        if guard or not is_callers(made.operation, name):
            break
        guard = frame.function
    return shown


def _with_locals(
    reader: LocalsReader, shown: list[Frame], entries: list[TracebackType], room: LocalsRoom
) -> list[Frame]:
    stops = [(entry.tb_frame, entry.tb_lasti, frame.in_app) for entry, frame in zip(entries, shown, strict=True)]
    read = reader.read(stops, room, entries[0] if entries else None)
    return [frame if own is None else with_locals(frame, own) for frame, own in zip(shown, read, strict=True)]


def _frame(kept: _Entry, frames: FrameCache) -> Frame:
    frame = frames.get(kept.entry)
    return frame if kept.repeats == 1 else replace(frame, repeats=kept.repeats)


def _ends(entry: TracebackType | None) -> _Ends:
    """Return the entries of both ends, outermost first, and how many frames lie between them."""
    head: list[_Entry] = []
    tail: deque[_Entry] = deque()
    omitted = 0
    place = -1
    last: _Entry | None = None
    while entry is not None:
        here = address(entry)
        if here == place and last is not None:
            last.repeats += 1
        elif entry.tb_next is None or not is_hidden(module_of(entry.tb_frame)):
            place, last = here, _Entry(entry)
            if len(head) < _END:
                head.append(last)
            else:
                tail.append(last)
                if len(tail) > _END:
                    omitted += tail.popleft().repeats
        entry = entry.tb_next
    return list(chain(head, tail)), omitted
