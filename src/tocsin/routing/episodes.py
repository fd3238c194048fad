"""The policy of telling: issues, what was told and the time go in; what is due, and when to look again, leave."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, Literal, TypeAlias

from tocsin.event import limits
from tocsin.event.notice import Reason
from tocsin.routing.issues import Issue, is_muted
from tocsin.routing.policy import Policy, alive_due, free_place_at, next_digest, quiet_until
from tocsin.routing.state import Pace, Pending, Tally, Told

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
    "told_after",
    "wakes_at",
]

_HOUR: Final = timedelta(hours=1)
_ORDER: Final[dict[Reason, int]] = {"new": 0, "comeback": 1, "update": 2, "quiet": 3, "digest": 4}


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

    @property
    def untold(self) -> int:
        """Return how many occurrences the sink was not told."""
        return max(0, self.issue.count - (self.told.count if self.told else 0))


@dataclass(frozen=True, slots=True)
class Decision:
    """Be a notice before it has words: why, of which issues, how many notices the cap held back."""

    reason: Reason
    members: tuple[Candidate, ...]
    held_back: int = 0


# What becomes due together waits in one lane: for the end of gathering, for nothing, for the digest's hour. What is
# urgent doesn't wait for the end of quiet hours, so it has lanes of its own.
Lane: TypeAlias = Literal["new", "single", "digest", "urgent new", "urgent single"]


# -- one issue -----------------------------------------------------------------------------------------
def due_of(issue: Issue, told: Told | None, policy: Policy, now: datetime) -> Due | None:
    """Return what is due for an issue and when, None while everything is told.

    ``now`` decides only between an update and the notice that the episode is over. Whoever is muted is due
    when that ends.
    """
    is_open = policy.tells_end and told is not None and told.closed_episode < told.episode
    if told is not None and told.count >= issue.count:
        if not is_open:
            return None
        due = Due(_silent_at(issue, policy), "quiet")
    elif issue.kind == "warning":
        due = _warning_due(issue, told, policy, is_open=is_open)
    else:
        due = _fault_due(issue, told, policy, now)
    if issue.muted_until is not None and issue.muted_until > due.at:
        return Due(issue.muted_until, due.reason)
    return due


def lane_of(issue: Issue, due: Due, now: datetime) -> Lane:
    """Return where a due issue waits. A muted one doesn't wait with those that gather."""
    is_urgent = _is_urgent(issue, due)
    if due.reason == "new" and not is_muted(issue, now):
        return "urgent new" if is_urgent else "new"
    if due.reason == "digest":
        return "digest"
    return "urgent single" if is_urgent else "single"


def told_after(candidate: Candidate, policy: Policy, now: datetime) -> Told:
    """Return what a sink was told once it accepts what is due. A digest opens no episode and ends none."""
    issue, told, reason = candidate.issue, candidate.told, candidate.due.reason
    was_open = told is not None and told.closed_episode < told.episode
    if not policy.tells_end or reason == "quiet" or (reason == "digest" and not was_open):
        closed = issue.episode
    else:
        closed = min(told.closed_episode if told is not None else 0, issue.episode - 1)
    comeback_at = told.comeback_at if told is not None else None
    return Told(issue.fingerprint, issue.count, issue.episode, issue.episode_count, now, comeback_at, closed)


def _is_urgent(issue: Issue, due: Due) -> bool:
    """Tell whether quiet hours let it through."""
    if due.reason == "digest":
        return False
    return issue.levelno >= logging.CRITICAL or (due.reason == "new" and issue.kind == "traceback")


def _fault_due(issue: Issue, told: Told | None, policy: Policy, now: datetime) -> Due:
    first_at = issue.episode_started + timedelta(seconds=policy.first_within_s / 2)
    if told is None:
        return Due(first_at, "new")
    update = _update_due(issue, told, policy, now)
    # Where the silence that counts is shorter than an episode's, a fault may come back within the episode.
    is_back = policy.tells_end and told.closed_episode >= issue.episode and issue.last_seen > told.at
    if told.episode == issue.episode and not is_back:
        silent_at = _silent_at(issue, policy)
        return update or Due(silent_at if policy.tells_end else max(silent_at, _may_update_at(told, policy)), "quiet")
    since = told.at if told.episode == issue.episode else issue.previous_seen
    if since is None or max(issue.episode_started, since) - since > timedelta(days=policy.comeback_days):
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


