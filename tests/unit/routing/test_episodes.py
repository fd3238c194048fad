"""The policy by itself: what is due for one issue, when the digest comes, when to look again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tocsin.routing.episodes import Candidate, Due, Policy, decide, due_of, next_digest, wakes_at
from tocsin.routing.issues import begin, grow
from tocsin.routing.state import Pace, Told

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def issue(seen):
    return begin(seen(n=4))


def test_a_new_fault_is_due_five_seconds_after_it_was_first_seen(issue, start):
    assert due_of(issue, None, Policy(), start) == Due(start + timedelta(seconds=5), "new")


def test_nothing_is_due_while_everything_is_told(issue, start):
    assert due_of(issue, Told("v1:a", 4, 1, 4, start), Policy(), start + DAY) is None


def test_ten_times_the_told_count_is_an_update_an_hour_after_the_last_notice(seen, issue, start):
    told = Told("v1:a", 4, 1, 4, start + timedelta(seconds=5))
    grown = grow(issue, seen(after_s=60, n=35))
    assert due_of(grown, told, Policy(), start) == Due(start + timedelta(seconds=60) + HOUR, "quiet")
    grown = grow(grown, seen(after_s=61))
    assert due_of(grown, told, Policy(), start) == Due(start + timedelta(seconds=5) + HOUR, "update")


def test_an_update_that_comes_after_the_silence_says_quiet(seen, issue, start):
    told = Told("v1:a", 4, 1, 4, start)
    grown = grow(issue, seen(after_s=60, n=400))
    assert due_of(grown, told, Policy(), start + DAY).reason == "quiet"


def test_a_comeback_within_a_week_replies_and_later_is_new(seen, issue, start):
    told = Told("v1:a", 4, 1, 4, start)
    back = grow(issue, seen(after_s=6 * 86400))
    assert due_of(back, told, Policy(), start).reason == "comeback"
    back = grow(issue, seen(after_s=8 * 86400))
    assert due_of(back, told, Policy(), start) == Due(back.last_seen + timedelta(seconds=5), "new")


def test_a_second_comeback_within_a_day_goes_to_the_digest(seen, issue, start):
    told = Told("v1:a", 4, 1, 4, start, comeback_at=start)
    back = grow(issue, seen(after_s=5 * 3600))
    assert due_of(back, told, Policy(timezone=UTC), start) == Due(datetime(2026, 3, 3, 8, tzinfo=UTC), "digest")


def test_an_episode_that_outlasts_the_day_is_told_as_a_comeback(seen, issue, start):
    told = Told("v1:a", 4, 1, 4, start, comeback_at=start)
    back = grow(grow(issue, seen(after_s=23.5 * 3600)), seen(after_s=24.2 * 3600))
    assert due_of(back, told, Policy(timezone=UTC), start) == Due(start + DAY, "comeback")


def test_a_chronic_fault_that_explodes_does_not_wait_for_the_digest(seen, issue, start):
    told = Told("v1:a", 4, 1, 4, start, comeback_at=start)
    back = grow(issue, seen(after_s=5 * 3600, n=40))
    assert due_of(back, told, Policy(timezone=UTC), start).reason == "update"


def test_warnings_wait_for_the_digest_until_there_are_more_than_fifty_in_five_minutes(seen, start):
    issue = begin(seen(kind="warning", n=50))
    policy = Policy(timezone=UTC)
    assert due_of(issue, None, policy, start) == Due(datetime(2026, 3, 3, 8, tzinfo=UTC), "digest")
    assert due_of(grow(issue, seen(kind="warning", after_s=400)), None, policy, start).reason == "digest"
    burst = grow(issue, seen(kind="warning", after_s=200))
    assert due_of(burst, None, policy, start) == Due(start + timedelta(seconds=200), "new")
    assert due_of(burst, Told("v1:a", 50, 1, 50, start), policy, start).reason == "digest"
    assert due_of(burst, Told("v1:a", 50, 1, 50, start - HOUR), policy, start).reason == "update"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-03-28T06:00+00:00", "2026-03-28T07:00+00:00"),  # winter time, UTC+1
        ("2026-03-28T07:00+00:00", "2026-03-29T06:00+00:00"),  # the clock is put forward in that night
        ("2026-10-24T06:00+00:00", "2026-10-25T07:00+00:00"),  # and back again
        ("2026-12-31T23:30+00:00", "2027-01-01T07:00+00:00"),  # already next year there
    ],
)
def test_the_digest_comes_at_eight_by_the_local_clock(after, expected):
    policy = Policy(timezone=ZoneInfo("Europe/Vienna"))
    assert next_digest(datetime.fromisoformat(after), policy) == datetime.fromisoformat(expected)


def test_without_a_timezone_the_clock_of_the_system_counts(start):
    moment = next_digest(start, Policy())
    assert moment.utcoffset() == timedelta(0)
    assert moment.astimezone().hour == 8
    assert start < moment <= start + DAY


@pytest.mark.parametrize("stage", [0, 1, 3, 9])
def test_looking_again_is_never_later_than_the_decision(issue, start, stage):
    pace = Pace(flood_stage=stage, flood_at=start if stage else None, gather_until=start + timedelta(minutes=5))
    policy = Policy()
    due = due_of(issue, None, policy, start)
    wake = wakes_at({"new": due.at}, pace, policy, start)
    candidates = [Candidate(issue, None, due)]
    assert decide(candidates, pace, policy, wake - timedelta(microseconds=1)) is None
    assert decide(candidates, pace, policy, wake) is not None


def test_nothing_is_in_sight_without_an_issue(start):
    assert wakes_at({}, Pace(gather_until=start), Policy(), start, is_hurried=True) is None
