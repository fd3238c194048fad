"""The router: a state, a route and the time go in; the one notice that is due leaves, and what came of it is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tocsin.event import limits
from tocsin.event.model import Event, Kind
from tocsin.event.notice import Activity, IssueReport, Notice
from tocsin.routing.episodes import (
    Candidate,
    Decision,
    Lane,
    Policy,
    decide,
    due_of,
    lane_of,
    paced,
    told_after,
    wakes_at,
)
from tocsin.routing.issues import Issue, SampleRef, is_of_loggers
from tocsin.routing.state import Pace, Pending, State, Tally
from tocsin.spool.tallies import LOSSES, TALLIES

__all__ = ["Route", "Router"]

_FRESHEST: Final = frozenset({"update", "quiet", "summary", "over", "digest"})


@dataclass(frozen=True, slots=True)
class Route:
    """Say which issues a sink is told, and how often.

    ``identity`` is the sink's own. ``since`` is when the sink was added: what was last seen before is not
    told, unless it comes back. With ``loggers``, only issues of these and of what is below them are told; one
    without a logger counts as of the module it happened in.
    """

    identity: str
    kinds: frozenset[Kind]
    levelno: int
    policy: Policy
    since: datetime
    loggers: tuple[str, ...] = ()

    def tells(self, issue: Issue) -> bool:
        """Tell whether an issue is of the kinds, levels and loggers that the sink is told."""
        is_chosen = issue.kind in self.kinds and issue.levelno >= self.levelno
        return is_chosen and is_of_loggers(issue.logger or issue.culprit, self.loggers)


@dataclass(slots=True)
class _Watch:
    """Remember the earliest time something may be due in each lane, so that most looks need no issue.

    Times only err on the early side: an issue that moves its time back costs one look at everything, which
    sets them right.
    """

    route: Route
    revision: int
    earliest: dict[Lane, datetime]


class Router:
    """Decide what each route is told, one notice at a time.

    Not thread-safe. `due` commits a notice before returning it, so it must not be called inside a
    transaction that stays open while the sink is asked; `accepted` and `refused` settle it. Until then `due`
    returns the very same notice, also to a later process.
    """

    def __init__(
        self,
        state: State,
        *,
        load_sample: Callable[[SampleRef], Event | None],
        application: str,
        environment: str = "",
        spool: str = "",
    ) -> None:
        self._state = state
        self._load_sample = load_sample
        self._application = application
        self._environment = environment
        self._spool = spool
        self._watches: dict[str, _Watch] = {}

    def due(self, route: Route, now: datetime, *, is_hurried: bool = False) -> Notice | None:
        """Return the notice that the route's sink is to say now, None if there is none.

        ``is_hurried``: the process is about to end, so first notices don't wait to be gathered.
        """
        state, identity = self._state, route.identity
        if state.pending(identity) is None and not self._may_be_due(route, now, is_hurried):
            return None
        with state.transaction():  # of several leaders one decides, and sends
            if not state.claim(identity):
                return None
            pending = state.pending(identity) or self._decided(route, now, is_hurried)
        return None if pending is None else self._with_samples(pending)

    def look_anew(self) -> None:
        """Forget what is remembered of times: the state was healed."""
        self._watches.clear()

    def hold(self, route: Route) -> None:
        """Renew the right to send, while a notice is on its way."""
        self._state.claim(route.identity)

    def is_pending(self, route: Route) -> bool:
        """Tell whether a notice waits to be accepted, by this leader or another."""
        return self._state.pending(route.identity) is not None

    def next_due(self, route: Route, now: datetime, *, is_hurried: bool = False) -> datetime | None:
        """Return the earliest time at which `due` may have a notice, None while nothing is in sight."""
        if self._state.pending(route.identity) is not None:
            return now
        earliest = self._watched(route, now).earliest
        pace = self._state.pace(route.identity)
        return wakes_at(earliest, pace, route.policy, now, is_hurried=is_hurried)

    def accepted(self, route: Route, notice: Notice, now: datetime) -> None:
        """Keep that the sink took the notice. One that is not pending (any more) changes nothing."""
        self._settle(route, notice, now, is_refused=False)

    def refused(self, route: Route, notice: Notice, now: datetime, *, is_kept: bool = False) -> None:
        """Keep that the sink refuses the notice for good: its occurrences become the loss ``refused``.

        ``is_kept``: the notice lies with the dead letters, so nothing is lost yet.
        """
        self._settle(route, notice, now, is_refused=True, is_lost=not is_kept)

    # -- deciding --------------------------------------------------------------------------------------
    def _may_be_due(self, route: Route, now: datetime, is_hurried: bool) -> bool:
        """Tell whether to look at the issues; what it asks for, a shared state answers from memory."""
        earliest = self._watched(route, now).earliest
        pace = self._state.pace(route.identity)
        if route.policy.alive_days and pace.alive_at is None:
            return True
        look_at = wakes_at(earliest, pace, route.policy, now, is_hurried=is_hurried)
        return look_at is not None and look_at <= now

    def _decided(self, route: Route, now: datetime, is_hurried: bool) -> Pending | None:
        policy = route.policy
        watch = self._watched(route, now)
        pace = self._pace(route, now)
        look_at = wakes_at(watch.earliest, pace, policy, now, is_hurried=is_hurried)
        if look_at is None or look_at > now:
            return None
        candidates = self._candidates(route, now, after_revision=0)
        watch.earliest = _earliest(candidates, now)
        decision = decide(candidates, pace, policy, now, is_hurried=is_hurried)
        if decision is None:
            return None
        pending = self._pending(route, decision, pace, candidates, now)
        self._state.save_pending(route.identity, pending)
        return pending

    def _pace(self, route: Route, now: datetime) -> Pace:
        pace = self._state.pace(route.identity)
        if route.policy.alive_days and pace.alive_at is None:  # now they are wanted, the first after their time
            pace = replace(pace, alive_at=now, tally=Tally(lost=self._lost()))
            self._state.save_pace(route.identity, pace)
        return pace

    def _lost(self) -> int:
        return sum(n for reason, n in self._state.losses().items() if reason in LOSSES or reason not in TALLIES)

    def _watched(self, route: Route, now: datetime) -> _Watch:
        watch = self._watches.get(route.identity)
        if watch is None or watch.route != route:
            watch = self._watches[route.identity] = _Watch(route, 0, {})
        revision = self._state.revision()
        if revision != watch.revision:
            changed = self._candidates(route, now, after_revision=watch.revision)
            for lane, at in _earliest(changed, now).items():
                watch.earliest[lane] = min(at, watch.earliest.get(lane, at))
            watch.revision = revision
        return watch

    def _candidates(self, route: Route, now: datetime, after_revision: int) -> list[Candidate]:
        candidates = []
        untold = self._state.untold(
            route.identity,
            since=route.since,
            after_revision=after_revision,
            with_open=route.policy.tells_end,
        )
        for issue, told in untold:
            if route.tells(issue):
                due = due_of(issue, told, route.policy, now)
                if due is not None:
                    candidates.append(Candidate(issue, told, due))
        return candidates

    def _pending(
        self, route: Route, decision: Decision, pace: Pace, candidates: Sequence[Candidate], now: datetime
    ) -> Pending:
        members = decision.members
        notice = Notice(
            id=_notice_id(self._state.own_identity(), route, decision, now),
            reason=decision.reason,
            at=now,
            application=self._application,
            environment=self._environment,
            issues=tuple(self._report(member) for member in members),
            held_back=decision.held_back,
            spool=self._spool,
            activity=self._activity(pace, candidates) if decision.reason == "alive" else None,
        )
        begun = min((member.issue.episode_started for member in members), default=None)
        return Pending(
            notice,
            told=tuple(told_after(member, route.policy, now) for member in members),
            samples=self._samples(decision),
            comebacks=frozenset(m.issue.fingerprint for m in members if m.due.reason == "comeback"),
            is_gathered=pace.gather_until is not None and begun is not None and begun < pace.gather_until,
            has_digest=any(member.due.reason == "digest" for member in members),
        )

    def _activity(self, pace: Pace, candidates: Sequence[Candidate]) -> Activity | None:
        """Return what was done since the last alive notice. What was told and what waits is all that was seen."""
        if pace.alive_at is None:
            return None
        waiting = sum(each.untold for each in candidates)
        before = pace.tally
        seen = max(0, before.told + before.refused + waiting - before.waiting)
        lost = max(0, self._lost() - before.lost)
        return Activity(pace.alive_at, seen, before.told, before.notices, waiting, lost)

    def _report(self, member: Candidate) -> IssueReport:
        issue = member.issue
        return IssueReport(
            fingerprint=issue.fingerprint,
            prefix=issue.prefix,
            kind=issue.kind,
            level=issue.level,
            title=issue.title,
            culprit=issue.culprit,
            count=issue.count,
            episode_count=issue.episode_count,
            untold=member.untold,
            first_seen=issue.first_seen,
            last_seen=issue.last_seen,
            episode_started=issue.episode_started,
            first_release=issue.first_release,
            last_release=issue.last_release,
            clients=self._state.clients(issue.fingerprint, issue.episode_started),
        )

    # -- samples ---------------------------------------------------------------------------------------
    def _samples(self, decision: Decision) -> dict[str, SampleRef]:
        found = {}
        for member in decision.members[: limits.DETAILED_ISSUES]:
            sample = self._sample(member.issue, is_freshest=decision.reason in _FRESHEST)
            if sample is not None:
                found[member.issue.fingerprint] = sample
        return found

    def _sample(self, issue: Issue, is_freshest: bool) -> SampleRef | None:
        if not is_freshest:
            first = self._state.samples(issue.fingerprint, 1, since=issue.episode_started, is_oldest_first=True)
            if first:
                return first[0]
        latest = self._state.samples(issue.fingerprint, 1)
        return latest[0] if latest else None

    def _with_samples(self, pending: Pending) -> Notice:
        reports = []
        for report in pending.notice.issues:
            sample = pending.samples.get(report.fingerprint)
            event = None if sample is None else self._load_sample(sample)
            reports.append(report if event is None else replace(report, sample=event))
        return replace(pending.notice, issues=tuple(reports))

    # -- settling --------------------------------------------------------------------------------------
    def _settle(self, route: Route, notice: Notice, now: datetime, *, is_refused: bool, is_lost: bool = False) -> None:
        identity = route.identity
        with self._state.transaction():
            pending = self._state.pending(identity)
            if pending is None or pending.notice.id != notice.id:
                return
            for told in pending.told:
                comeback_at = now if told.fingerprint in pending.comebacks else told.comeback_at
                if comeback_at is not None:  # decided, perhaps, before the clock was set back
                    comeback_at = min(comeback_at, now)
                self._state.save_told(identity, replace(told, at=now, comeback_at=comeback_at))
            # A refused notice counts for the pace as well, or a sink that refuses all is asked without end.
            pace = self._state.pace(identity)
            self._state.save_pace(identity, paced(pace, pending, route.policy, now, is_refused=is_refused))
            self._state.save_pending(identity, None)
            if is_lost:
                self._state.add_loss("refused", sum(report.untold for report in pending.notice.issues))
        self._watches.pop(identity, None)


def _earliest(candidates: Sequence[Candidate], now: datetime) -> dict[Lane, datetime]:
    earliest: dict[Lane, datetime] = {}
    for each in candidates:
        lane = lane_of(each.issue, each.due, now)
        earliest[lane] = min(each.due.at, earliest.get(lane, each.due.at))
    return earliest


def _notice_id(state: str, route: Route, decision: Decision, now: datetime) -> str:
    """Return 32 hex digits from state, sink, reason, and each issue's episode and what this notice adds to it.

    Hosts without a shared state that see a fault first at the same moment each send a notice of their own, which no
    receiver may take for a repetition of the other's. Only a notice that names no issue (the end of a flood, a sign
    of life) is told apart by its time.
    """
    digest = hashlib.blake2b(digest_size=16)
    parts = [state, route.identity, decision.reason]
    for member in decision.members:
        told = member.told.count if member.told else 0
        issue = member.issue
        parts += [issue.fingerprint, issue.first_seen.isoformat(), f"{issue.episode}:{told}:{issue.count}"]
    if not decision.members:
        parts.append(now.isoformat())
    digest.update("\0".join(parts).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
