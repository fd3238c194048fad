"""The life cycle of tickets on a tracker in memory: every reason, every state of a ticket, and every kill between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from fake_tracker import FakeTracker
from tocsin.event.notice import Notice, Reason
from tocsin.routing.policy import Policy
from tocsin.sinks.base import Accepted, Refused, Unavailable
from tocsin.sinks.tickets import lifecycle
from tocsin.sinks.tickets.lifecycle import TICKET_SETTINGS, TicketSink, next_step, policy_of
from tocsin.sinks.tickets.ticket import Ticket, in_brief, keyword_of, mark_of
from tocsin.testing.contract import notice_of
from tocsin.testing.hostile import HOSTILE

SEEN = datetime(2026, 3, 29, 2, 0, 59, 999_999, tzinfo=UTC)  # when notice_of() has a fault last seen
BEFORE, AFTER = SEEN - timedelta(hours=1), SEEN + timedelta(hours=1)
EVENT = HOSTILE[0].make("tickets")
KEYWORD = keyword_of(EVENT.fingerprint)


def sink_of(tracker: FakeTracker) -> TicketSink:
    return TicketSink(tracker, policy_of({setting.name: setting.default for setting in TICKET_SETTINGS}))


def told(reason: Reason, *, untold: int = 3, **changes: Any) -> Notice:
    notice = notice_of(reason, EVENT)
    return replace(notice, issues=tuple(replace(each, untold=untold, **changes) for each in notice.issues))


def ticket(state: Any, closed_at: datetime | None = None) -> Ticket:
    return Ticket("1", "https://tracker.example.org/1", state, closed_at=closed_at)


# What is to be done: by reason, with no ticket, an open one, a fixed one closed before and after the fault was last
# seen or at an unknown time, and a declined one.
STEPS: dict[Reason, tuple[str, str, str, str, str, str]] = {
    "new": ("create", "comment", "reopen", "nothing", "reopen", "nothing"),
    "update": ("create", "comment", "reopen", "nothing", "reopen", "nothing"),
    "comeback": ("create", "comment", "reopen", "nothing", "reopen", "nothing"),
    "quiet": ("create", "comment", "comment", "nothing", "comment", "nothing"),
    "digest": ("create", "comment", "reopen", "nothing", "reopen", "nothing"),
    "summary": ("create", "comment", "reopen", "nothing", "reopen", "nothing"),
    "over": ("create", "comment", "reopen", "nothing", "reopen", "nothing"),
}


@pytest.mark.parametrize("reason", list(STEPS))
def test_each_reason_meets_each_state(reason: Reason) -> None:
    """The table above is the life cycle."""
    shut = [ticket("fixed", BEFORE), ticket("fixed", AFTER), ticket("fixed"), ticket("declined", BEFORE)]
    (issue,) = told(reason).issues
    assert tuple(next_step(state, issue, reason) for state in (None, ticket("open"), *shut)) == STEPS[reason]


@pytest.mark.parametrize("state", [None, ticket("open"), ticket("fixed", BEFORE), ticket("declined")])
def test_an_end_at_which_all_is_told_is_not_told(state: Ticket | None) -> None:
    """Quiet comments close an episode only where something is untold."""
    (issue,) = told("quiet", untold=0).issues
    assert next_step(state, issue, "quiet") == "nothing"


def test_one_fault_has_one_ticket_through_all_episodes() -> None:
    """New, growing, quiet, back, fixed, back again: one ticket, open at the end, with a comment for each."""
    tracker = FakeTracker()
    sink = sink_of(tracker)
    for reason in ("new", "update", "quiet", "comeback"):
        assert isinstance(sink.notify(told(reason)), Accepted)
    tracker.shut(1, "fixed", BEFORE)
    assert sink.notify(told("comeback")) == Accepted("reopened https://tracker.example.org/1")
    assert tracker.calls == ["create", "comment", "comment", "comment", "reopen"]
    assert tracker.tickets[0].ticket.state == "open"


def test_only_description_and_reopening_have_the_traceback() -> None:
    """A comment has one fresh example, but doesn't repeat what the description shows already."""
    tracker = FakeTracker()
    sink = sink_of(tracker)
    for reason in ("new", "update", "comeback"):
        sink.notify(told(reason))
    tracker.shut(1, "fixed", BEFORE)
    sink.notify(told("comeback"))
    (kept,) = tracker.tickets
    assert "Traceback (most recent call last)" in kept.draft.body
    assert ["Traceback (most" in text for text in kept.comments] == [False, False, True]
    assert all(EVENT.error_id in text for text in [kept.draft.body, *kept.comments])


def test_a_declined_ticket_is_left_alone() -> None:
    """Wontfix, invalid and duplicate are decisions: the fault is counted, and nothing is said."""
    tracker = FakeTracker()
    sink = sink_of(tracker)
    sink.notify(told("new"))
    tracker.shut(1, "declined", BEFORE)
    for reason in ("update", "quiet", "comeback", "new"):
        assert sink.notify(told(reason)) == Accepted("left https://tracker.example.org/1 alone, which is declined")
    assert tracker.calls == ["create"]


@pytest.mark.parametrize("reason", ["new", "update", "comeback", "quiet"])
def test_a_notice_repeated_after_a_crash_adds_nothing(reason: Reason) -> None:
    """The leader died between acceptance and its commit: a new sink gets the very same notice."""
    tracker = FakeTracker()
    sink_of(tracker).notify(told("new"))
    tracker.shut(1, "fixed", BEFORE) if reason == "comeback" else None
    notice = told(reason)
    sink_of(tracker).notify(notice)
    calls = list(tracker.calls)
    assert isinstance(sink_of(tracker).notify(notice), Accepted)
    assert tracker.calls == calls


