"""A sink's health: outcomes go in; when to try again, since when it fails and why leave. Kept in the state."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tocsin.event import limits
from tocsin.sinks.base import Unavailable

__all__ = ["Health"]


@dataclass(frozen=True, slots=True)
class Health:
    """Say how a sink fares. ``failing_since`` and ``next_try`` are None while it works."""

    failing_since: datetime | None = None
    attempts: int = 0
    next_try: datetime | None = None
    pause_s: float = limits.RETRY_AFTER_MAX_S  # between the last try and the next
    reason: str = ""
    remedy: str = ""
    is_told: bool = False  # that it is down, through the other sinks

    def failed(self, outcome: Unavailable, now: datetime, jitter: random.Random) -> Health:
        """Return the health after one more failure: exponential backoff, half of it random.

        Where the destination asked for a longer pause it gets it, within RETRY_AFTER_MAX_S.
        """
        pause_s = min(limits.RETRY_FIRST_S * 2 ** min(self.attempts, 20), limits.RETRY_MAX_S)
        pause_s *= 0.5 + jitter.random() / 2
        if outcome.retry_after_s is not None:
            pause_s = max(pause_s, min(outcome.retry_after_s, limits.RETRY_AFTER_MAX_S))
        return replace(
            self,
            failing_since=min(self.failing_since or now, now),  # the clock may have been set back since
            attempts=self.attempts + 1,
            next_try=now + timedelta(seconds=pause_s),
            pause_s=pause_s,
            reason=outcome.reason,
            remedy=outcome.remedy,
        )

    def is_waiting(self, now: datetime) -> bool:
        """Tell whether it is too early to try again. A clock that was set back ends the wait."""
        if self.next_try is None:
            return False
        return timedelta(0) < self.next_try - now <= timedelta(seconds=self.pause_s)

    def is_to_be_told(self, now: datetime) -> bool:
        """Tell whether it has failed for so long that people must hear of it by other ways."""
        since = self.failing_since
        return since is not None and not self.is_told and (now - since).total_seconds() >= limits.SINK_DOWN_TOLD_S

    def to_note(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "failing_since": self.failing_since.isoformat() if self.failing_since else None,
            "attempts": self.attempts,
            "next_try": self.next_try.isoformat() if self.next_try else None,
            "pause_s": self.pause_s,
            "reason": self.reason,
            "remedy": self.remedy,
            "is_told": self.is_told,
        }

    @classmethod
    def from_note(cls, note: dict[str, Any]) -> Health:
        """Return what `to_note` made; an empty or foreign note is good health."""
        try:
            since, next_try = note["failing_since"], note["next_try"]
            return cls(
                datetime.fromisoformat(since) if since else None,
                note["attempts"],
                datetime.fromisoformat(next_try) if next_try else None,
                float(note.get("pause_s", limits.RETRY_AFTER_MAX_S)),  # notes of older versions lack it
                note["reason"],
                note["remedy"],
                note["is_told"],
            )
        except (KeyError, TypeError, ValueError):
            return cls()
