"""The router: notices follow episodes, the cap holds, a crash repeats nothing under another name."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tocsin.event import limits
from tocsin.routing.sqlite import SqliteState

ALL = frozenset({"traceback", "error", "warning"})


def test_a_first_notice_leaves_within_ten_seconds_and_later_ones_share_the_next(desk, seen):
    desk.state.add_occurrences(seen("a"))
    assert desk.tell(4.9) is None
    desk.state.add_occurrences(seen("b", after_s=4.95))
    assert desk.tell(5) == ("new", [("a", 1), ("b", 1)])
    desk.state.add_occurrences(seen("c", after_s=60))
    desk.state.add_occurrences(seen("d", after_s=200, n=7))
    assert desk.tell(304.9) is None
    assert desk.tell(305) == ("new", [("d", 7), ("c", 1)])
    desk.state.add_occurrences(seen("e", after_s=400))
    assert desk.tell(405) == ("new", [("e", 1)])


def test_without_gathering_each_fault_has_a_notice_of_its_own(state, desk_of, seen):
    desk = desk_of(gather_s=0)
    for name in "abc":
        state.add_occurrences(seen(name))
    assert [desk.tell(5) for _ in range(4)] == [
        ("new", [("a", 1)]),
        ("new", [("b", 1)]),
        ("new", [("c", 1)]),
        None,
    ]


def test_an_update_leaves_at_ten_times_and_quiet_tells_the_rest(desk, seen):
    desk.state.add_occurrences(seen())
    assert desk.tell(5) == ("new", [("a", 1)])
    desk.state.add_occurrences(seen(after_s=60, n=20))
    assert desk.tell(3604) is None
    assert desk.tell(3605) == ("update", [("a", 20)])
    desk.state.add_occurrences(seen(after_s=3610, n=5))
    assert desk.tell(7209) is None
    assert desk.tell(7210) == ("quiet", [("a", 5)])
    assert desk.tell(99999) is None


def test_a_single_occurrence_is_told_once_and_never_closed(desk, seen):
    desk.state.add_occurrences(seen())
    desk.tell(5)
    assert desk.tell(86400 * 3) is None
    assert desk.router.next_due(desk.route, desk.start) is None


def test_comebacks_reply_once_a_day_and_the_rest_is_in_the_digest(desk, seen):
    hour = 3600
    desk.state.add_occurrences(seen())
    desk.tell(5)
    desk.state.add_occurrences(seen(after_s=2 * hour))
    assert desk.tell(2 * hour + 5) == ("comeback", [("a", 1)])
    for back in (4, 6, 8):
        desk.state.add_occurrences(seen(after_s=back * hour))
        assert desk.tell((back + 1) * hour) is None
    assert desk.tell(22 * hour - 1) is None
    assert desk.tell(22 * hour) == ("digest", [("a", 3)])
    desk.state.add_occurrences(seen(after_s=30 * hour))
    assert desk.tell(30 * hour + 5) == ("comeback", [("a", 1)])


def test_past_the_cap_one_summary_then_after_one_two_four_hours_then_over(state, desk_of, seen):
    desk = desk_of(gather_s=0)
    for number in range(12):
        state.add_occurrences(seen(f"a{number:02}"))
    assert [desk.tell(5)[0] for _ in range(10)] == ["new"] * 10
    notice = desk.accept(desk.due(5), 5)
    assert (notice.reason, notice.held_back, len(notice.issues)) == ("summary", 2, 2)
    told = [notice.reason]
    for stage, hours in enumerate((1, 3, 7, 11)):
        for number in range(30 if hours < 11 else 3):
            state.add_occurrences(seen(f"b{stage}{number:02}", after_s=hours * 3600 - 600))
        assert desk.tell(hours * 3600 + 4) is None
        notice = desk.accept(desk.due(hours * 3600 + 5), hours * 3600 + 5)
        assert len(notice.issues) == notice.held_back
        told.append(notice.reason)
    assert told == ["summary", "summary", "summary", "summary", "over"]
    state.add_occurrences(seen("z", after_s=12 * 3600))
    assert desk.tell(12 * 3600 + 5) == ("new", [("z", 1)])


def test_a_flood_that_ended_is_said_to_be_over_even_if_nothing_was_held_back(state, desk_of, seen):
    desk = desk_of(gather_s=0, cap_per_hour=1)
    for name in "abc":
        state.add_occurrences(seen(name))
    assert [desk.tell(5)[0] for _ in range(2)] == ["new", "summary"]
    desk.reopened()
    assert desk.tell(3604) is None
    assert desk.tell(3605) == ("over", [])
    assert desk.tell(3606) is None


def test_a_summary_names_every_fault_not_yet_told(state, desk_of, seen):
    desk = desk_of(cap_per_hour=1)
    state.add_occurrences(seen("a"))
    state.add_occurrences(seen("b"))
    desk.tell(5)
    state.add_occurrences(seen("c", after_s=2000))
    state.add_occurrences(seen("d", after_s=2004))
    assert desk.tell(2005) == ("summary", [("c", 1), ("d", 1)])


def test_warnings_come_in_the_digest_once_a_day(desk, seen):
    desk.state.add_occurrences(seen(kind="warning", n=50))
    assert desk.tell(22 * 3600 - 1) is None
    assert desk.tell(22 * 3600) == ("digest", [("a", 50)])
    desk.state.add_occurrences(seen("b", kind="warning", after_s=22 * 3600 + 10))
    assert desk.tell(46 * 3600 - 1) is None
    assert desk.tell(46 * 3600) == ("digest", [("b", 1)])


def test_a_warning_that_reaches_the_ledger_after_the_digest_waits_for_the_next(desk, seen):
    desk.state.add_occurrences(seen(kind="warning"))
    assert desk.tell(22 * 3600)[0] == "digest"
    desk.state.add_occurrences(seen("late", kind="warning", after_s=21 * 3600))
    assert desk.tell(23 * 3600) is None
    assert desk.tell(46 * 3600) == ("digest", [("late", 1)])


def test_a_burst_of_warnings_is_told_at_once_with_its_clients(desk, seen):
    for number in range(60):
        desk.state.add_occurrences(seen(kind="warning", after_s=number, client_hash=f"c{number % 7}"))
    notice = desk.accept(desk.due(60), 60)
    assert (notice.reason, notice.issues[0].untold, notice.issues[0].clients) == ("new", 60, 7)
    desk.state.add_occurrences(seen(kind="warning", after_s=70, n=500))
    assert desk.tell(3600) is None
    assert desk.tell(22 * 3600) == ("digest", [("a", 500)])


def test_a_muted_issue_is_counted_and_told_when_that_ends(desk, seen):
    desk.state.add_occurrences(seen())
    desk.state.mute("v1:a", desk.start + timedelta(hours=1))
    assert desk.tell(60) is None
    assert desk.tell(60, is_hurried=True) is None
    desk.state.add_occurrences(seen("b", after_s=70))
    assert desk.tell(75) == ("new", [("b", 1)])
    desk.state.add_occurrences(seen(after_s=80, n=4))
    assert desk.tell(3599) is None
    assert desk.tell(3600) == ("new", [("a", 5)])


def test_unmuting_is_noticed_without_a_new_occurrence(desk, seen):
    desk.state.add_occurrences(seen())
    desk.state.mute("v1:a", datetime.max.replace(tzinfo=UTC))
    assert desk.tell(60) is None
    desk.state.unmute("v1:a")
    assert desk.tell(61) == ("new", [("a", 1)])


def test_a_route_tells_its_kinds_and_levels_only(desk, seen):
    desk.route = replace(desk.route, kinds=frozenset({"traceback"}), levelno=40)
    desk.state.add_occurrences(seen("a", kind="error"))
    desk.state.add_occurrences(seen("b", level="WARNING", levelno=30))
    desk.state.add_occurrences(seen("c"))
    assert desk.tell(5) == ("new", [("c", 1)])
    desk.route = replace(desk.route, kinds=ALL)
    assert desk.tell(400) == ("new", [("a", 1)])


def test_a_sink_added_later_does_not_tell_old_issues_until_they_return(desk, seen):
    desk.state.add_occurrences(seen("a", n=3))
    desk.route = replace(desk.route, since=desk.start + timedelta(days=1))
    assert desk.tell(86400) is None
    desk.state.add_occurrences(seen("a", after_s=86500))
    assert desk.tell(86505) == ("new", [("a", 4)])


def test_in_a_hurry_first_notices_do_not_wait(desk, seen):
    desk.state.add_occurrences(seen("a"))
    desk.state.add_occurrences(seen("b"))
    assert desk.tell(0, is_hurried=True) == ("new", [("a", 1), ("b", 1)])
    desk.state.add_occurrences(seen("c", after_s=1))
    assert desk.tell(1) is None
    assert desk.tell(1, is_hurried=True) == ("new", [("c", 1)])
    desk.state.add_occurrences(seen("a", after_s=2))
    assert desk.tell(3, is_hurried=True) is None
    desk.state.add_occurrences(seen("a", after_s=8000))
    assert desk.tell(8000, is_hurried=True) == ("comeback", [("a", 2)])


# -- the pending notice ------------------------------------------------------------------------------------
def test_after_a_crash_the_same_notice_comes_again_though_counts_moved_on(desk, seen, sample):
    desk.state.add_occurrences(seen("a", n=3, sample=sample()))
    first = desk.due(5)
    desk.state.add_occurrences(seen("a", after_s=6, n=100))
    desk.state.add_occurrences(seen("b", after_s=6))
    desk.reopened()
    again = desk.due(4000)
    assert again == first
    assert again.issues[0].sample.error_id == "AAAAAA-2222"
    desk.accept(again, 4000)
    assert desk.tell(4300) == ("new", [("b", 1)])
    assert desk.tell(7600) == ("quiet", [("a", 100)])


def test_different_notices_have_different_ids(state, desk_of, seen):
    desk = desk_of(gather_s=0, cap_per_hour=1)
    ids = []
    for hours in range(0, 200, 5):
        state.add_occurrences(seen("a", after_s=hours * 3600))
        state.add_occurrences(seen("b", after_s=hours * 3600))
        while (notice := desk.due(hours * 3600 + 5)) is not None:
            ids.append(desk.accept(notice, hours * 3600 + 5).id)
    assert len(ids) > 20
    assert len(ids) == len(set(ids))


def test_two_states_that_see_a_fault_first_at_the_same_moment_make_two_ids(state, desk_of, seen):
    """Two hosts without a shared state: to a receiver that drops repetitions, one report would be the other's."""
    other = SqliteState(":memory:")
    notices = []
    for each in (state, other):
        each.add_occurrences(seen(n=3))
        notices.append(desk_of(each, gather_s=0).due(5))
    other.close()
    one, two = notices
    assert replace(one, id="") == replace(two, id="")
    assert one.id != two.id


