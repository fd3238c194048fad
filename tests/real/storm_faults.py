"""Numbered faults and the side files that note them: numbers go in, exceptions leave. Knows nothing of tocsin."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["FAULTS", "Side", "make_fault"]

FAULTS = 50


def make_fault(number: int) -> Callable[[object], object]:
    """Return a function of its own code object, so that each number is a fault of its own."""
    namespace: dict[str, Callable[[object], object]] = {}
    source = f"def break_{number}(x):\n    return {{}}[f'missing {{x}}']\n"
    exec(compile(source, f"storm_{number}.py", "exec"), namespace)
    return namespace[f"break_{number}"]


class Side:
    """Note what a process is about to raise, and what tocsin has returned from: a line `PID NUMBER` each.

    One `write` to a descriptor opened with O_APPEND, which forked children may share: the kernel has the line when
    the call returns, whoever is killed then.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._raised = os.open(f"{path}.raised", flags)
        self._returned = os.open(f"{path}.returned", flags)

    def raised(self, number: int) -> None:
        """Note a fault just before it is raised."""
        os.write(self._raised, b"%d %d\n" % (os.getpid(), number))

    def returned(self, number: int) -> None:
        """Note a fault when what reports it has returned."""
        os.write(self._returned, b"%d %d\n" % (os.getpid(), number))

    @staticmethod
    def read(path: Path, which: str) -> list[tuple[int, int]]:
        """Return (pid, number) of every line that is ``raised`` or ``returned``."""
        lines = Path(f"{path}.{which}").read_text().splitlines()
        return [(int(pid), int(number)) for pid, number in map(str.split, lines)]