def _warning_due(issue: Issue, told: Told | None, policy: Policy, *, is_open: bool) -> Due:
    window = timedelta(seconds=policy.warnings_within_s)
    after = (issue.last_seen - window).timestamp()
    if sum(n for at, n in issue.recent if at > after) > policy.warnings_at_once:
        if told is None:
            return Due(issue.last_seen, "new")
        at = max(issue.last_seen, _may_update_at(told, policy))
        if at < issue.last_seen + window:
            return Due(at, "update")
    if is_open and told is not None and told.episode == issue.episode:
        return Due(_silent_at(issue, policy), "quiet")
    begun = issue.episode_started if told is None else max(issue.episode_started, told.at)
    return Due(next_digest(begun, policy), "digest")


def _silent_at(issue: Issue, policy: Policy) -> datetime:
    return issue.last_seen + timedelta(seconds=policy.silence_s)


def _may_update_at(told: Told, policy: Policy) -> datetime:
    return told.at + timedelta(seconds=policy.update_interval_s)


# -- one sink ------------------------------------------------------------------------------------------
def wakes_at(
    earliest: Mapping[Lane, datetime], pace: Pace, policy: Policy, now: datetime, *, is_hurried: bool = False
) -> datetime | None:
    """Return when something can be due, from the earliest time in each lane; None: nothing is in sight.

    It is never later than the first time at which `decide` has an answer.
    """
    times = []
    for lane, at in earliest.items():
        opens = now if is_hurried and lane != "digest" else _opens_at(lane, at, pace, policy)
        if _is_flooded(pace, policy):
            opens = max(opens, _next_summary(pace, policy))
        times.append(opens if lane.startswith("urgent") else _awake_at(opens, policy, now))
    if _is_flooded(pace, policy):
        times.append(_awake_at(_next_summary(pace, policy), policy, now))
    alive_at = alive_due(pace, policy)
    if alive_at is not None:
        times.append(_awake_at(alive_at, policy, now))
    return min(times, default=None)


def decide(
    candidates: Iterable[Candidate], pace: Pace, policy: Policy, now: datetime, *, is_hurried: bool = False
) -> Decision | None:
    """Return the one notice that is to leave now, if any.

    ``is_hurried``: the process is about to end, so what is told first doesn't wait.
    """
    is_quiet = quiet_until(now, policy) is not None
    waiting = [each for each in candidates if not is_quiet or _is_urgent(each.issue, each.due)]
    ripe = [each for each in waiting if _is_ripe(each, pace, policy, now, is_hurried)]
    decision = None
    if _is_flooded(pace, policy):
        if now >= _next_summary(pace, policy) and (ripe or not is_quiet):
            held_back = _notices(ripe, policy)
            reason: Reason = "over" if held_back <= policy.cap_per_hour else "summary"
            decision = Decision(reason, _everything(waiting, ripe, now), held_back)
    elif ripe and not policy.is_single and len(_last_hour(pace, now)) >= policy.cap_per_hour:
        decision = Decision("summary", _everything(waiting, ripe, now), _notices(ripe, policy))
    elif ripe:
        decision = _ordinary(waiting, ripe, policy, now)
    alive_at = alive_due(pace, policy)
    if decision is None and not is_quiet and alive_at is not None and now >= alive_at:
        return Decision("alive", ())
    return decision


