"""The open files of one generation: a process keeps them here; whether they are still whole leaves."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from typing import NamedTuple

from tocsin.event.model import Kind
from tocsin.spool.counters import Counters
from tocsin.spool.folder import GenerationPath
from tocsin.system.interrupts import let_through

__all__ = ["Generation", "Place"]


@dataclass(slots=True, eq=False)
class Generation:
    """Hold the open files of one generation.

    The descriptor is closed when the last reference goes, not before: a thread that is about to write to a closed
    one could hit whatever file got its number next.
    """

    path: GenerationPath
    fd: int
    counters: Counters
    size_bytes: int = 0
    faults: itertools.count[int] = field(default_factory=itertools.count)

    def __del__(self) -> None:
        os.close(self.fd)

    def mend(self) -> bool:
        """Write the counters again where something is missing; return whether somebody was at them."""
        try:
            return self.counters.mend(self.path.counts)
        except OSError as fault:
            let_through(fault)
            return False  # a full disk: tried again at the next look


class Place(NamedTuple):
    """Tell where a fault is counted: its number in a generation, by number, so that nothing keeps that one open."""

    generation: int
    fault: int
    kind: Kind
    levelno: int
    fingerprint: str
