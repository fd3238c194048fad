"""The GitHub sink against a strict loopback server written from its public documentation."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import pytest

from tocsin.event import limits
from tocsin.sinks.base import Accepted, Refused, Unavailable
from tocsin.sinks.tickets.ticket import keyword_of
from tracker_cases import TrackerCases, TrackerContract, new_event, told
from tracker_servers.github import GitHubServer

pytest.importorskip("urllib3", reason="no urllib3; pip install 'urllib3>=2.2'")


class TestContract(TrackerContract):
    kind = "github"
    options: ClassVar[dict[str, Any]] = {"repository": "acme/shop"}

    def new_server(self) -> GitHubServer:
        return GitHubServer()


class TestLifeCycle(TrackerCases):
    kind = "github"
    options: ClassVar[dict[str, Any]] = {"repository": "acme/shop"}

    def new_server(self) -> GitHubServer:
        return GitHubServer()

    @pytest.mark.parametrize("reason", ["duplicate", "not_planned"])
    def test_reasons_decide(self, reason: str) -> None:
        """Completed is the only one that is reopened."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.shut(1, reason)
        assert isinstance(sink.notify(told("comeback", event)), Accepted)
        assert not self.server.is_open(1)

    def test_a_label_decides_as_well(self) -> None:
        """Closed as completed, but labelled wontfix."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.shut(1, "fixed")
        self.server.tickets[1]["labels"] += ["WontFix"]
        assert isinstance(sink.notify(told("comeback", event)), Accepted)
        assert not self.server.is_open(1)

    def test_a_pull_request_is_no_issue(self) -> None:
        """GitHub lists both; one that mends the fault may have its label."""
        event = new_event()
        self.server.add("mends it", "", [keyword_of(event.fingerprint)], is_pull=True)
        assert isinstance(self.new_sink().notify(told("new", event)), Accepted)
        assert len(self.server.tickets) == 2

    def test_labels_and_assignees_go_along(self) -> None:
        """Who can't be assigned is left out."""
        event = new_event()
        for name in ("octocat", "nobody"):
            sink = self.new_sink(labels=["bug"], assignees=[name])
            assert isinstance(sink.notify(told("new", new_event())), Accepted)
        assert [each["labels"][1:] for each in self.server.tickets.values()] == [["bug"], ["bug"]]
        assert self.labelled(event) == []

    @pytest.mark.parametrize("others", [0, 40, 400])
    def test_without_the_right_to_push_issues_are_found_by_their_text(self, others: int) -> None:
        """Labels are dropped: among the latest of the account, and older ones by search; quotes are no issues."""
        self.server.may_push = False
        event = new_event()
        assert isinstance(self.new_sink().notify(told("new", event)), Accepted)
        for number in range(others):
            quoting = f"It is `{keyword_of(event.fingerprint)}`"
            self.server.add(f"another {number}", quoting, [], creator="tocsin-bot" if number % 2 else "octocat")
        assert isinstance(self.new_sink().notify(told("update", event)), Accepted)
        assert len(self.server.tickets) == 1 + others
        assert len(self.server.tickets[1]["comments"]) == 1
        assert self.server.tickets[1]["labels"] == []

    def test_a_check_says_that_labels_are_dropped(self) -> None:
        self.server.may_push = False
        outcome = self.new_sink().notify(told("check", new_event()))
        assert isinstance(outcome, Accepted)
        assert "issues get no label and are found by their text" in outcome.detail

    @pytest.mark.parametrize("status", [403, 429])
    def test_the_rate_limit_s_own_headers_are_kept_to(self, status: int) -> None:
        """403 with no calls remaining is no missing right: it says when there are more."""
        self.server.limited = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 600)}
        self.server.limited_status = status
        outcome = self.new_sink().notify(told("new", new_event()))
        assert isinstance(outcome, Unavailable)
        assert outcome.retry_after_s is not None
        assert 500 < outcome.retry_after_s <= 600
        assert outcome.remedy == "it takes no more calls for now; it is tried again"

    def test_a_repository_that_moved_is_told(self) -> None:
        """GitHub redirects by numbers; no redirect is followed, since the token would go along."""
        self.receiver.answer = lambda request: (301, {"location": "https://api.github.com/repositories/1"}, b"{}")
        outcome = self.new_sink().notify(told("new", new_event()))
        assert isinstance(outcome, Unavailable)
        assert "sends on to https://api.github.com/repositories/1" in outcome.reason
        assert outcome.remedy.startswith("check url")

    def test_comments_too_long_to_be_read_hold_nothing_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only what is repeated after a crash may be said twice there."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.tickets[1]["comments"] += ["long " * 10_000] * 3
        monkeypatch.setattr(limits, "ANSWER_BYTES", 100_000)
        monkeypatch.setattr("tocsin.sinks.tickets.rest.ANSWER_BYTES", 100_000)
        assert isinstance(sink.notify(told("update", event)), Accepted)
        assert len(self.server.tickets[1]["comments"]) == 4

    def test_a_label_that_may_not_be_made_is_left_out(self) -> None:
        """Without the right to push, a label that isn't there yet is refused by 403: the issue comes without labels."""
        self.server.may_push = False
        sink = self.new_sink(labels=["bug"], assignees=["octocat"])
        for event in (new_event(), new_event()):
            assert isinstance(sink.notify(told("new", event)), Accepted)
            assert isinstance(sink.notify(told("update", event)), Accepted)
        assert [each["labels"] for each in self.server.tickets.values()] == [[], []]
        assert [len(each["comments"]) for each in self.server.tickets.values()] == [1, 1]

    def test_a_label_of_ones_own_that_is_refused_is_left_out(self) -> None:
        """Labels have at most 50 characters; the fault's own is kept."""
        event = new_event()
        assert isinstance(self.new_sink(labels=["long" * 20]).notify(told("new", event)), Accepted)
        assert self.server.tickets[1]["labels"] == [keyword_of(event.fingerprint)]

    def test_a_locked_conversation_is_refused_for_good(self) -> None:
        """Where the account may push, it is commented; else nobody waits for it to be unlocked."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.tickets[1]["locked"] = True
        assert isinstance(sink.notify(told("update", event)), Accepted)
        self.server.may_push = False
        outcome = sink.notify(told("update", event))
        assert isinstance(outcome, Refused)
        assert "/issues/1 is locked" in outcome.reason
        assert len(self.server.tickets[1]["comments"]) == 1

    def test_who_may_not_reopen_says_so(self) -> None:
        """Without the right to push, what a collaborator closed stays closed; the description is kept up."""
        self.server.may_push = False
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.shut(1, "fixed")
        assert isinstance(sink.notify(told("comeback", event, episode_count=4_711)), Accepted)
        assert not self.server.is_open(1)
        assert self.server.tickets[1]["comments"][0].startswith("It stays closed: without the right to push")
        assert "| 4,711 |" in self.server.tickets[1]["body"]

    @pytest.mark.parametrize(("name", "value", "words"), [("archived", True, "archived"), ("has_issues", False, "off")])
    def test_a_check_fails_where_nothing_can_be_written(self, name: str, value: bool, words: str) -> None:
        self.server.about[name] = value
        outcome = self.new_sink().notify(told("check", new_event()))
        assert isinstance(outcome, Unavailable)
        assert words in outcome.reason

    def test_the_open_one_is_taken_among_a_thousand_with_the_label(self) -> None:
        """The latest that is open, though people put the label on many."""
        event, sink = new_event(), self.new_sink()
        for number in range(1_000):
            self.server.add(f"copy {number}", "", [keyword_of(event.fingerprint)])
        self.server.shut(1_000, "fixed")
        assert isinstance(sink.notify(told("update", event)), Accepted)
        assert len(self.server.tickets) == 1_000
        assert len(self.server.tickets[999]["comments"]) == 1

    def test_an_issue_that_was_deleted_or_transferred_is_made_again(self) -> None:
        """It is listed no more."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.tickets[1]["labels"] = []
        assert isinstance(sink.notify(told("update", event)), Accepted)
        assert self.labelled(event) == [2]
