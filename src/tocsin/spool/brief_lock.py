"""A lock that is never waited for long: a thread asks, yes or no leaves."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from tocsin.system.native import native

__all__ = ["BriefLock"]

_WAIT_S: Final = 0.05
_LOOK_S: Final = 0.001


class BriefLock:
    """Keep threads apart for moments, and never deadlock.

    Its holder may be the very thread that a signal or a garbage collection interrupted, which can't wait for itself, or
    a thread that a fork left behind: so `acquire` waits at most 50 ms, for its own thread not at all, and may say no.

    What a signal handler raises may end a holder before it could give the lock up, between any two of its steps. So the
    holder is known by its frame: one that has ended holds nothing. That takes no lock of the interpreter's, but one
    step on a dictionary.
    """

    def __init__(self) -> None:
        self._holder: dict[int, tuple[FrameType, int]] = {}

    def acquire(self) -> bool:
        """Take the lock for the calling function, until it ends at the latest; return False where that can't be."""
        mine = sys._getframe(1), native("_thread", "get_ident")()
        end = time.monotonic() + _WAIT_S
        sleep: Callable[[float], None] = native("time", "sleep")
        while (holder := self._holder.setdefault(0, mine)) is not mine:
            if _has_ended(holder[0]):
                self._drop(holder)
            elif holder[1] == mine[1] or time.monotonic() > end:
                return False
            else:
                sleep(_LOOK_S)
        return True

    def release(self) -> None:
        """Give the lock up."""
        self._holder.pop(0, None)

    def _drop(self, holder: tuple[FrameType, int]) -> None:
        if self._holder.get(0) is holder:
            self._holder.pop(0, None)


def _has_ended(frame: FrameType) -> bool:
    try:
        frame.clear()
    except RuntimeError:  # it is still running
        return False
    return True
