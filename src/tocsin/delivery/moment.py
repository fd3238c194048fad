"""Whether this is a moment at which to wait for delivery: a stack goes in, yes or no leaves.

A signal handler, a finalizer or a hook of the application's may report something in the middle of a report or of a
delivery, whose locks its thread then holds; a signal handler may also have interrupted what a sink needs (an import, a
buffer). By the stack that is known for sure, whatever was raised in between; a flag could be left set.
"""

from __future__ import annotations

from types import FrameType
from typing import Final

from tocsin.complaints import is_own_work
from tocsin.system.interrupts import signal_handlers

__all__ = ["is_moment"]

# Parts of tocsin that call the application; in a call of any other the application interrupts us.
_AROUND: Final = (
    "tocsin.bootstrap",
    "tocsin.capture.context",
    "tocsin.cli.",
    "tocsin.handlers.",
    "tocsin.integrations.",
    "tocsin.reporter",
    "tocsin.testing",
)


def is_moment(frame: FrameType | None) -> bool:
    """Tell whether the code of ``frame``, which is ours, was called by the application in the normal course."""
    if is_own_work():
        return False
    handlers = signal_handlers()
    is_ours_so_far = True
    while frame is not None:
        name = dict.get(frame.f_globals, "__name__")
        if type(name) is not str or not name.startswith("tocsin."):
            is_ours_so_far = False
            if id(frame.f_code) in handlers:
                return False
        elif not is_ours_so_far and not name.startswith(_AROUND):
            return False
        frame = frame.f_back
    return True