def test_a_state_that_was_restored_makes_the_id_that_was_lost_once_more(tmp_path, desk_of, seen):
    """A backup keeps its identity: what is decided again, with nothing changed, is a repetition."""
    state = SqliteState(tmp_path / "state.sqlite")
    state.add_occurrences(seen("before"))
    before = desk_of(state, gather_s=0)
    before.accept(before.due(5), 5)
    state.close()
    shutil.copy(tmp_path / "state.sqlite", tmp_path / "backup.sqlite")
    ids = []
    for name in ("state.sqlite", "backup.sqlite"):
        opened = SqliteState(tmp_path / name)
        opened.add_occurrences(seen("after", after_s=1000))
        ids.append(desk_of(opened, gather_s=0).due(1005).id)
        opened.close()
    assert ids[0] == ids[1]


def test_a_notice_accepted_twice_counts_once(desk, seen):
    desk.state.add_occurrences(seen())
    notice = desk.accept(desk.due(5), 5)
    desk.state.add_occurrences(seen("b", after_s=1000))
    other = desk.due(1005)
    desk.accept(notice, 1006)
    assert desk.due(1007) == other
    assert len(desk.state.pace("mail:ops").sent) == 1


def test_a_refused_notice_is_a_counted_loss_and_not_tried_again(desk, seen):
    desk.state.add_occurrences(seen(n=3))
    desk.router.refused(desk.route, desk.due(5), desk.start + timedelta(seconds=5))
    assert desk.due(6) is None
    assert desk.state.losses() == {"refused": 3}


