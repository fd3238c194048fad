"""Issues, what was told and where samples lie go in; rows of plain values leave, and back again: for every database.

Times are whole microseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tocsin.routing.issues import Issue, SampleRef
from tocsin.routing.state import Told

__all__ = [
    "FIXED",
    "GROWING",
    "ISSUE_COLUMNS",
    "TOLD_COLUMNS",
    "from_us",
    "growing_values",
    "issue_of",
    "latest_rules",
    "sample_of",
    "to_us",
    "told_of",
    "told_values",
]

FIXED: Final = ("fingerprint", "prefix")
# What an occurrence may change. `muted_until` is not among them: `tocsin mute` writes it from elsewhere.
GROWING: Final = (
    "kind", "level", "levelno", "logger", "title", "culprit", "application", "environment",
    "count", "first_seen", "last_seen", "first_release", "last_release",
    "episode", "episode_started", "episode_count", "previous_seen", "recent", "revision",
)  # fmt: skip
ISSUE_COLUMNS: Final = (*FIXED, *GROWING, "muted_until")
TOLD_COLUMNS: Final = ("fingerprint", "count", "episode", "episode_count", "at", "comeback_at", "closed_episode")

_RULES: Final = 16  # sets of rules whose time is remembered

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """Return the microseconds since 1970 of an aware time. Law: from_us(to_us(t)) == t."""
    return (at - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """Return the aware UTC time of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


def growing_values(issue: Issue, revision: int) -> tuple[Any, ...]:
    """Return the values of GROWING, with the revision of this change."""
    return (
        issue.kind, issue.level, issue.levelno, issue.logger, issue.title, issue.culprit,
        issue.application, issue.environment, issue.count, to_us(issue.first_seen), to_us(issue.last_seen),
        issue.first_release, issue.last_release, issue.episode, to_us(issue.episode_started),
        issue.episode_count, _maybe_us(issue.previous_seen), _recent_text(issue.recent), revision,
    )  # fmt: skip


def issue_of(row: Sequence[Any]) -> Issue:
    """Return the issue of a row of ISSUE_COLUMNS (what follows them is left alone)."""
    return Issue(
        row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9], row[10],
        from_us(row[11]), from_us(row[12]), row[13], row[14], row[15], from_us(row[16]), row[17],
        _maybe_time(row[18]), _maybe_time(row[21]), _recent_of(row[19]), row[20],
    )  # fmt: skip


def told_values(told: Told) -> tuple[Any, ...]:
    """Return the values of TOLD_COLUMNS."""
    return (
        told.fingerprint, told.count, told.episode, told.episode_count, to_us(told.at), _maybe_us(told.comeback_at),
        told.closed_episode,
    )  # fmt: skip


def told_of(row: Sequence[Any]) -> Told | None:
    """Return what a row of TOLD_COLUMNS says; None where a join found nothing."""
    if row[0] is None:
        return None
    return Told(row[0], row[1], row[2], row[3], from_us(row[4]), _maybe_time(row[5]), row[6])


def sample_of(row: Sequence[Any]) -> SampleRef:
    """Return the place that process, generation, position, error id and time name."""
    return SampleRef(row[0], row[1], row[2], row[3], from_us(row[4]))


def latest_rules(since_us: dict[str, int]) -> dict[str, int]:
    """Return since when there are which rules, of the latest sets of them."""
    return dict(sorted(since_us.items(), key=lambda item: item[1])[-_RULES:])


def _maybe_us(at: datetime | None) -> int | None:
    return None if at is None else to_us(at)


def _maybe_time(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)


def _recent_text(recent: tuple[tuple[int, int], ...]) -> str:
    return ",".join(f"{at}:{n}" for at, n in recent)


def _recent_of(text: str) -> tuple[tuple[int, int], ...]:
    if not text:
        return ()
    return tuple((int(at), int(n)) for at, _, n in (part.partition(":") for part in text.split(",")))
