"""What a policy may ask for besides: one issue per notice, the ends of episodes, quiet hours, a sign of life."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from tocsin.event.notice import Activity
from tocsin.routing.issues import is_of_loggers

HOUR, DAY = 3600, 86_400
# The tests begin at 10:00 UTC, and their clock is UTC.
NIGHT = {"quiet_hours": (time(22), time(7))}


def at(hours: float, seconds: float = 0) -> float:
    """Return the seconds from the tests' begin to an hour of that day."""
    return (hours - 10) * HOUR + seconds


# -- one issue per notice ----------------------------------------------------------------------------------
def test_a_single_sink_is_told_each_new_fault_by_itself(desk_of, seen):
    desk = desk_of(is_single=True)
    for name in "abc":
        desk.state.add_occurrences(seen(name))
    assert [desk.tell(5) for _ in range(4)] == [("new", [("a", 1)]), ("new", [("b", 1)]), ("new", [("c", 1)]), None]


def test_past_the_cap_of_a_single_sink_new_faults_wait_for_a_free_place(desk_of, seen):
    desk = desk_of(is_single=True, cap_per_hour=2)
    for name in "abcd":
        desk.state.add_occurrences(seen(name))
    assert desk.tell(5) == ("new", [("a", 1)])
    assert desk.tell(60) == ("new", [("b", 1)])
    desk.state.add_occurrences(seen("d", after_s=100, n=9))
    assert desk.tell(61) is None
    assert desk.router.next_due(desk.route, desk.start + timedelta(seconds=61)) == desk.start + timedelta(
        seconds=HOUR + 5
    )
    assert desk.tell(HOUR + 4) is None
    assert desk.tell(HOUR + 5) == ("new", [("c", 1)])
    assert desk.tell(HOUR + 59) is None
    assert desk.tell(HOUR + 60) == ("new", [("d", 10)])


def test_what_is_not_new_takes_no_place_of_a_single_sink_and_waits_for_none(desk_of, seen):
    desk = desk_of(is_single=True, cap_per_hour=1, update_interval_s=60)
    desk.state.add_occurrences(seen("a"))
    assert desk.tell(5)[0] == "new"
    for stage in (1, 2, 3):
        desk.state.add_occurrences(seen("a", after_s=60 * stage, n=10 ** (stage + 1)))
        assert desk.tell(60 * stage + 10)[0] == "update"
    desk.state.add_occurrences(seen("b", after_s=200))
    assert desk.tell(HOUR + 4) is None
    assert desk.tell(HOUR + 5) == ("new", [("b", 1)])


def test_a_hurry_does_not_lift_the_cap_of_a_single_sink(desk_of, seen):
    desk = desk_of(is_single=True, cap_per_hour=1)
    desk.state.add_occurrences(seen("a"))
    desk.state.add_occurrences(seen("b"))
    assert [desk.tell(0, is_hurried=True), desk.tell(0, is_hurried=True)] == [("new", [("a", 1)]), None]


def test_a_single_sink_is_told_warnings_one_by_one_at_the_digests_hour(desk_of, seen):
    desk = desk_of(is_single=True)
    desk.state.add_occurrences(seen("a", kind="warning"))
    desk.state.add_occurrences(seen("b", kind="warning", n=3))
    assert desk.tell(at(32) - 1) is None
    assert [desk.tell(at(32)) for _ in range(3)] == [("digest", [("a", 1)]), ("digest", [("b", 3)]), None]


def test_a_single_sink_forgets_a_flood_of_before_it_became_single(desk_of, seen):
    desk = desk_of(gather_s=0, cap_per_hour=1)
    for name in "ab":
        desk.state.add_occurrences(seen(name))
    assert [desk.tell(5)[0] for _ in range(2)] == ["new", "summary"]
    desk.route = replace(desk.route, policy=replace(desk.route.policy, is_single=True))
    desk.state.add_occurrences(seen("c", after_s=HOUR))
    assert desk.tell(HOUR + 5) == ("new", [("c", 1)])
    assert desk.state.pace("mail:ops").flood_stage == 0


# -- the ends of episodes ----------------------------------------------------------------------------------
def test_the_end_of_an_episode_is_told_even_if_nothing_is_untold(desk_of, seen):
    desk = desk_of(is_single=True, tells_end=True)
    desk.state.add_occurrences(seen())
    assert desk.tell(5) == ("new", [("a", 1)])
    assert desk.tell(HOUR - 1) is None
    assert desk.tell(HOUR) == ("quiet", [("a", 0)])
    assert desk.tell(10 * DAY) is None
    assert desk.router.next_due(desk.route, desk.start) is None


