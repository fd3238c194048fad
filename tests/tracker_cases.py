"""A sink and a strict loopback tracker go in; the tests that every such tracker has to pass leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import uuid4

import pytest

from http_receiver import HttpReceiver
from tocsin.config.sink_table import SinkTable
from tocsin.event import error_id
from tocsin.event.model import Event, ExceptionInfo
from tocsin.event.notice import Notice, Reason
from tocsin.sinks import registry
from tocsin.sinks.base import Accepted, Outcome, SinkContext, Unavailable
from tocsin.sinks.tickets.ticket import keyword_of
from tocsin.testing import SinkContract
from tocsin.testing.contract import notice_of
from tocsin.testing.hostile import ordinary_event
from tracker_servers.base import READ_ONLY, TOKEN, Server, running

__all__ = [
    "CONTEXT",
    "ODD_URL",
    "SAFE_URL",
    "TrackerCases",
    "TrackerContract",
    "linked_event",
    "new_event",
    "reason_of",
    "told",
]

CONTEXT = SinkContext("shop", "production", "web-1")
ODD: list[Any] = [None, 7, "x", [], {}, [7], [{}], {"issues": 7}, {"issues": [7, {}]}, [{"labels": 7}], {"issue": []}]


def new_event(*, of: Event | None = None) -> Event:
    """Return an event of a fault of its own."""
    fingerprint = f"v1:{uuid4().hex}"
    own_id = error_id.make(error_id.prefix(fingerprint), 7)
    return replace(of or ordinary_event(), fingerprint=fingerprint, error_id=own_id)


def told(reason: Reason, event: Event, **changes: Any) -> Notice:
    """Return a notice of a fault that was seen a moment from now: later than anything anybody did to its ticket."""
    at = datetime.now(UTC) + timedelta(seconds=5)
    notice = notice_of(reason, event)
    changes = {"last_seen": at, "episode_started": at - timedelta(minutes=1), **changes}
    return replace(notice, at=at, issues=tuple(replace(issue, **changes) for issue in notice.issues))


def reason_of(outcome: Outcome) -> tuple[str, str]:
    """Return reason and remedy of what must be Unavailable."""
    assert isinstance(outcome, Unavailable), outcome
    return outcome.reason, outcome.remedy


class _OneServer:
    """Run the tracker that ``new_server`` makes, for each test."""

    kind: ClassVar[str]
    options: ClassVar[dict[str, Any]]

    def new_server(self) -> Server:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _running(self) -> Iterator[None]:
        with running(self.new_server()) as (self.server, self.receiver):
            yield

    server: Any
    receiver: HttpReceiver

    def new_sink(self, **options: Any) -> Any:
        raw = {"type": self.kind, "url": self.receiver.url, "token": TOKEN, **self.options, **options}
        built, faults = registry.build([SinkTable(raw)], CONTEXT)
        assert faults == []
        return built[0].sink


class TrackerContract(_OneServer, SinkContract):
    """Every hostile event becomes a ticket."""

    is_idempotent = True

    def received(self) -> Sequence[str]:
        return self.server.texts()  # type: ignore[no-any-return]


class TrackerCases(_OneServer):
    """The life cycle, and what can go wrong."""

    def labelled(self, event: Event) -> list[int]:
        """Return the numbers of the tickets with a fault's keyword."""
        keyword = keyword_of(event.fingerprint)
        return [number for number, each in self.server.tickets.items() if keyword in each["labels"]]

    def test_one_fault_has_one_ticket_through_all_episodes(self) -> None:
        """New, growing, quiet, back, each told by a leader of its own: one ticket, its table kept up, four comments."""
        event = new_event()
        reasons: list[Reason] = ["new", "update", "update", "quiet", "comeback"]
        for number, reason in enumerate(reasons):
            count = (1, 10, 100, 999, 1_000)[number]
            sink = self.new_sink()
            assert isinstance(sink.notify(told(reason, event, count=count, episode_count=count)), Accepted)
            sink.close()
        (number,) = self.labelled(event)
        ticket = self.server.tickets[number]
        assert len(ticket["comments"]) == 4
        assert "| 1,000 |" in ticket["body"]
        assert "1,000 times" in ticket["comments"][-1]
        assert ticket["title"] == f"[shop] ZeroDivisionError in shop.orders.pay ({event.error_id[:6]})"

    def test_what_was_fixed_is_reopened(self) -> None:
        """With the traceback, since the code has changed, and its table kept up."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        (number,) = self.labelled(event)
        self.server.shut(number, "fixed")
        assert isinstance(sink.notify(told("comeback", event, episode_count=4_711)), Accepted)
        assert self.server.is_open(number)
        (comment,) = self.server.tickets[number]["comments"]
        assert comment.startswith("The fault came back after this ticket was closed.")
        assert "Traceback (most recent call last)" in comment
        assert "| 4,711 |" in self.server.tickets[number]["body"]

    def test_what_was_declined_stays_closed_and_silent(self) -> None:
        """Somebody decided; the fault is only counted."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        (number,) = self.labelled(event)
        self.server.shut(number, "declined")
        changes = list(self.server.changes)
        for reason in ("update", "comeback", "quiet", "new"):
            assert isinstance(sink.notify(told(reason, event)), Accepted)
        assert self.server.changes == changes

    def test_what_was_not_seen_since_its_ticket_was_closed_is_silent(self) -> None:
        """A notice may be late: the fault it tells of may be the one that was fixed."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.shut(self.labelled(event)[0], "fixed", datetime.now(UTC) + timedelta(hours=1))
        changes = list(self.server.changes)
        assert isinstance(sink.notify(told("update", event)), Accepted)
        assert self.server.changes == changes

    @pytest.mark.parametrize("reason", ["new", "update", "comeback"])
    def test_a_notice_told_again_after_a_crash_adds_nothing(self, reason: Reason) -> None:
        """However long the discussion has become meanwhile, short of the pages that are looked through."""
        event = new_event()
        if reason != "new":
            self.new_sink().notify(told("new", event))
        if reason == "comeback":
            self.server.shut(self.labelled(event)[0], "fixed")
        notice = told(reason, event)
        assert isinstance(self.new_sink().notify(notice), Accepted)
        (number,) = self.labelled(event)
        self.server.tickets[number]["comments"] += [f"I think so too {number}" for number in range(40)]
        changes = list(self.server.changes)
        assert isinstance(self.new_sink().notify(notice), Accepted)
        assert self.server.changes == changes

    @pytest.mark.parametrize("reason", ["new", "update", "comeback"])
    def test_answers_that_get_lost_double_nothing(self, reason: Reason) -> None:
        """Each change in turn is done, but a proxy answers with an error: one ticket and one comment at the end."""
        event = new_event()
        if reason != "new":
            self.new_sink().notify(told("new", event))
        if reason == "comeback":
            self.server.shut(self.labelled(event)[0], "fixed")
        notice = told(reason, event, episode_count=4_711)
        sink = self.new_sink()
        for _ in range(8):
            self.server.lose = 1
            outcome = sink.notify(notice)
            if isinstance(outcome, Accepted):
                break
            assert isinstance(outcome, Unavailable)
        self.server.lose = 0
        assert isinstance(sink.notify(notice), Accepted)
        (number,) = self.labelled(event)
        ticket = self.server.tickets[number]
        assert len(ticket["comments"]) == (reason != "new")
        assert self.server.is_open(number)
        assert "| 4,711 |" in ticket["body"]

    def test_an_open_ticket_comes_before_a_later_closed_one_and_quotes_are_no_tickets(self) -> None:
        """People copy tickets, and quote keywords."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        (first,) = self.labelled(event)
        keyword = keyword_of(event.fingerprint)
        self.server.add("quotes it", f"Is it the same as `{keyword}`?", [])
        copy = self.server.add("a copy", self.server.tickets[first]["body"], [keyword])["number"]
        self.server.shut(copy, "fixed")
        assert isinstance(self.new_sink().notify(told("update", event)), Accepted)
        assert [len(each["comments"]) for each in self.server.tickets.values()] == [1, 0, 0]

    def test_a_ticket_moved_by_its_label_is_told(self) -> None:
        """Keywords are people's to move: taken away, the next notice makes a new ticket."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.tickets[1]["labels"] = []
        self.server.tickets[1]["body"] = "mine"
        assert isinstance(sink.notify(told("update", event)), Accepted)
        assert self.labelled(event) == [2]

    def test_a_check_makes_nothing(self) -> None:
        """And says what it has not proved."""
        outcome = self.new_sink().notify(notice_of("check"))
        assert isinstance(outcome, Accepted)
        assert outcome.detail
        assert self.server.changes == []

    def test_a_wrong_token_is_told_without_it(self) -> None:
        """Mended later, the notice is still there: Unavailable."""
        for notice in (notice_of("check"), told("new", new_event())):
            outcome = self.new_sink(token="geheim-17").notify(notice)
            assert isinstance(outcome, Unavailable)
            assert "answered 401" in outcome.reason
            assert outcome.remedy == "check the credentials"
            assert "geheim" not in repr(outcome)

    @pytest.mark.parametrize("reason", ["new", "update", "comeback"])
    def test_a_missing_right_is_told(self, reason: Reason) -> None:
        """With what to give to the account."""
        event = new_event()
        if reason != "new":
            self.new_sink().notify(told("new", event))
        if reason == "comeback":
            self.server.shut(1, "fixed")
        outcome = self.new_sink(token=READ_ONLY).notify(told(reason, event))
        assert isinstance(outcome, Unavailable)
        assert "answered 403" in outcome.reason
        assert outcome.remedy.startswith("give the ")
        assert outcome.retry_after_s is None

    def test_a_rate_limit_is_kept_to(self) -> None:
        """By Retry-After, seconds."""
        self.server.limited = {"retry-after": "77"}
        outcome = self.new_sink().notify(told("new", new_event()))
        assert isinstance(outcome, Unavailable)
        assert outcome.retry_after_s == 77.0
        assert outcome.remedy == "it takes no more calls for now; it is tried again"

    def test_a_refused_comment_comes_without_its_details(self) -> None:
        """A ticket must not be held up for good by what a filter minds in one comment."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        normal = self.receiver.answer

        def strict(request: Any) -> Any:
            if request.method == "POST" and b"ZeroDivisionError" in request.body:
                return 422, {}, b'{"message": "such words are not welcome"}'
            return normal(request)

        self.receiver.answer = strict
        assert isinstance(sink.notify(told("update", event)), Accepted)
        (comment,) = self.server.tickets[1]["comments"]
        assert "The tracker refused this comment with its details; tocsin show has them." in comment

    @pytest.mark.parametrize("odd", ODD, ids=repr)
    @pytest.mark.parametrize("reason", ["check", "new"])
    def test_an_answer_of_another_form_is_told(self, reason: Reason, odd: Any) -> None:
        """Some other service may answer at the url: nothing trips over it, and nothing counts as told."""
        notice = notice_of("check") if reason == "check" else told("new", new_event())
        self.server.odd = odd
        outcome = self.new_sink().notify(notice)
        assert isinstance(outcome, Unavailable)
        assert outcome.remedy


# As a source_url may make one of any file's name, and as whoever sends events to a receiver may write one.
ODD_URL: Final = """https://forge.example/blob/a b/__init__.py?x=1&y=2;z#L41"]|)>'`{{{%_[[Image(x)]]<b>\n= h ="""
SAFE_URL: Final = (
    "https://forge.example/blob/a%20b/_%5Finit_%5F.py?x=1&y=2;z#L41%22%5D%7C%29%3E%27%60%7B%7B%7B%25_%5B%5BImage%28x%29"
    "%5D%5D%3Cb%3E%0A=%20h%20="
)


def linked_event(event: Event) -> Event:
    """Return the event with a link on each of its frames, the odd one on the innermost."""
    assert event.exception is not None
    frames = [replace(frame, url=f"https://forge.example/{frame.line}") for frame in event.exception.frames]
    frames[-1] = replace(frames[-1], url=ODD_URL)
    cause = ExceptionInfo("KeyError", "'x'", (replace(frames[0], url="javascript:alert(1)"),))
    return replace(event, exception=replace(event.exception, frames=tuple(frames), cause=cause))
