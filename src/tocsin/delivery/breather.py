"""Pauses between slices of delivery: how busy this process was in one goes in; the next leaves, longer if it was.

In a process that computes all the time, a thread that wakes up has to take the interpreter's lock from whoever has it,
after the 5 ms of `sys.getswitchinterval()`, and then holds that request up by what it does. In a worker that waits for
its next request now and then it wakes up in such a gap.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["SLICE_PAUSE_S", "Breather"]

SLICE_PAUSE_S: Final = 0.0005  # lets go of the GIL between slices
_LONGEST_S: Final = 0.5  # of which the requests that a slice meets are fewer than one in a hundred
_GROWTH: Final = 4.0
_SATURATED: Final = 0.9  # of one processor


class Breather:
    """Pause, and longer each time as long as other threads of this process leave it no gap. One thread uses it."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.process_time
    ) -> None:
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._pause_s = SLICE_PAUSE_S

    def pause(self, sleep: Callable[[float], None]) -> None:
        """Let others go on for a while."""
        begun, cpu = self._clock(), self._cpu_clock()
        sleep(self._pause_s)
        busy_s, passed_s = self._cpu_clock() - cpu, self._clock() - begun
        is_saturated = busy_s >= _SATURATED * passed_s
        self._pause_s = min(self._pause_s * _GROWTH, _LONGEST_S) if is_saturated else SLICE_PAUSE_S
