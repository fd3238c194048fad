"""The policy of telling: issues, what was told and the time go in; what is due, and when to look again, leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Final, Literal, TypeAlias

from tocsin.event import limits
from tocsin.event.notice import Reason
from tocsin.routing.issues import Issue, is_muted
from tocsin.routing.state import Pace, Pending, Told

__all__ = [
    "Candidate",
    "Decision",
    "Due",
    "Lane",
    "Policy",
    "decide",
    "due_of",
    "lane_of",
    "next_digest",
    "paced",
    "wakes_at",
]

_HOUR: Final = timedelta(hours=1)
_ORDER: Final[dict[Reason, int]] = {"new": 0, "comeback": 1, "update": 2, "quiet": 3, "digest": 4}


@dataclass(frozen=True, slots=True)
class Policy:
    """Say how often a sink wants to hear.

    With ``gather_s`` = 0 each new fault has a notice of its own. ``timezone`` is that of ``digest_hour``;
    None is the local time of the system.
    """

    first_within_s: float = 10.0
    gather_s: float = 300.0
    silence_s: float = limits.EPISODE_SILENCE_S
    update_factor: int = 10
    update_interval_s: float = 3_600.0
    comeback_days: float = 7.0
    comeback_interval_s: float = 86_400.0
    cap_per_hour: int = 10
    summary_hours: tuple[float, ...] = (1.0, 2.0, 4.0)
    digest_hour: int = 8
    timezone: tzinfo | None = None
    warnings_at_once: int = 50
    warnings_within_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Due:
    """Say why an issue is to be told, and from when on."""

    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class Candidate:
    """Hold an issue with something untold, what the sink was last told of it, and what is due."""

    issue: Issue
    told: Told | None
    due: Due


@dataclass(frozen=True, slots=True)
class Decision:
    """Be a notice before it has words: why, of which issues, how many notices the cap held back."""

    reason: Reason
    members: tuple[Candidate, ...]
    held_back: int = 0


# What becomes due together waits in one lane: for the end of gathering, for nothing, for the digest's hour.
Lane: TypeAlias = Literal["new", "single", "digest"]


# -- one issue -----------------------------------------------------------------------------------------
def due_of(issue: Issue, told: Told | None, policy: Policy, now: datetime) -> Due | None:
    """Return what is due for an issue and when, None while everything is told.

    ``now`` decides only between an update and the notice that the episode is over. Whoever is muted is due
    when that ends.
    """
    if told is not None and told.count >= issue.count:
        return None
    due = _warning_due(issue, told, policy) if issue.kind == "warning" else _fault_due(issue, told, policy, now)
    if issue.muted_until is not None and issue.muted_until > due.at:
        return Due(issue.muted_until, due.reason)
    return due


def lane_of(issue: Issue, due: Due, now: datetime) -> Lane:
    """Return where a due issue waits. A muted one doesn't wait with those that gather."""
    if due.reason == "new" and not is_muted(issue, now):
        return "new"
    return "digest" if due.reason == "digest" else "single"


def _fault_due(issue: Issue, told: Told | None, policy: Policy, now: datetime) -> Due:
    first_at = issue.episode_started + timedelta(seconds=policy.first_within_s / 2)
    if told is None:
        return Due(first_at, "new")
    update = _update_due(issue, told, policy, now)
    if told.episode == issue.episode:
        return update or Due(max(_silent_at(issue, policy), _may_update_at(told, policy)), "quiet")
    since = issue.previous_seen
    if since is None or issue.episode_started - since > timedelta(days=policy.comeback_days):
        return Due(first_at, "new")
    # A comeback that has to wait for its day, and is silent by then, belongs to a chronic fault.
    if told.comeback_at is None:
        return Due(first_at, "comeback")
    may_return_at = told.comeback_at + timedelta(seconds=policy.comeback_interval_s)
    if may_return_at <= issue.last_seen:
        return Due(max(first_at, may_return_at), "comeback")
    return update or Due(next_digest(max(issue.episode_started, told.at), policy), "digest")


def _update_due(issue: Issue, told: Told, policy: Policy, now: datetime) -> Due | None:
    if issue.episode_count < policy.update_factor * told.episode_count:
        return None
    at = max(issue.episode_started, _may_update_at(told, policy))
    return Due(at, "quiet" if now >= max(at, _silent_at(issue, policy)) else "update")


def _warning_due(issue: Issue, told: Told | None, policy: Policy) -> Due:
    window = timedelta(seconds=policy.warnings_within_s)
    after = (issue.last_seen - window).timestamp()
    if sum(n for at, n in issue.recent if at > after) > policy.warnings_at_once:
        if told is None:
            return Due(issue.last_seen, "new")
        at = max(issue.last_seen, _may_update_at(told, policy))
        if at < issue.last_seen + window:
            return Due(at, "update")
    begun = issue.episode_started if told is None else max(issue.episode_started, told.at)
    return Due(next_digest(begun, policy), "digest")


def _silent_at(issue: Issue, policy: Policy) -> datetime:
    return issue.last_seen + timedelta(seconds=policy.silence_s)


def _may_update_at(told: Told, policy: Policy) -> datetime:
    return told.at + timedelta(seconds=policy.update_interval_s)


def next_digest(after: datetime, policy: Policy) -> datetime:
    """Return the first moment later than ``after`` at which the local clock shows the digest's hour."""
    local = after.astimezone(policy.timezone)
    for days in (0, 1):
        naive = datetime.combine(local.date() + timedelta(days=days), time(policy.digest_hour))
        moment = naive.astimezone(UTC) if policy.timezone is None else naive.replace(tzinfo=policy.timezone)
        if moment > after:
            break
    return moment.astimezone(UTC)