def test_two_sinks_are_told_apart(desk, seen):
    desk.state.add_occurrences(seen())
    one = desk.accept(desk.due(5), 5)
    desk.route = replace(desk.route, identity="chat:dev")
    two = desk.accept(desk.due(6), 6)
    assert one.id != two.id
    assert [len(one.issues), len(two.issues)] == [1, 1]


# -- samples -----------------------------------------------------------------------------------------------
def test_a_first_notice_shows_the_episodes_first_event_and_an_update_the_freshest(desk, seen, sample):
    for number in range(3):
        ref = sample(offset=number, after_s=number, error_id=f"AAAAAA-222{number + 2}")
        desk.state.add_occurrences(seen(after_s=number, sample=ref))
    assert desk.accept(desk.due(5), 5).issues[0].sample.error_id == "AAAAAA-2222"
    desk.state.add_occurrences(seen(after_s=9, n=500))
    assert desk.due(5000).issues[0].sample.error_id == "AAAAAA-2224"


def test_an_event_that_is_gone_leaves_the_report_without_a_sample(desk, seen, sample):
    desk.state.add_occurrences(seen(sample=sample()))
    desk.load = lambda ref: None
    desk.reopened()
    assert desk.due(5).issues[0].sample is None


def test_a_notice_is_bounded_and_the_rest_comes_with_the_next(desk, seen, sample, monkeypatch):
    monkeypatch.setattr(limits, "NOTICE_ISSUES", 20)
    for number in range(30):
        ref = sample(offset=number, error_id=f"AAAAAA-22{number:02}")
        desk.state.add_occurrences(seen(f"a{number:02}", n=number + 1, sample=ref))
    reason, told = desk.tell(5)
    assert (reason, len(told), told[0], len(desk.loaded)) == ("new", 20, ("a29", 30), limits.DETAILED_ISSUES)
    assert len(desk.tell(305)[1]) == 10


