"""What is measured: names, and functions that measure in their own process, go in; a Measure for run.py leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Figures", "Measure", "Skipped", "Step", "cpu_of", "ns_per_step"]

Figures: TypeAlias = dict[str, float]  # by a name that ends with its unit
Step: TypeAlias = Callable[[], object]

_WARM_UP_SHARE = 10  # one step in so many is run first and not measured


class Skipped(Exception):
    """Say why a variant can't be measured here, such as a package that isn't installed."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Hold the variants of one thing that is measured. Each is called with a number of steps, in its own process."""

    name: str
    steps: int
    few: int  # steps of the smallest form, which only shows that everything works
    variants: Mapping[str, Callable[[int], Figures]]
    rounds: int | None = None  # where it needs another number than the rest


def ns_per_step(step: Step, steps: int) -> float:
    """Return nanoseconds of the process's CPU time per step."""
    for _ in range(max(1, steps // _WARM_UP_SHARE)):
        step()
    begun = time.process_time_ns()
    for _ in range(steps):
        step()
    return (time.process_time_ns() - begun) / steps


def cpu_of(step: Step, steps: int, finish: Callable[[], object] = lambda: None) -> Figures:
    """Return CPU times per step: of this thread, which a request waits for, and of the process until ``finish``.

    The second has what threads of a reporter do besides: serialise, compress, send.
    """
    for _ in range(max(1, steps // _WARM_UP_SHARE)):
        step()
    process, thread = time.process_time_ns(), time.thread_time_ns()
    for _ in range(steps):
        step()
    thread = time.thread_time_ns() - thread
    finish()
    return {"thread_ns": thread / steps, "process_ns": (time.process_time_ns() - process) / steps}
