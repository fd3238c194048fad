"""Occurrences go in as they are seen; how many of a fault there were within the last minute leaves."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Lately"]

_WINDOW_S: Final = 60
_FAULTS: Final = 1_000  # past it, the one that is longest unheard of is forgotten


class Lately:
    """Add up occurrences by fault and second. ``now_s`` is a monotonic time, and never goes down."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[tuple[int, int]]] = {}

    def add(self, fingerprint: str, number: int, now_s: float) -> int:
        """Count occurrences in; return how many there were of that fault within the last minute, these among them."""
        second = int(now_s)
        seconds = self._seconds.pop(fingerprint, None)
        if seconds is None:
            seconds = deque()
            if len(self._seconds) >= _FAULTS:
                del self._seconds[next(iter(self._seconds))]
        self._seconds[fingerprint] = seconds  # the latest stands last
        if seconds and seconds[-1][0] == second:
            seconds[-1] = second, seconds[-1][1] + number
        else:
            seconds.append((second, number))
        while seconds[0][0] <= second - _WINDOW_S:
            seconds.popleft()
        return sum(each for _, each in seconds)
