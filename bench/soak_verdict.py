"""Whether a soak is flat: samples go in; what each curve grew by after its warm-up, against its bound, leaves.

A curve's growth is its slope by Theil and Sen (the median of the slopes between all pairs of points, which a few
outliers can't turn) times the time it was looked at. A process is looked at from its own warm-up on, so that releases,
which begin every worker anew, hide nothing; of several processes of a role the one that grew most counts. A short run
ends while the deliverer's caches and the disk still fill: those may grow more, and the disk is judged by its height.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from soak_samples import Sample

__all__ = ["SHORT_S", "Growth", "growths"]

_MB: Final = 1_048_576
_WARM_UP_SHARE: Final = 0.15  # of the run, of each life
_LIFE_SHARE: Final = 0.2  # shorter lives say nothing about a slope
SHORT_S: Final = 600.0
_SHORT_MEMORY: Final = 4 * _MB  # of `tocsin deliver`: SQLite's cache, and what it knows of each fault
_PROCESSES: Final = ("master", "worker", "deliver")
_FOLDERS: Final = ("spool", "sink")


@dataclass(frozen=True, slots=True)
class Growth:
    """Say what one curve did: where it was in the middle, how far it rose over ``seconds``, how far it may."""

    role: str
    measure: str  # memory, descriptors, threads, disk
    seconds: float
    median: float
    highest: float
    grown: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        """Tell whether it rose no more than it may."""
        return self.grown <= self.allowed


def growths(samples: Sequence[Sample], seconds: float) -> list[Growth]:
    """Return one `Growth` per role and measure. Raises ValueError where a role was not seen for long enough."""
    found = []
    is_short = seconds < SHORT_S
    for role in _PROCESSES:
        lives = _lives(samples, role, seconds)
        least = _SHORT_MEMORY if is_short and role == "deliver" else _MB
        # Memory: what an allocator's arenas and the caches of rarer faults still gather, no more.
        found.append(_worst(lives, role, "memory", lambda sample: sample.bytes, least, 0.03))
        found.append(_worst(lives, role, "descriptors", lambda sample: sample.descriptors, 1.0))
        found.append(_worst(lives, role, "threads", lambda sample: sample.threads, 1.0))
    for role in _FOLDERS:
        lives = _lives(samples, role, seconds)
        # Disk saws: it grows until a whole segment or backup goes.
        found.append(_worst(lives, role, "disk", lambda sample: sample.bytes, math.inf if is_short else 0.0, 0.15))
    return found


def _lives(samples: Iterable[Sample], role: str, seconds: float) -> list[list[Sample]]:
    by_pid: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.role == role:
            by_pid[sample.pid].append(sample)
    warm = []
    for life in by_pid.values():
        # A folder is as old as the run, but what fills it begins with the application's first minutes.
        settled = [sample for sample in life if sample.at_s - life[0].at_s >= _WARM_UP_SHARE * seconds]
        if len(settled) >= 5 and settled[-1].at_s - settled[0].at_s >= _LIFE_SHARE * seconds:
            warm.append(settled)
    if not warm:
        raise ValueError(f"no {role} lived for {(_WARM_UP_SHARE + _LIFE_SHARE) * seconds:.0f} s")
    return warm


def _worst(
    lives: Sequence[Sequence[Sample]],
    role: str,
    measure: str,
    value: Callable[[Sample], float],
    least: float,
    share: float = 0.0,
) -> Growth:
    """Return the growth of the life that grew most; ``least``, or a share of the median, is allowed."""
    grown = []
    for life in lives:
        values = [value(sample) for sample in life]
        span = life[-1].at_s - life[0].at_s
        middle = statistics.median(values)
        rise = _slope([sample.at_s for sample in life], values) * span
        grown.append(Growth(role, measure, span, middle, max(values), rise, max(least, share * middle)))
    return max(grown, key=lambda growth: growth.grown - growth.allowed)


def _slope(times: Sequence[float], values: Sequence[float]) -> float:
    pairs = (
        (values[after] - values[before]) / (times[after] - times[before])
        for before in range(len(times))
        for after in range(before + 1, len(times))
        if times[after] > times[before]
    )
    return statistics.median(pairs)
