"""What an application hides of its variables: frames go in; the names that are not to be shown leave.

A framework's integration adds a veil: Django's, for one, knows the decorators that mark variables as sensitive.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final, TypeAlias

from tocsin.event import limits
from tocsin.system.interrupts import let_through

__all__ = ["EVERYTHING", "VEILS", "Veil", "hidden"]

Veil: TypeAlias = Callable[[FrameType], frozenset[str]]

# Each is asked what a frame hides; whatever it raises hides everything.
VEILS: Final[list[Veil]] = []
EVERYTHING: Final = frozenset({"*"})  # no variable has this name


def hidden(entry: TracebackType) -> tuple[frozenset[str], frozenset[int]]:
    """Return the names that are hidden in a traceback, and the ids of its frames in which everything is.

    Callers hold the same values as those that they call, so a name is hidden in all frames; everything is from the
    frame inwards that says so. All entries are asked, for a report shows one frame for several of one function; and so
    are those that called the outermost: an exception may have been caught within what it came from.
    """
    names: set[str] = set()
    veiled: list[int] = []
    caller: FrameType | None = entry.tb_frame
    for _ in range(limits.STACK_WALK_FRAMES):
        caller = None if caller is None else caller.f_back
        if caller is None:
            break
        names |= _said_of(caller)
    following: TracebackType | None = entry
    while following is not None:
        frame = following.tb_frame
        names |= _said_of(frame)
        if "*" in names:
            veiled.append(id(frame))
        following = following.tb_next
    return frozenset(names), frozenset(veiled)


def _said_of(frame: FrameType) -> frozenset[str]:
    try:
        return frozenset[str]().union(*(veil(frame) for veil in VEILS))
    except Exception as fault:  # noqa: BLE001 - what can't be told is not shown
        let_through(fault)
        return EVERYTHING
