"""Times that lie after the present go in, as a clock that was set back leaves them; the same, brought back, leave.

An episode that begins tomorrow would be told tomorrow, a cap that was reached tomorrow would hold all day. What is
brought back keeps its order, so that what came before a sink, or before a notice, still does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from tocsin.event import limits
from tocsin.routing.issues import Issue
from tocsin.routing.state import Pace, Told

__all__ = ["Bring", "brought_back", "healed_issue", "healed_pace", "healed_told", "times_of"]

Bring: TypeAlias = Callable[[datetime], datetime]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)  # the finest that states keep


def brought_back(times: Iterable[datetime | None], now: datetime) -> Bring:
    """Return what brings each of the times after ``now`` to just before it, in their order; others stay.

    Law: a < b makes bring(a) < bring(b) where both are among the times, and bring(a) <= now.
    """
    late = sorted({at for at in times if at is not None and at > now})
    places = {at: now - _TICK * (len(late) - 1 - number) for number, at in enumerate(late)}
    return lambda at: places.get(at, min(at, now))


def times_of(issues: Iterable[Issue], told: Iterable[Told]) -> list[datetime | None]:
    """Return the times that `healed_issue` and `healed_told` bring back."""
    found = [
        at for each in issues for at in (each.first_seen, each.last_seen, each.episode_started, each.previous_seen)
    ]
    return [*found, *(at for each in told for at in (each.at, each.comeback_at))]


def healed_issue(issue: Issue, bring: Bring, now: datetime) -> Issue:
    """Return the issue as if what happened later than ``now`` had just happened. Counts stay; so does a mute."""
    return replace(
        issue,
        first_seen=bring(issue.first_seen),
        last_seen=bring(issue.last_seen),
        episode_started=bring(issue.episode_started),
        previous_seen=None if issue.previous_seen is None else bring(issue.previous_seen),
        recent=_recent(issue.recent, now),
    )


def healed_told(told: Told, bring: Bring) -> Told:
    """Return what was told as if what was told later than now had just been told."""
    return replace(told, at=bring(told.at), comeback_at=None if told.comeback_at is None else bring(told.comeback_at))


def healed_pace(pace: Pace, now: datetime) -> Pace:
    """Return the pace as if what was told later than ``now`` had just been told."""
    return replace(
        pace,
        sent=tuple(min(at, now) for at in pace.sent),
        gather_until=_not_after(pace.gather_until, now + timedelta(seconds=limits.CLOCK_BACK_GATHER_S)),
        flood_at=_not_after(pace.flood_at, now),
        digest_at=_not_after(pace.digest_at, now),
        alive_at=_not_after(pace.alive_at, now),
    )


def _not_after(at: datetime | None, end: datetime) -> datetime | None:
    return None if at is None else min(at, end)


def _recent(recent: tuple[tuple[int, int], ...], now: datetime) -> tuple[tuple[int, int], ...]:
    second = (now - _EPOCH) // timedelta(seconds=1)
    latest = second - second % limits.RATE_BUCKET_S
    counts: dict[int, int] = {}
    for at, n in recent:
        counts[min(at, latest)] = counts.get(min(at, latest), 0) + n
    return tuple(sorted(counts.items()))