def paced(pace: Pace, pending: Pending, policy: Policy, now: datetime, *, is_refused: bool = False) -> Pace:
    """Return the pace once a pending notice was accepted, or refused for good."""
    reason = pending.notice.reason
    pace = replace(pace, tally=_counted(pace.tally, pending, is_refused=is_refused))
    if reason == "alive":
        return replace(pace, alive_at=now)
    gather_until = pace.gather_until
    if reason in ("new", "summary", "over"):
        opens = reason == "new" and policy.gathers and not pending.is_gathered
        gather_until = now + timedelta(seconds=policy.gather_s) if opens else None
    pace = replace(pace, gather_until=gather_until, digest_at=now if pending.has_digest else pace.digest_at)
    if reason == "summary":
        return replace(pace, flood_stage=pace.flood_stage + 1, flood_at=now)
    if reason == "over":
        return replace(pace, flood_stage=0, flood_at=None)
    if policy.is_single:  # it has no floods; one may be left from before it became so
        pace = replace(pace, flood_stage=0, flood_at=None)
        return pace if reason != "new" else replace(pace, sent=(*_last_hour(pace, now), now))
    return replace(pace, sent=(*_last_hour(pace, now), now))


def _counted(tally: Tally, pending: Pending, *, is_refused: bool) -> Tally:
    activity = pending.notice.activity
    if activity is not None:
        return Tally(waiting=activity.waiting, lost=tally.lost + activity.lost)
    n = sum(report.untold for report in pending.notice.issues)
    if is_refused:
        return replace(tally, refused=tally.refused + n)
    return replace(tally, told=tally.told + n, notices=tally.notices + 1)


def _ordinary(waiting: Sequence[Candidate], ripe: Sequence[Candidate], policy: Policy, now: datetime) -> Decision:
    first = min(ripe, key=lambda each: (_ORDER[each.due.reason], each.due.at, each.issue.fingerprint))
    if policy.is_single:
        return Decision(first.due.reason, (first,))
    if first.due.reason == "new" and policy.gathers:
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
    # By what a list shows: an old fault's whole life would hide what happened since.
    ordered = sorted(members, key=lambda each: (-each.untold, each.issue.fingerprint))
    return tuple(ordered[: limits.NOTICE_ISSUES])


def _is_new(each: Candidate, now: datetime) -> bool:
    return each.due.reason == "new" and not is_muted(each.issue, now)


def _is_for_digest(each: Candidate, now: datetime) -> bool:
    return each.due.reason == "digest" and not is_muted(each.issue, now)


def _is_ripe(each: Candidate, pace: Pace, policy: Policy, now: datetime, is_hurried: bool) -> bool:
    if is_hurried and each.due.reason in ("new", "comeback"):
        has_place = not policy.is_single or each.due.reason != "new" or now >= free_place_at(pace, policy)
        return has_place and not is_muted(each.issue, now)
    return now >= _opens_at(lane_of(each.issue, each.due, now), each.due.at, pace, policy)


def _opens_at(lane: Lane, at: datetime, pace: Pace, policy: Policy) -> datetime:
    if lane in ("new", "urgent new"):
        if policy.is_single:
            return max(at, free_place_at(pace, policy))
        if policy.gathers and pace.gather_until is not None:
            return max(at, pace.gather_until)
    if lane == "digest" and pace.digest_at is not None and not policy.is_single:
        return max(at, next_digest(pace.digest_at, policy))
    return at


def _awake_at(at: datetime, policy: Policy, now: datetime) -> datetime:
    """Return when what quiet hours hold can leave; what is overdue is held as well."""
    return quiet_until(max(at, now), policy) or at


def _is_flooded(pace: Pace, policy: Policy) -> bool:
    return pace.flood_stage > 0 and not policy.is_single


def _notices(ripe: Sequence[Candidate], policy: Policy) -> int:
    fresh = sum(each.due.reason == "new" for each in ripe)
    digests = sum(each.due.reason == "digest" for each in ripe)
    return (min(fresh, 1) if policy.gathers else fresh) + min(digests, 1) + len(ripe) - fresh - digests


def _last_hour(pace: Pace, now: datetime) -> tuple[datetime, ...]:
    return tuple(at for at in pace.sent if at > now - _HOUR)


def _next_summary(pace: Pace, policy: Policy) -> datetime:
    stage = min(pace.flood_stage, len(policy.summary_hours)) - 1
    return (pace.flood_at or datetime.min.replace(tzinfo=UTC)) + timedelta(hours=policy.summary_hours[stage])
