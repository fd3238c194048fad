"""Whether what ends some work is a fault: an exception goes in, yes or no leaves."""

from __future__ import annotations

from tocsin.capture import anatomy
from tocsin.event import limits

__all__ = ["is_error", "is_fault"]


def is_error(exc: object) -> bool:
    """Tell an Exception from SystemExit, CancelledError and their like, which are never answered by a page.

    Not by `isinstance`, which asks a `__class__` of the application's.
    """
    return issubclass(type(exc), Exception)


def is_fault(exc: object) -> bool:
    """Tell faults from SystemExit, KeyboardInterrupt, GeneratorExit, CancelledError and their like.

    A group is one if it holds one, whatever else it holds.
    """
    waiting = [exc]
    for _ in range(limits.DISCONNECT_MEMBERS):
        if not waiting:
            return False
        each = waiting.pop()
        if is_error(each):
            return True
        if issubclass(type(each), BaseExceptionGroup):
            waiting.extend(anatomy.members(each))  # type: ignore[arg-type]
    return True  # more than anybody would want to look at: rather told than not
