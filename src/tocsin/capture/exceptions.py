"""Exceptions: an exception goes in, a masked and bounded ExceptionInfo leaves. No foreign code runs."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import chain
from types import FrameType, TracebackType
from typing import Final, TypeAlias

from tocsin.capture import anatomy
from tocsin.capture.frames import FrameCache, is_hidden, module_of
from tocsin.capture.messages import message_of
from tocsin.event import limits
from tocsin.event.model import ExceptionInfo, Frame
from tocsin.event.typename import type_name

__all__ = ["describe"]

_END: Final = limits.FRAMES // 2


class _Entry:
    """One or several consecutive identical entries of a traceback."""

    __slots__ = ("frame", "lasti", "line", "repeats")

    def __init__(self, entry: TracebackType) -> None:
        self.frame: FrameType = entry.tb_frame
        self.lasti = entry.tb_lasti
        self.line: int | None = entry.tb_lineno
        self.repeats = 1


_Ends: TypeAlias = tuple[list[_Entry], int]


class _Budget:
    """What may still be described within one event, and what has been."""

    def __init__(self) -> None:
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
    budget = _Budget()
    budget.take(exc)
    return _describe(exc, frames, budget, limits.CHAIN, limits.GROUP_DEPTH)


def _describe(exc: BaseException, frames: FrameCache, budget: _Budget, chain_left: int, depth: int) -> ExceptionInfo:
    scrubber = frames.scrubber
    kept, omitted = _ends(anatomy.traceback(exc))

    def inner(other: BaseException | None, links: int, groups: int) -> ExceptionInfo | None:
        if other is None or links <= 0 or groups < 0 or not budget.take(other):
            return None
        return _describe(other, frames, budget, links, groups)

    cause = anatomy.cause(exc)
    inside = anatomy.members(exc)
    members = [inner(member, chain_left, depth - 1) for member in inside[: limits.GROUP_MEMBERS]]
    shown = tuple(member for member in members if member is not None)
    return ExceptionInfo(
        type=type_name(type(exc)),
        message=scrubber.text(message_of(exc), limits.MESSAGE_CHARS),
        frames=tuple(_frame(entry, frames) for entry in kept),
        frames_omitted=omitted,
        notes=tuple(scrubber.text(note, limits.NOTE_CHARS) for note in anatomy.notes(exc)),
        cause=inner(cause, chain_left - 1, depth),
        context=None if cause is not None else inner(anatomy.context(exc), chain_left - 1, depth),
        members=shown,
        members_omitted=len(inside) - len(shown),
    )


def _frame(entry: _Entry, frames: FrameCache) -> Frame:
    frame = frames.get(entry.frame, entry.lasti, entry.line)
    return frame if entry.repeats == 1 else replace(frame, repeats=entry.repeats)


def _ends(entry: TracebackType | None) -> _Ends:
    """Return the entries of both ends, outermost first, and how many frames lie between them."""
    head: list[_Entry] = []
    tail: deque[_Entry] = deque()
    omitted = 0
    last: _Entry | None = None
    while entry is not None:
        frame = entry.tb_frame
        if last is not None and last.frame.f_code is frame.f_code and last.lasti == entry.tb_lasti:
            last.repeats += 1
        elif entry.tb_next is None or not is_hidden(module_of(frame)):
            last = _Entry(entry)
            if len(head) < _END:
                head.append(last)
            else:
                tail.append(last)
                if len(tail) > _END:
                    omitted += tail.popleft().repeats
        entry = entry.tb_next
    return list(chain(head, tail)), omitted
