"""A policy on the local clock: quiet hours, the next sign of life, a free place in the hour."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tocsin.routing.policy import Policy, alive_due, free_place_at, next_digest, quiet_until
from tocsin.routing.state import Pace

VIENNA = ZoneInfo("Europe/Vienna")
NIGHT = Policy(timezone=VIENNA, quiet_hours=(time(22), time(7)))


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-02T21:59:59+01:00", None),
        ("2026-03-02T22:00:00+01:00", "2026-03-03T07:00:00+01:00"),
        ("2026-03-03T06:59:59+01:00", "2026-03-03T07:00:00+01:00"),
        ("2026-03-03T07:00:00+01:00", None),
        ("2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"),  # the clock is put forward in that night
        ("2026-10-24T23:00:00+02:00", "2026-10-25T07:00:00+01:00"),  # and back again
    ],
)
def test_quiet_hours_go_over_midnight_by_the_local_clock(at, until):
    expected = None if until is None else datetime.fromisoformat(until)
    assert quiet_until(datetime.fromisoformat(at), NIGHT) == expected


def test_quiet_hours_may_lie_within_a_day():
    noon = Policy(timezone=UTC, quiet_hours=(time(12), time(13, 30)))
    at = datetime(2026, 3, 2, 12, 10, tzinfo=UTC)
    assert quiet_until(at, noon) == datetime(2026, 3, 2, 13, 30, tzinfo=UTC)
    assert quiet_until(at + timedelta(hours=2), noon) is None


def test_quiet_hours_that_end_within_an_hour_that_comes_twice_end_with_the_first_and_begin_again():
    policy = Policy(timezone=VIENNA, quiet_hours=(time(22), time(2, 30)))
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=VIENNA, fold=fold).astimezone(UTC) for fold in (0, 1))
    assert quiet_until(datetime(2026, 10, 25, 1, tzinfo=VIENNA), policy) == first
    again = datetime(2026, 10, 25, 2, 10, tzinfo=VIENNA, fold=1)
    assert quiet_until(again, policy) == second


def test_without_quiet_hours_there_is_no_end_of_them(start):
    assert quiet_until(start, Policy()) is None


@pytest.mark.parametrize("eve", ["2026-03-28T12:00:00+01:00", "2026-10-24T12:00:00+02:00"])
@pytest.mark.parametrize("hour", [1, 2, 3])
def test_a_digest_leaves_once_a_day_also_where_its_hour_comes_twice_or_not_at_all(eve, hour):
    policy = Policy(timezone=VIENNA, digest_hour=hour, alive_days=1)
    first = next_digest(datetime.fromisoformat(eve), policy)
    second = next_digest(first, policy)
    assert second.astimezone(VIENNA).date() - first.astimezone(VIENNA).date() == timedelta(days=1)
    assert alive_due(Pace(alive_at=first), policy) == second


def test_a_sign_of_life_comes_at_the_digests_hour_after_so_many_days(start):
    policy = Policy(timezone=UTC, alive_days=7)
    assert alive_due(Pace(alive_at=start), policy) == datetime(2026, 3, 9, 8, tzinfo=UTC)
    assert alive_due(Pace(alive_at=datetime(2026, 3, 9, 8, tzinfo=UTC)), policy) == datetime(2026, 3, 16, 8, tzinfo=UTC)
    late = datetime(2026, 3, 9, 8, 0, 3, tzinfo=UTC)
    assert alive_due(Pace(alive_at=late), policy) == datetime(2026, 3, 16, 8, tzinfo=UTC)


@pytest.mark.parametrize("alive_days", [0.1, 1, 1.5, 30])
def test_the_next_sign_of_life_is_always_later_than_the_last(start, alive_days):
    assert alive_due(Pace(alive_at=start), Policy(alive_days=alive_days)) > start


def test_no_sign_of_life_is_due_unless_it_is_wanted(start):
    assert alive_due(Pace(alive_at=start), Policy()) is None
    assert alive_due(Pace(), Policy(alive_days=7)) is None


def test_a_place_is_free_an_hour_after_the_notice_that_took_it(start):
    sent = tuple(start + timedelta(minutes=number) for number in range(4))
    policy = Policy(cap_per_hour=3)
    assert free_place_at(Pace(sent=sent), policy) == start + timedelta(minutes=61)
    assert free_place_at(Pace(sent=sent[:2]), policy) < start
    assert free_place_at(Pace(sent=sent), Policy(cap_per_hour=0)) == start + timedelta(minutes=63)