def test_an_end_tells_what_is_untold_too_without_waiting_for_an_updates_time(desk_of, seen):
    desk = desk_of(is_single=True, tells_end=True, update_interval_s=10 * HOUR)
    desk.state.add_occurrences(seen())
    desk.tell(5)
    desk.state.add_occurrences(seen(after_s=60, n=4))
    assert desk.tell(HOUR + 59) is None
    assert desk.tell(HOUR + 60) == ("quiet", [("a", 4)])


def test_each_episode_has_its_end(desk_of, seen):
    desk = desk_of(is_single=True, tells_end=True, comeback_interval_s=0)
    told = []
    for hours in (0, 3, 6):
        desk.state.add_occurrences(seen(after_s=hours * HOUR))
        told += [desk.tell(hours * HOUR + 5), desk.tell((hours + 1) * HOUR), desk.tell((hours + 2) * HOUR)]
    end = ("quiet", [("a", 0)])
    back = ("comeback", [("a", 1)])
    assert told == [("new", [("a", 1)]), end, None, back, end, None, back, end, None]


def test_a_fault_that_returns_before_its_end_was_told_ends_once(desk_of, seen):
    desk = desk_of(is_single=True, tells_end=True, comeback_interval_s=0)
    desk.state.add_occurrences(seen())
    desk.tell(5)
    desk.state.add_occurrences(seen(after_s=3 * HOUR))  # the sink was away in between
    assert desk.tell(3 * HOUR + 5) == ("comeback", [("a", 1)])
    assert desk.tell(4 * HOUR) == ("quiet", [("a", 0)])
    assert desk.tell(9 * HOUR) is None


def test_occurrences_that_arrive_after_the_end_correct_it(desk_of, seen):
    desk = desk_of(is_single=True, tells_end=True)
    desk.state.add_occurrences(seen())
    desk.tell(5)
    desk.tell(2 * HOUR)
    desk.state.add_occurrences(seen(after_s=1800, n=3))
    assert desk.tell(2 * HOUR + 1) == ("quiet", [("a", 3)])


def test_with_a_short_silence_a_fault_may_come_back_within_its_episode(desk_of, seen):
    desk = desk_of(is_single=True, tells_end=True, silence_s=600, comeback_interval_s=0)
    desk.state.add_occurrences(seen())
    assert [desk.tell(5)[0], desk.tell(600)[0]] == ["new", "quiet"]
    desk.state.add_occurrences(seen(after_s=1200))
    assert desk.tell(1205) == ("comeback", [("a", 1)])
    assert desk.tell(1800) == ("quiet", [("a", 0)])
    assert desk.tell(DAY) is None


def test_a_digest_opens_no_episode_so_none_is_ended(desk_of, seen):
    desk = desk_of(is_single=True, tells_end=True)
    desk.state.add_occurrences(seen("a", kind="warning"))
    assert desk.tell(at(32)) == ("digest", [("a", 1)])
    assert desk.tell(at(80)) is None


def test_warnings_told_at_once_are_ended_too(desk_of, seen):
    desk = desk_of(is_single=True, tells_end=True)
    desk.state.add_occurrences(seen("a", kind="warning", n=60))
    assert desk.tell(5) == ("new", [("a", 60)])
    desk.state.add_occurrences(seen("a", kind="warning", after_s=900))
    assert desk.tell(900 + HOUR - 1) is None
    assert desk.tell(900 + HOUR) == ("quiet", [("a", 1)])


def test_a_mute_holds_the_end_back(desk_of, seen):
    desk = desk_of(is_single=True, tells_end=True)
    desk.state.add_occurrences(seen())
    desk.tell(5)
    desk.state.mute("v1:a", desk.start + timedelta(hours=5))
    assert desk.tell(5 * HOUR - 1) is None
    assert desk.tell(5 * HOUR) == ("quiet", [("a", 0)])


def test_a_sink_that_wants_ends_from_now_on_is_told_none_of_old_episodes(desk_of, seen):
    desk = desk_of()
    desk.state.add_occurrences(seen())
    desk.tell(5)
    desk.route = replace(desk.route, policy=replace(desk.route.policy, tells_end=True))
    assert desk.tell(DAY) is None


