"""Issues: occurrences go in, an issue with its present episode leaves. Pure, so every state counts alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from tocsin.event import limits
from tocsin.event.model import Kind

__all__ = ["Issue", "Occurrences", "SampleRef", "begin", "grow", "is_muted", "is_of_loggers"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STRENGTH: Final[dict[Kind, int]] = {"warning": 0, "error": 1, "traceback": 2}


@dataclass(frozen=True, slots=True)
class SampleRef:
    """Say where the full event of one occurrence lies in the spool."""

    process: str
    generation: int
    offset: int
    error_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Carry ``n`` occurrences of one fault that happened about ``at`` (aware UTC) to the ledger."""

    fingerprint: str
    prefix: str
    kind: Kind
    level: str
    levelno: int
    logger: str
    title: str
    culprit: str
    application: str
    environment: str
    release: str
    at: datetime
    n: int = 1
    sample: SampleRef | None = None
    client_hash: str | None = None
    body: bytes | None = field(default=None, repr=False)  # the sample's wire form, for a state that keeps some itself
    former: tuple[str, ...] = ()  # of a full report: what other rules than those it was made by call the fault

    @property
    def is_full(self) -> bool:
        """Tell whether a full report says what it is."""
        return self.sample is not None


@dataclass(frozen=True, slots=True)
class Issue:
    """Hold all that is known of one fault.

    ``count`` is exact over the issue's life, ``episode_count`` over its present episode; episodes are
    numbered from 1. ``previous_seen`` is when the episode before the present one was last heard of.
    ``recent`` are (epoch second, occurrences) in steps of RATE_BUCKET_S, of warnings only. ``revision``
    grows with every change of any issue.
    """

    fingerprint: str
    prefix: str
    kind: Kind
    level: str
    levelno: int
    logger: str
    title: str
    culprit: str
    application: str
    environment: str
    count: int
    first_seen: datetime
    last_seen: datetime
    first_release: str
    last_release: str
    episode: int
    episode_started: datetime
    episode_count: int
    previous_seen: datetime | None = None
    muted_until: datetime | None = None
    recent: tuple[tuple[int, int], ...] = ()
    revision: int = 0


def is_muted(issue: Issue, now: datetime) -> bool:
    """Return whether the issue is counted without being told."""
    return issue.muted_until is not None and now < issue.muted_until


def is_of_loggers(place: str, chosen: Sequence[str]) -> bool:
    """Return whether a logger, or the function where there is none, is one of those chosen or below one.

    If none is chosen, every one is; so is an unknown one: rather told to too many than to nobody.
    """
    return not chosen or not place or any(place == name or place.startswith(f"{name}.") for name in chosen)


def begin(seen: Occurrences) -> Issue:
    """Return the issue that these occurrences, the first of their fingerprint, make."""
    return Issue(
        seen.fingerprint,
        seen.prefix,
        seen.kind,
        seen.level,
        seen.levelno,
        seen.logger,
        seen.title,
        seen.culprit,
        seen.application,
        seen.environment,
        count=seen.n,
        first_seen=seen.at,
        last_seen=seen.at,
        first_release=seen.release,
        last_release=seen.release,
        episode=1,
        episode_started=seen.at,
        episode_count=seen.n,
        recent=_recent((), seen),
    )


def grow(issue: Issue, seen: Occurrences, silence_s: float = limits.EPISODE_SILENCE_S) -> Issue:
    """Return the issue with more occurrences counted in.

    Occurrences of several processes arrive out of order. A late one never splits an episode: it moves the
    present one's start back when it lies within ``silence_s`` of it, else it belongs to an earlier episode
    and only adds to the issue's count. Law: counts, first and last times don't depend on the order.
    """
    number, started, counted, previous = _episode(issue, seen, timedelta(seconds=silence_s))
    is_stronger = (seen.levelno, _STRENGTH[seen.kind]) > (issue.levelno, _STRENGTH[issue.kind])
    strongest = seen if is_stronger else issue
    is_first, is_last = seen.at < issue.first_seen, seen.at >= issue.last_seen
    return Issue(
        issue.fingerprint,
        issue.prefix,
        strongest.kind,
        strongest.level,
        strongest.levelno,
        issue.logger or seen.logger,
        issue.title or seen.title,
        issue.culprit or seen.culprit,
        issue.application or seen.application,
        issue.environment or seen.environment,
        count=issue.count + seen.n,
        first_seen=seen.at if is_first else issue.first_seen,
        last_seen=seen.at if is_last else issue.last_seen,
        first_release=(is_first and seen.release) or issue.first_release,
        last_release=(is_last and seen.release) or issue.last_release,
        episode=number,
        episode_started=started,
        episode_count=counted,
        previous_seen=previous,
        muted_until=issue.muted_until,
        recent=_recent(issue.recent, seen),
        revision=issue.revision,
    )


def _episode(issue: Issue, seen: Occurrences, silence: timedelta) -> tuple[int, datetime, int, datetime | None]:
    started, previous = issue.episode_started, issue.previous_seen
    if seen.at - issue.last_seen >= silence:
        return issue.episode + 1, seen.at, seen.n, issue.last_seen
    if seen.at >= started:
        return issue.episode, started, issue.episode_count + seen.n, previous
    if started - seen.at < silence:
        return issue.episode, seen.at, issue.episode_count + seen.n, previous
    return issue.episode, started, issue.episode_count, seen.at if previous is None else max(previous, seen.at)


def _recent(recent: tuple[tuple[int, int], ...], seen: Occurrences) -> tuple[tuple[int, int], ...]:
    if seen.kind != "warning":
        return ()
    second = (seen.at - _EPOCH) // timedelta(seconds=1)
    counts = dict(recent)
    step = second - second % limits.RATE_BUCKET_S
    counts[step] = counts.get(step, 0) + seen.n
    oldest = max(counts) - limits.RATE_WINDOW_S
    return tuple(sorted((at, n) for at, n in counts.items() if at > oldest))