@pytest.mark.parametrize("call", ["create", "comment", "reopen"])
def test_an_answer_that_got_lost_is_not_acted_on_twice(call: str) -> None:
    """What was done, though the answer never came, is found done."""
    tracker = FakeTracker()
    sink = sink_of(tracker)
    if call != "create":
        sink.notify(told("new"))
    if call == "reopen":
        tracker.shut(1, "fixed", BEFORE)
    tracker.lose = [call]
    notice = told("new" if call == "create" else "comeback")
    assert isinstance(sink.notify(notice), Unavailable)
    assert isinstance(sink.notify(notice), Accepted)
    assert tracker.calls.count(call) == 1
    assert len(tracker.tickets) == 1


def test_several_faults_in_one_notice_go_on_where_they_stopped() -> None:
    """A failure in the midst leaves those before it done, and the next try doesn't ask for them again."""
    tracker = FakeTracker()
    sink = sink_of(tracker)
    notice = notice_of("new", *[HOSTILE[0].make(str(number)) for number in range(3)])
    tracker.lose = ["create"]
    assert isinstance(sink.notify(notice), Unavailable)
    assert isinstance(sink.notify(notice), Accepted)
    assert len(tracker.tickets) == 3


def test_a_notice_of_many_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes too long is put off, and goes on with the next try."""
    monkeypatch.setattr(lifecycle, "TICKETS_PER_CALL_S", -1.0)
    tracker = FakeTracker()
    sink = sink_of(tracker)
    notice = notice_of("new", EVENT)
    assert isinstance(sink.notify(notice), Unavailable)
    monkeypatch.undo()
    assert isinstance(sink.notify(notice), Accepted)


def test_an_absent_tracker_is_told_as_such() -> None:
    """What the adapter raises is the outcome."""
    tracker = FakeTracker()
    tracker.is_away = True
    assert sink_of(tracker).notify(told("new")) == Unavailable("the tracker is away")


def test_a_check_makes_no_ticket() -> None:
    """`tocsin check` proves access without littering."""
    tracker = FakeTracker()
    assert sink_of(tracker).notify(notice_of("check")) == Accepted("works")
    assert tracker.calls == []


@pytest.mark.parametrize("reason", get_args(Reason))
def test_a_notice_without_issues_is_taken(reason: Reason) -> None:
    """The end of a flood and the sign of life name no fault."""
    tracker = FakeTracker()
    assert isinstance(sink_of(tracker).notify(notice_of(reason)), Accepted)
    assert tracker.calls == []


def test_a_growing_table_tells_the_episodes() -> None:
    """A comment brings the description's table up to date: a row per episode, its count replaced as it grows."""
    tracker = FakeTracker()
    sink = sink_of(tracker)
    sink.notify(told("new"))
    sink.notify(told("update", episode_count=4711, last_seen=AFTER))
    sink.notify(told("comeback", episode_started=AFTER + timedelta(days=1), last_seen=AFTER + timedelta(days=1)))
    rows = [line for line in tracker.tickets[0].ticket.body.splitlines() if line.startswith("|| ")]
    assert rows == [
        "|| 2026-03-29 01:59:59 || 2026-03-29 03:00:59 || 4,711 || `2026.3` ||",
        "|| 2026-03-30 03:00:59 || 2026-03-30 03:00:59 || 3 || `2026.3` ||",
    ]


def test_keyword_and_mark_fit_any_tracker() -> None:
    """No colon in either; what is no digest of ours becomes one."""
    assert keyword_of("v1:" + "0f" * 16) == "tb_" + "0f" * 16
    assert mark_of("ab" * 16) == "tn_" + "ab" * 16
    for odd in ("", "check-1", "v1:UPPER", "\ud800", "v1:" + "0" * 31):
        assert len(keyword_of(odd)) == len(mark_of(odd)) == 35


def test_policy_is_one_that_routing_knows() -> None:
    """A notice per fault and no summaries: tickets beyond the cap wait."""
    policy = Policy(**sink_of(FakeTracker()).policy)
    assert policy.is_single
    assert policy.cap_per_hour == 5
    assert not policy.gathers


def test_closing_closes_the_tracker() -> None:
    """A connection kept is given back."""
    tracker = FakeTracker()
    sink_of(tracker).close()
    assert tracker.is_closed


def test_an_outcome_for_good_is_handed_on() -> None:
    """What a tracker refuses for good becomes a dead letter."""
    from tocsin.sinks.base import Failed

    class Refusing(FakeTracker):
        def find(self, keyword: str) -> Ticket | None:
            raise Failed(Refused("never"))

    assert sink_of(Refusing()).notify(told("new")) == Refused("never")


def test_an_issue_is_reported_by_its_own_fields() -> None:
    """A draft carries what an adapter maps to fields of its tracker."""
    tracker = FakeTracker()
    sink_of(tracker).notify(told("new", level="CRITICAL"))
    draft = tracker.tickets[0].draft
    assert (draft.keyword, draft.kind, draft.level) == (KEYWORD, "traceback", "CRITICAL")
    assert draft.keyword in draft.body
    assert draft.mark in draft.body


def test_a_comment_in_brief_keeps_its_own_words() -> None:
    """First and last paragraph are ours, what stands between is not; made brief again it is the same."""
    brief = in_brief("It is back.\n\n    foreign\n\nmore\n\ntn_1")
    assert brief.startswith("It is back.\n\n") and brief.endswith("\n\ntn_1") and "foreign" not in brief
    assert in_brief(brief) == brief
    assert in_brief("It is back.\n\ntn_1") == "It is back.\n\ntn_1"
