"""The Jira sink against strict loopback servers, written from the public documentation of Cloud and Data Center."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tocsin.sinks.base import Accepted, Unavailable
from tocsin.sinks.tickets.ticket import keyword_of
from tocsin.testing.contract import notice_of
from tracker_cases import TrackerCases, TrackerContract, new_event, told
from tracker_servers.jira import USER, JiraServer

pytest.importorskip("urllib3", reason="no urllib3; pip install 'urllib3>=2.2'")


class TestContract(TrackerContract):
    kind = "jira"
    options: ClassVar[dict[str, Any]] = {"project": "SHOP"}

    def new_server(self) -> JiraServer:
        return JiraServer()


class TestDataCenter(TrackerCases):
    kind = "jira"
    options: ClassVar[dict[str, Any]] = {"project": "SHOP"}

    def new_server(self) -> JiraServer:
        return JiraServer()

    def test_reopening_takes_the_way_to_what_is_to_be_done(self) -> None:
        """By the category of a status, since names are the project's own."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.shut(1, "fixed")
        sink.notify(told("comeback", event))
        assert self.server.tickets[1]["status"] == "To Do"

    def test_a_transition_that_asks_for_more_is_passed_by(self) -> None:
        """The next one is taken."""
        self.server.screens = {"To Do"}
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.shut(1, "fixed")
        assert isinstance(sink.notify(told("comeback", event)), Accepted)
        assert self.server.tickets[1]["status"] == "In Progress"

    @pytest.mark.parametrize("ways", [[], ["Done"], ["To Do"]])
    def test_a_workflow_without_a_way_back_is_commented(self, ways: list[str]) -> None:
        """It stays closed, and says so."""
        self.server.ways, self.server.screens = ways, {"To Do"}
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.shut(1, "fixed")
        assert isinstance(sink.notify(told("comeback", event)), Accepted)
        assert not self.server.is_open(1)
        assert self.server.tickets[1]["comments"][0].startswith("It stays closed: its workflow has no transition")

    @pytest.mark.parametrize("resolution", ["Won't Fix", "Duplicate", "Cannot Reproduce", "won't do"])
    def test_resolutions_decide(self, resolution: str) -> None:
        """Whatever else counts as fixed."""
        event, sink = new_event(), self.new_sink()
        sink.notify(told("new", event))
        self.server.shut(1, resolution)
        assert isinstance(sink.notify(told("comeback", event)), Accepted)
        assert not self.server.is_open(1)

    def test_fields_go_along(self) -> None:
        """Priority by level, assignee, and any the project asks for; an optional one that is refused is left out."""
        fields = {"customfield_10042": {"value": "web"}}
        sink = self.new_sink(assignee="fred", labels=["web"], fields=fields, priorities={"ERROR": "High"})
        assert isinstance(sink.notify(told("new", new_event())), Accepted)
        sink = self.new_sink(assignee="nobody", fields=fields)
        assert isinstance(sink.notify(told("new", new_event())), Accepted)
        first, second = (each["fields"] for each in self.server.tickets.values())
        assert (first["priority"], first["assignee"]) == ({"name": "High"}, {"name": "fred"})
        assert "priority" not in second
        assert first["customfield_10042"] == second["customfield_10042"] == {"value": "web"}

    def test_a_field_that_is_required_is_told(self) -> None:
        """Mended in Jira or in fields, the same report is taken: Unavailable, with Jira's words."""
        outcome = self.new_sink(issue_type="Story").notify(told("new", new_event()))
        assert isinstance(outcome, Unavailable)
        assert "issue type is required" in outcome.reason
        checked = self.new_sink(issue_type="Story").notify(notice_of("check"))
        assert isinstance(checked, Accepted)
        assert "the project has no issue type 'Story', but Task, Bug" in checked.detail

    def test_fields_do_not_take_away_what_an_issue_is_found_by(self) -> None:
        """Labels and project are ours; a type by its number and a priority are theirs to say."""
        event = new_event()
        fields = {"labels": ["web"], "project": {"key": "OTHER"}, "priority": {"name": "Medium"}}
        sink = self.new_sink(fields=fields, labels=["has spaces"])
        assert isinstance(sink.notify(told("new", event)), Accepted)
        assert self.labelled(event) == [1]
        assert self.server.tickets[1]["labels"] == [keyword_of(event.fingerprint)]
        assert self.server.tickets[1]["fields"]["priority"] == {"name": "Medium"}


class TestCloud(TrackerCases):
    kind = "jira"
    options: ClassVar[dict[str, Any]] = {"project": "SHOP", "user": USER}

    def new_server(self) -> JiraServer:
        return JiraServer(is_cloud=True)

    @pytest.mark.parametrize("indexed", [0, 3])
    def test_an_issue_that_the_search_does_not_see_yet_is_found(self, indexed: int) -> None:
        """Cloud's index lags: keys after the latest that it knows are read without it."""
        for number in range(5):
            self.server.add(f"another {number}", "", [])
        event = new_event()
        self.new_sink().notify(told("new", event))
        self.server.indexed = indexed
        assert isinstance(self.new_sink().notify(told("update", event)), Accepted)
        assert self.labelled(event) == [6]
        assert len(self.server.tickets[6]["comments"]) == 1

    def test_an_account_goes_by_its_id(self) -> None:
        """Cloud has no names."""
        assert isinstance(self.new_sink(assignee="5b10").notify(told("new", new_event())), Accepted)
        assert self.server.tickets[1]["fields"]["assignee"] == {"accountId": "5b10"}
