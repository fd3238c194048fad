"""The wall clock goes in; the time by which things are thrown away leaves: a leap forward is believed only in time.

A clock that is wrong for an hour (NTP on a machine that starts in another year, a wrong hand) must not expire what was
kept for days. A leap back needs no such care: then things are kept for longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tocsin.event import limits

__all__ = ["Calendar"]


class Calendar:
    """Follow the wall clock, but a leap forward only once it has stood for CLOCK_BELIEVED_S of steady time.

    `to_note` and ``note`` carry it from one process to the next: time during which nobody looked is a leap as well.
    """

    def __init__(self, note: Mapping[str, Any] | None = None, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._steady_at = steady()
        self._trusted, self._ahead_s = _read(note or {})

    def now(self, wall: datetime) -> datetime:
        """Return what to take for the time."""
        moment = self._steady()
        passed_s = max(0.0, moment - self._steady_at)
        self._steady_at = moment
        expected = wall if self._trusted is None else _later(self._trusted, passed_s)
        if wall <= _later(expected, limits.CLOCK_LEAP_S):
            self._trusted, self._ahead_s = wall, 0.0
            return wall
        self._ahead_s += passed_s
        if self._ahead_s >= limits.CLOCK_BELIEVED_S:
            self._trusted, self._ahead_s = wall, 0.0
            return wall
        self._trusted = expected
        return expected

    def to_note(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"trusted": self._trusted.isoformat() if self._trusted else None, "ahead_s": self._ahead_s}


def _read(note: Mapping[str, Any]) -> tuple[datetime | None, float]:
    try:
        trusted = datetime.fromisoformat(note["trusted"])
        return (trusted if trusted.tzinfo is not None else None), float(note["ahead_s"])
    except (LookupError, TypeError, ValueError):
        return None, 0.0


def _later(at: datetime, seconds: float) -> datetime:
    try:
        return at + timedelta(seconds=seconds)
    except OverflowError:
        return at
