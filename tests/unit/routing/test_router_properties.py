"""Whatever arrives whenever, with a sink that is away at times: all is told, and never too often."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.event.notice import Notice
from tocsin.routing.episodes import Policy
from tocsin.routing.issues import Occurrences
from tocsin.routing.policy import quiet_until
from tocsin.routing.router import Route, Router
from tocsin.routing.sqlite import SqliteState

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
DAY_S = 86_400
ALL = frozenset({"traceback", "error", "warning"})

# Gaps from a second to days: within a batch, an episode, a day, a week.
_gaps = st.one_of(st.integers(0, 30), st.integers(0, 4_000), st.integers(0, 2 * DAY_S), st.just(8 * DAY_S))


def _lists(faults: int) -> st.SearchStrategy:
    each = st.tuples(_gaps, st.integers(0, faults), st.sampled_from([1, 1, 3, 30, 1000]), st.integers(0, 900))
    return st.lists(each, min_size=1, max_size=60)


_arrivals = st.one_of(_lists(faults=2), _lists(faults=30))  # few faults that go on, many that are new
_outages = st.lists(st.tuples(st.integers(0, 5 * DAY_S), st.integers(1, DAY_S)), max_size=4)
_policies = st.builds(
    Policy,
    gather_s=st.sampled_from([0.0, 300.0]),
    cap_per_hour=st.sampled_from([1, 3, 10]),
    timezone=st.just(UTC),
)
_wider_policies = st.builds(
    Policy,
    gather_s=st.sampled_from([0.0, 300.0]),
    cap_per_hour=st.sampled_from([1, 3, 10]),
    silence_s=st.sampled_from([600.0, 3600.0]),
    comeback_interval_s=st.sampled_from([0.0, 86_400.0]),
    is_single=st.booleans(),
    tells_end=st.booleans(),
    quiet_hours=st.sampled_from([None, (time(22), time(7)), (time(7, 30), time(20)), (time(5), time(8))]),
    alive_days=st.sampled_from([0, 1, 7]),
    timezone=st.just(UTC),
)


@dataclass
class Run:
    """Play arrivals against one sink, from one moment at which something can happen to the next."""

    policy: Policy
    outages: list[tuple[datetime, datetime]]
    crashes: list[bool]
    accepted: list[tuple[datetime, Notice]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seen_ids: dict[str, Notice] = field(default_factory=dict)
    arrived: list[tuple[datetime, int]] = field(default_factory=list)

    def play(self, arrivals: list[tuple[datetime, Occurrences]]) -> None:
        self.state = SqliteState(":memory:")
        self.route = Route("mail:ops", ALL, 0, self.policy, START - timedelta(days=1))
        self.router = self._router()
        try:
            for at, seen in arrivals:
                self._until(at)
                self.state.add_occurrences(seen)
                self.counts[seen.fingerprint] += seen.n
                self.arrived.append((at, seen.n))
                self.now = at
            self._until(self.now + timedelta(days=20))
            open_ones = self.state.untold(self.route.identity, since=START, with_open=self.policy.tells_end)
            assert open_ones == ()
        finally:
            self.state.close()

    now: datetime = START

    def _router(self) -> Router:
        return Router(self.state, load_sample=lambda ref: None, application="shop")

    def _until(self, end: datetime) -> None:
        for _ in range(10_000):
            self._tell()
            wake = self.router.next_due(self.route, self.now)
            if wake is not None and wake <= self.now:
                wake = self._back_at()
            if wake is None or wake > end:
                self.now = end
                self._tell()
                return
            self.now = wake
        raise AssertionError("the router never comes to rest")

    def _tell(self) -> None:
        while self._back_at() == self.now and (notice := self.router.due(self.route, self.now)) is not None:
            assert self.seen_ids.setdefault(notice.id, notice) == notice
            if self.crashes and self.crashes.pop():
                self.router = self._router()
                continue
            self.router.accepted(self.route, notice, self.now)
            self.accepted.append((self.now, notice))
        if self._back_at() > self.now:
            self.router.due(self.route, self.now)

    def _back_at(self) -> datetime:
        return max((end for begin, end in self.outages if begin <= self.now < end), default=self.now)


def _played(arrivals, outages, policy, crashes) -> Run:
    at, timeline = START, []
    for gap_s, number, n, late_s in arrivals:
        at += timedelta(seconds=gap_s)
        kind = ("traceback", "error", "warning")[number % 3]
        happened = at - timedelta(seconds=late_s if number % 5 == 0 else 0)
        timeline.append(
            (at, Occurrences(f"v1:{number}", "A", kind, "ERROR", 40, "", "t", "c", "shop", "", "", happened, n))
        )
    away = [(START + timedelta(seconds=begin), START + timedelta(seconds=begin + length)) for begin, length in outages]
    run = Run(policy, away, list(crashes))
    run.play(timeline)
    return run


@settings(max_examples=120, deadline=None)
@given(_arrivals, _outages, _policies, st.lists(st.booleans(), max_size=20))
def test_every_fault_is_told_and_what_is_told_adds_up_to_the_count(arrivals, outages, policy, crashes):
    run = _played(arrivals, outages, policy, crashes)
    told = defaultdict(int)
    for _, notice in run.accepted:
        for report in notice.issues:
            assert report.untold > 0
            told[report.fingerprint] += report.untold
    assert told == run.counts


@settings(max_examples=120, deadline=None)
@given(_arrivals, _outages, _policies)
def test_no_hour_has_more_notices_than_the_cap_and_no_issue_more_than_its_rate(arrivals, outages, policy):
    run = _played(arrivals, outages, policy, [])
    hour = timedelta(hours=1)
    ordinary = [at for at, notice in run.accepted if notice.reason not in ("summary", "over")]
    summaries = [at for at, notice in run.accepted if notice.reason in ("summary", "over")]
    for first in ordinary:
        assert sum(first <= at < first + hour for at in ordinary) <= policy.cap_per_hour
    for first in summaries:
        assert sum(first <= at < first + hour for at in summaries) <= 2
    last: dict[tuple[str, str], datetime] = {}
    told_at: dict[str, datetime] = {}
    for at, notice in run.accepted:
        for report in notice.issues:
            key = (report.fingerprint, notice.reason)
            if notice.reason in ("update", "quiet"):
                assert at - told_at.get(report.fingerprint, at - hour) >= hour
            if notice.reason == "comeback":
                assert at - last.get(key, at - timedelta(days=1)) >= timedelta(days=1)
            last[key] = told_at[report.fingerprint] = at


@settings(max_examples=60, deadline=None)
@given(_arrivals, _policies)
def test_the_first_notice_leaves_within_ten_seconds_unless_it_gathers_or_is_capped(arrivals, policy):
    run = _played(arrivals, [], policy, [])
    if any(notice.reason == "summary" for _, notice in run.accepted):
        return
    first: dict[str, datetime] = {}
    for at, notice in run.accepted:
        for report in notice.issues:
            if report.kind != "warning" and report.fingerprint not in first:
                first[report.fingerprint] = at
                assert (at - report.first_seen).total_seconds() <= 10 + policy.gather_s + 900


@settings(max_examples=150, deadline=None)
@given(_arrivals, _outages, _wider_policies, st.lists(st.booleans(), max_size=20))
def test_whatever_the_policy_all_is_told_and_every_end_too(arrivals, outages, policy, crashes):
    run = _played(arrivals, outages, policy, crashes)
    told = defaultdict(int)
    for _, notice in run.accepted:
        for report in notice.issues:
            assert report.untold > 0 or policy.tells_end
            told[report.fingerprint] += report.untold
    assert told == run.counts


@settings(max_examples=150, deadline=None)
@given(_arrivals, _outages, _wider_policies)
def test_quiet_hours_and_the_single_cap_hold_and_life_is_counted_in_full(arrivals, outages, policy):
    run = _played(arrivals, outages, policy, [])
    fresh = [at for at, notice in run.accepted if notice.reason == "new"]
    told = 0
    for at, notice in run.accepted:
        if quiet_until(at, policy) is not None and at == notice.at:
            assert notice.issues
            assert all(report.kind == "traceback" for report in notice.issues)
            assert notice.reason in ("new", "summary", "over")
        if policy.is_single:
            assert len(notice.issues) == (0 if notice.reason == "alive" else 1)
            assert sum(at <= other < at + timedelta(hours=1) for other in fresh) <= policy.cap_per_hour
        told += sum(report.untold for report in notice.issues)
        if notice.activity is not None:
            assert notice.activity.told == told
            assert notice.activity.lost == 0
            told = 0
    counted = [notice.activity for _, notice in run.accepted if notice.activity is not None]
    if counted:
        last = max(at for at, notice in run.accepted if notice.activity is not None)
        assert sum(each.seen for each in counted) == sum(n for at, n in run.arrived if at <= last)