# -- one sink ------------------------------------------------------------------------------------------
def wakes_at(
    earliest: Mapping[Lane, datetime], pace: Pace, policy: Policy, now: datetime, *, is_hurried: bool = False
) -> datetime | None:
    """Return when something can be due, from the earliest time in each lane; None: nothing is in sight.

    It is never later than the first time at which `decide` has an answer.
    """
    if pace.flood_stage:
        return _next_summary(pace, policy)
    times = [_opens_at(lane, at, pace, policy) for lane, at in earliest.items()]
    if is_hurried and earliest.keys() & {"new", "single"}:
        times.append(now)
    return min(times, default=None)


def decide(
    candidates: Iterable[Candidate], pace: Pace, policy: Policy, now: datetime, *, is_hurried: bool = False
) -> Decision | None:
    """Return the one notice that is to leave now, if any.

    ``is_hurried``: the process is about to end, so what is told first doesn't wait.
    """
    waiting = list(candidates)
    ripe = [each for each in waiting if _is_ripe(each, pace, policy, now, is_hurried)]
    if pace.flood_stage:
        if now < _next_summary(pace, policy):
            return None
        held_back = _notices(ripe, policy)
        reason: Reason = "over" if held_back <= policy.cap_per_hour else "summary"
        return Decision(reason, _everything(waiting, ripe, now), held_back)
    if not ripe:
        return None
    if len(_last_hour(pace, now)) >= policy.cap_per_hour:
        return Decision("summary", _everything(waiting, ripe, now), _notices(ripe, policy))
    return _ordinary(waiting, ripe, policy, now)


def paced(pace: Pace, pending: Pending, policy: Policy, now: datetime) -> Pace:
    """Return the pace once a pending notice was accepted."""
    reason = pending.notice.reason
    gather_until = pace.gather_until
    if reason in ("new", "summary", "over"):
        opens = reason == "new" and policy.gather_s > 0 and not pending.is_gathered
        gather_until = now + timedelta(seconds=policy.gather_s) if opens else None
    pace = replace(pace, gather_until=gather_until, digest_at=now if pending.has_digest else pace.digest_at)
    if reason == "summary":
        return replace(pace, flood_stage=pace.flood_stage + 1, flood_at=now)
    if reason == "over":
        return replace(pace, flood_stage=0, flood_at=None)
    return replace(pace, sent=(*_last_hour(pace, now), now))


def _ordinary(waiting: Sequence[Candidate], ripe: Sequence[Candidate], policy: Policy, now: datetime) -> Decision:
    first = min(ripe, key=lambda each: (_ORDER[each.due.reason], each.due.at, each.issue.fingerprint))
    if first.due.reason == "new" and policy.gather_s > 0:
        return Decision("new", _largest([each for each in waiting if _is_new(each, now)]))
    if first.due.reason == "digest":
        return Decision("digest", _largest([each for each in waiting if _is_for_digest(each, now)]))
    return Decision(first.due.reason, (first,))


def _everything(waiting: Sequence[Candidate], ripe: Sequence[Candidate], now: datetime) -> tuple[Candidate, ...]:
    fresh = [each for each in waiting if _is_new(each, now)]
    known = {each.issue.fingerprint for each in fresh}
    others = [each for each in _largest(ripe) if each.issue.fingerprint not in known]
    # What was never told comes before what has only grown, should there be no room for all.
    return _largest([*_largest(fresh), *islice(others, max(0, limits.NOTICE_ISSUES - len(fresh)))])


def _largest(members: Sequence[Candidate]) -> tuple[Candidate, ...]:
    ordered = sorted(members, key=lambda each: (-each.issue.count, each.issue.fingerprint))
    return tuple(ordered[: limits.NOTICE_ISSUES])


def _is_new(each: Candidate, now: datetime) -> bool:
    return each.due.reason == "new" and not is_muted(each.issue, now)


def _is_for_digest(each: Candidate, now: datetime) -> bool:
    return each.due.reason == "digest" and not is_muted(each.issue, now)


def _is_ripe(each: Candidate, pace: Pace, policy: Policy, now: datetime, is_hurried: bool) -> bool:
    if is_hurried and each.due.reason in ("new", "comeback"):
        return not is_muted(each.issue, now)
    return now >= _opens_at(lane_of(each.issue, each.due, now), each.due.at, pace, policy)


def _opens_at(lane: Lane, at: datetime, pace: Pace, policy: Policy) -> datetime:
    if lane == "new" and policy.gather_s > 0 and pace.gather_until is not None:
        return max(at, pace.gather_until)
    if lane == "digest" and pace.digest_at is not None:
        return max(at, next_digest(pace.digest_at, policy))
    return at


def _notices(ripe: Sequence[Candidate], policy: Policy) -> int:
    fresh = sum(each.due.reason == "new" for each in ripe)
    digests = sum(each.due.reason == "digest" for each in ripe)
    return (min(fresh, 1) if policy.gather_s > 0 else fresh) + min(digests, 1) + len(ripe) - fresh - digests


def _last_hour(pace: Pace, now: datetime) -> tuple[datetime, ...]:
    return tuple(at for at in pace.sent if at > now - _HOUR)


def _next_summary(pace: Pace, policy: Policy) -> datetime:
    stage = min(pace.flood_stage, len(policy.summary_hours)) - 1
    return (pace.flood_at or datetime.min.replace(tzinfo=UTC)) + timedelta(hours=policy.summary_hours[stage])