def test_ends_past_the_cap_are_in_the_summary_and_are_told_no_more(desk_of, seen):
    desk = desk_of(tells_end=True, gather_s=0, cap_per_hour=2)
    for number, name in enumerate("ab"):
        desk.state.add_occurrences(seen(name, after_s=number))
        assert desk.tell(number + 5)[0] == "new"
    desk.state.add_occurrences(seen("c", after_s=3100))
    assert desk.tell(3105)[0] == "summary"
    assert desk.tell(3104 + HOUR) is None
    assert desk.tell(3105 + HOUR) == ("summary", [("a", 0), ("b", 0), ("c", 0)])
    assert desk.tell(3105 + 3 * HOUR) == ("over", [])
    assert desk.tell(10 * HOUR) is None


# -- lists -------------------------------------------------------------------------------------------------
def test_a_digest_begins_with_what_happened_most_since_the_last(desk, seen):
    desk.state.add_occurrences(seen("old", kind="warning", n=40))
    assert desk.tell(at(32)) == ("digest", [("old", 40)])
    desk.state.add_occurrences(seen("old", kind="warning", after_s=at(33), n=2))
    desk.state.add_occurrences(seen("young", kind="warning", after_s=at(33), n=30))
    assert desk.tell(at(56)) == ("digest", [("young", 30), ("old", 2)])


# -- quiet hours -------------------------------------------------------------------------------------------
def test_quiet_hours_let_new_tracebacks_and_critical_faults_through(desk_of, seen):
    desk = desk_of(**NIGHT)
    desk.state.add_occurrences(seen("trace", after_s=at(23)))
    desk.state.add_occurrences(seen("error", kind="error", after_s=at(23)))
    desk.state.add_occurrences(seen("critical", kind="error", level="CRITICAL", levelno=50, after_s=at(23)))
    assert desk.tell(at(23, 5)) == ("new", [("critical", 1), ("trace", 1)])
    desk.state.add_occurrences(seen("trace", after_s=at(25)))
    desk.state.add_occurrences(seen("error", kind="error", after_s=at(30), n=41))
    assert desk.tell(at(31, -1)) is None
    assert desk.tell(at(31)) == ("new", [("error", 42)])
    assert desk.tell(at(31, 1)) == ("comeback", [("trace", 1)])


def test_the_updates_of_a_critical_fault_pass_quiet_hours(desk_of, seen):
    desk = desk_of(**NIGHT)
    desk.state.add_occurrences(seen(level="CRITICAL", levelno=50, after_s=at(22)))
    assert desk.tell(at(22, 5))[0] == "new"
    desk.state.add_occurrences(seen(level="CRITICAL", levelno=50, after_s=at(22, 60), n=99))
    assert desk.tell(at(23, 5))[0] == "update"


def test_a_digest_within_quiet_hours_leaves_at_their_end(desk_of, seen):
    desk = desk_of(quiet_hours=(time(20), time(9, 30)))
    desk.state.add_occurrences(seen("a", kind="warning", n=7))
    assert desk.tell(at(33.5, -1)) is None
    assert desk.tell(at(33.5)) == ("digest", [("a", 7)])
    desk.state.add_occurrences(seen("b", kind="warning", after_s=at(33.6)))
    assert desk.tell(at(57.5, -1)) is None
    assert desk.tell(at(57.5)) == ("digest", [("b", 1)])


def test_a_summary_within_quiet_hours_has_what_may_leave_and_the_rest_leaves_at_their_end(desk_of, seen):
    desk = desk_of(gather_s=0, cap_per_hour=1, **NIGHT)
    for name in "abc":
        desk.state.add_occurrences(seen(name, after_s=at(23)))
    desk.state.add_occurrences(seen("err", kind="error", after_s=at(23)))
    assert [desk.tell(at(23, 5)) for _ in range(2)] == [("new", [("a", 1)]), ("summary", [("b", 1), ("c", 1)])]
    assert desk.tell(at(30)) is None
    assert desk.tell(at(31)) == ("over", [("err", 1)])


def test_a_hurry_does_not_lift_quiet_hours(desk_of, seen):
    desk = desk_of(**NIGHT)
    desk.state.add_occurrences(seen(kind="error", after_s=at(23)))
    assert desk.tell(at(23, 1), is_hurried=True) is None


def test_looking_in_quiet_hours_reads_no_issue(desk_of, seen, monkeypatch):
    desk = desk_of(**NIGHT)
    desk.state.add_occurrences(seen(kind="error", after_s=at(22)))
    assert desk.tell(at(22, 5)) is None
    monkeypatch.setattr(type(desk.state), "untold", None)
    assert [desk.tell(at(23, tick)) for tick in range(100)] == [None] * 100


