"""Counting occurrences into issues and episodes."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin.event import limits
from tocsin.routing.issues import Occurrences, begin, grow, is_muted


def _count(every: list[Occurrences]):
    return functools.reduce(grow, every[1:], begin(every[0]))


def test_a_late_occurrence_near_the_start_moves_the_start(seen, start):
    issue = _count([seen(after_s=600, n=2), seen(after_s=0)])
    assert (issue.episode, issue.episode_count, issue.episode_started) == (1, 3, start)


def test_a_late_occurrence_of_an_earlier_episode_only_counts(seen, start):
    issue = _count([seen(), seen(after_s=5 * 3600), seen(after_s=600, n=9)])
    assert (issue.count, issue.episode, issue.episode_count) == (11, 2, 1)
    assert issue.previous_seen == start + timedelta(seconds=600)


def test_the_strongest_level_and_kind_stay(seen):
    issue = _count([seen(kind="error"), seen(level="CRITICAL", levelno=50), seen(kind="error")])
    assert (issue.kind, issue.level) == ("traceback", "CRITICAL")


def test_recent_counts_of_a_warning_are_bounded(seen):
    issue = _count([seen(kind="warning", after_s=7 * n) for n in range(1000)])
    assert len(issue.recent) == limits.RATE_WINDOW_S // limits.RATE_BUCKET_S
    assert _count([seen(), seen()]).recent == ()


def test_a_mute_ends_at_its_time(seen, start):
    issue = begin(seen())
    assert not is_muted(issue, start)
    muted = replace(issue, muted_until=start + timedelta(hours=1))
    assert is_muted(muted, start)
    assert not is_muted(muted, start + timedelta(hours=1))


@given(st.data())
def test_the_order_of_arrival_changes_neither_counts_nor_first_and_last(data):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    moments = data.draw(st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 50)), min_size=1, max_size=12))
    every = [
        Occurrences("v1:a", "A", "error", "ERROR", 40, "", "t", "c", "shop", "", "", at + timedelta(seconds=s), n)
        for s, n in moments
    ]
    one, two = _count(every), _count(data.draw(st.permutations(every)))
    assert one.count == two.count == sum(n for _, n in moments)
    assert (one.first_seen, one.last_seen) == (two.first_seen, two.last_seen)
    for issue in (one, two):
        assert issue.first_seen <= issue.episode_started <= issue.last_seen
        assert 0 < issue.episode_count <= issue.count
