"""What `faulthandler` wrote when a process crashed: its text goes in; the signal and the stacks leave. Pure.

Its format is CPython's own and has no promise; what is not understood is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

__all__ = ["ABORTED", "Dump", "Stack", "read_dumps"]

ABORTED: Final = "Aborted"

_BEGIN: Final = re.compile(r"^(?:Fatal Python error|Windows fatal exception): (.*)$", re.MULTILINE)
_THREAD: Final = re.compile(
    r"^(Current thread|Thread|Stack)(?: 0x([0-9a-fA-F]+))?(?: \[(.*?)\])? \(most recent call first\):"
)
_FRAME: Final = re.compile(r'^  File "(.*)", line (\d+|\?\?\?) in (.*)$')
_MODULES: Final = re.compile(r"^Extension modules: (.*?)(?: \(total: \d+\))?$", re.MULTILINE)
_TYPES: Final = {
    "Segmentation fault": "SegmentationFault",
    "Aborted": ABORTED,
    "Bus error": "BusError",
    "Illegal instruction": "IllegalInstruction",
    "Floating point exception": "FloatingPointException",
    "Floating-point exception": "FloatingPointException",
    "access violation": "AccessViolation",
    "stack overflow": "StackOverflow",
}


@dataclass(slots=True)
class Stack:
    """Be one thread's frames as (file, line, function), the innermost first. ``thread`` is its number, 0 if unknown."""

    is_current: bool
    thread: int
    name: str
    frames: list[tuple[str, int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Dump:
    """Be one crash. ``type`` names it as an exception would be, ``words`` are the interpreter's own."""

    type: str
    words: str
    stacks: tuple[Stack, ...]
    extension_modules: str

    @property
    def current(self) -> Stack | None:
        """Return the stack of the thread that crashed; None where that is not known."""
        return next((stack for stack in self.stacks if stack.is_current), None)


def read_dumps(text: str) -> list[Dump]:
    """Return the crashes of which a text tells, in order: more than one where a handler let the process live on."""
    begins = list(_BEGIN.finditer(text))
    ends = [*(begin.start() for begin in begins[1:]), len(text)]
    return [_dump(begin[1].strip(), text[begin.end() : end]) for begin, end in zip(begins, ends, strict=False)]


def _dump(words: str, text: str) -> Dump:
    stacks: list[Stack] = []
    for line in text.splitlines():
        if thread := _THREAD.match(line):
            number = int(thread[2], 16) if thread[2] else 0
            stacks.append(Stack(thread[1] != "Thread", number, (thread[3] or "").strip()))
        elif stacks and (frame := _FRAME.match(line)):
            stacks[-1].frames.append((frame[1], int(frame[2]) if frame[2].isdigit() else 0, frame[3]))
    modules = _MODULES.search(text)
    return Dump(_TYPES.get(words, "FatalError"), words, tuple(stacks), modules[1] if modules else "")