# -- a sign of life ----------------------------------------------------------------------------------------
def test_a_sign_of_life_tells_what_was_done_since_the_last(desk_of, seen):
    desk = desk_of(alive_days=7)
    assert desk.due(0) is None
    desk.state.add_occurrences(seen(n=3))
    assert desk.tell(5)[0] == "new"
    desk.state.add_occurrences(seen("w", kind="warning", after_s=at(8 + 7 * 24, -60)))
    desk.state.save_losses("p1", 1, {"internal": 2, "ignored": 500, "disconnects": 7})
    week = at(8 + 7 * 24)
    assert desk.due(week - 1) is None
    digest = desk.accept(desk.due(week), week)
    assert digest.reason == "digest"
    desk.state.add_occurrences(seen("w", kind="warning", after_s=week, n=5))
    notice = desk.accept(desk.due(week + 1), week + 1)
    assert (notice.reason, notice.issues) == ("alive", ())
    assert notice.activity == Activity(desk.start, seen=9, told=4, notices=2, waiting=5, lost=2)
    assert desk.due(week + 60) is None
    second = at(8 + 14 * 24)
    assert desk.tell(second)[0] == "digest"
    again = desk.due(second + 1).activity
    assert again == Activity(desk.start + timedelta(seconds=week + 1), seen=0, told=5, notices=1, waiting=0, lost=0)


def test_the_first_sign_of_life_comes_after_the_time_and_survives_a_new_leader(desk_of):
    desk = desk_of(alive_days=7)
    assert desk.due(100 * DAY) is None
    desk.reopened()
    assert desk.due(106 * DAY) is None
    assert desk.due(107 * DAY).reason == "alive"


def test_a_sign_of_life_waits_for_the_end_of_quiet_hours_and_takes_no_place(desk_of, seen):
    desk = desk_of(alive_days=1, cap_per_hour=1, quiet_hours=(time(22), time(9)))
    assert desk.due(0) is None
    assert desk.tell(at(33, -1)) is None
    assert desk.tell(at(33)) == ("alive", [])
    desk.state.add_occurrences(seen(after_s=at(33, 1)))
    assert desk.tell(at(33, 6)) == ("new", [("a", 1)])


def test_a_refused_notice_was_seen_and_not_told(desk_of, seen):
    desk = desk_of(alive_days=1)
    assert desk.due(0) is None
    desk.state.add_occurrences(seen(n=3))
    desk.router.refused(desk.route, desk.due(5), desk.start)
    activity = desk.due(at(32)).activity
    assert (activity.seen, activity.told, activity.notices, activity.lost) == (3, 0, 0, 3)


def test_after_a_crash_the_same_sign_of_life_comes_again(desk_of, seen):
    desk = desk_of(alive_days=1)
    assert desk.due(0) is None
    first = desk.due(at(32))
    desk.state.add_occurrences(seen(after_s=at(32, 1)))
    desk.reopened()
    assert desk.due(at(33)) == first


def test_nobody_who_did_not_ask_is_told_that_all_is_well(desk):
    assert desk.tell(100 * DAY) is None
    assert desk.router.next_due(desk.route, datetime.max.replace(tzinfo=UTC)) is None


# -- by logger ---------------------------------------------------------------------------------------------
def test_a_route_with_loggers_tells_these_and_what_is_below_them(desk, seen):
    desk.route = replace(desk.route, loggers=("shop.orders", "billing"))
    for name, logger in (("a", "shop.orders"), ("b", "shop.orders.pay"), ("c", "shop"), ("d", "other")):
        desk.state.add_occurrences(seen(name, logger=logger))
    assert desk.tell(5) == ("new", [("a", 1), ("b", 1)])


def test_what_came_by_no_logger_counts_as_of_its_module(desk, seen):
    desk.route = replace(desk.route, loggers=("shop.orders",))
    desk.state.add_occurrences(seen("a", logger="", culprit="shop.orders.views.pay"))
    desk.state.add_occurrences(seen("b", logger="", culprit="shop.users.login"))
    desk.state.add_occurrences(seen("c", logger="", culprit=""))
    assert desk.tell(5) == ("new", [("a", 1), ("c", 1)])


@pytest.mark.parametrize(
    ("place", "is_chosen"), [("shop", True), ("shop.pay", True), ("shopping", False), ("", True), ("a.shop", False)]
)
def test_a_logger_counts_with_what_is_below_it(place, is_chosen):
    assert is_of_loggers(place, ("shop",)) is is_chosen
    assert is_of_loggers(place, ())