# -- cost --------------------------------------------------------------------------------------------------
def test_looking_when_nothing_changed_reads_no_issue(desk, seen, monkeypatch):
    for number in range(50):
        desk.state.add_occurrences(seen(f"a{number:02}"))
    desk.tell(5)
    desk.state.add_occurrences(seen("a00", after_s=6))
    assert desk.tell(7) is None
    monkeypatch.setattr(SqliteState, "untold", None)
    assert [desk.tell(7 + tick) for tick in range(100)] == [None] * 100


def test_what_is_due_sooner_than_all_else_is_not_overlooked(desk, seen):
    desk.state.add_occurrences(seen("a"))
    desk.state.add_occurrences(seen("b"))
    assert desk.tell(5)[0] == "new"
    desk.state.add_occurrences(seen("b", after_s=3 * 3600))
    assert desk.tell(3 * 3600 + 5) == ("comeback", [("b", 1)])
    desk.state.add_occurrences(seen("b", after_s=3 * 3600 + 10))
    assert desk.tell(3 * 3600 + 11) is None
    desk.state.add_occurrences(seen("a", after_s=3 * 3600 + 20))
    assert desk.tell(3 * 3600 + 24) is None
    assert desk.tell(3 * 3600 + 25) == ("comeback", [("a", 1)])
    assert desk.tell(4 * 3600 + 10) == ("quiet", [("b", 1)])


def test_a_change_is_the_only_thing_that_is_read(desk, seen, monkeypatch):
    for number in range(50):
        desk.state.add_occurrences(seen(f"a{number:02}"))
    desk.tell(5)
    desk.tell(6)
    read, untold = [], SqliteState.untold

    def counting(self, *args, **how):
        rows = untold(self, *args, **how)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(SqliteState, "untold", counting)
    for tick in range(10):
        desk.state.add_occurrences(seen("a00", after_s=7 + tick))
        assert desk.tell(7 + tick) is None
    assert read == [1] * 10
