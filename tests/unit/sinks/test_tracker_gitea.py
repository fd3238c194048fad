"""The Gitea sink against a strict loopback server written from its public documentation."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tocsin.sinks.base import Accepted, Unavailable
from tocsin.sinks.tickets.ticket import keyword_of
from tocsin.testing.contract import notice_of
from tracker_cases import TrackerCases, TrackerContract, new_event, told
from tracker_servers.gitea import GiteaServer

pytest.importorskip("urllib3", reason="no urllib3; pip install 'urllib3>=2.2'")


class TestContract(TrackerContract):
    kind = "gitea"
    options: ClassVar[dict[str, Any]] = {"repository": "acme/shop"}

    def new_server(self) -> GiteaServer:
        return GiteaServer()


class TestLifeCycle(TrackerCases):
    kind = "gitea"
    options: ClassVar[dict[str, Any]] = {"repository": "acme/shop"}

    def new_server(self) -> GiteaServer:
        return GiteaServer()

    def test_a_label_that_is_not_there_filters_nothing_and_nothing_is_mistaken(self) -> None:
        """Gitea lists every issue then."""
        for number in range(20):
            self.server.add(f"another {number}", "", ["bug"])
        event = new_event()
        assert isinstance(self.new_sink().notify(told("new", event)), Accepted)
        assert self.labelled(event) == [21]

    def test_a_label_is_made_once(self) -> None:
        """Gitea would take the same name twice; beyond the first page of labels as well."""
        event = new_event()
        self.server.labels += [f"label {number}" for number in range(120)] + [keyword_of(event.fingerprint)]
        assert isinstance(self.new_sink().notify(told("new", event)), Accepted)
        assert self.server.labels.count(keyword_of(event.fingerprint)) == 1
        assert self.labelled(event) == [1]

    def test_labels_and_assignees_go_along(self) -> None:
        """Labels that are not there, and who can't be assigned, are left out."""
        for name in ("gopher", "nobody"):
            sink = self.new_sink(labels=["bug", "nolabel"], assignees=[name])
            assert isinstance(sink.notify(told("new", new_event())), Accepted)
        assert [sorted(each["labels"])[0] for each in self.server.tickets.values()] == ["bug", "bug"]
        checked = sink.notify(notice_of("check"))
        assert isinstance(checked, Accepted)
        assert "there is no label nolabel, so it is left out" in checked.detail

    def test_a_pull_request_is_no_issue(self) -> None:
        """One that mends the fault may have its label."""
        event = new_event()
        self.server.add("mends it", "", [keyword_of(event.fingerprint)], is_pull=True)
        assert isinstance(self.new_sink().notify(told("new", event)), Accepted)
        assert len(self.server.tickets) == 2

    @pytest.mark.parametrize("is_there", [True, False])
    def test_who_may_make_no_labels_makes_no_issue(self, is_there: bool) -> None:
        """Gitea drops a reader's labels without a word: the issue would be made again with each notice."""
        event = new_event()
        self.server.labels += [keyword_of(event.fingerprint)] if is_there else []
        self.server.may_write = False
        outcome = self.new_sink().notify(told("new", event))
        assert isinstance(outcome, Unavailable)
        assert "write:issue" in outcome.remedy
        assert self.server.tickets == {}

    @pytest.mark.parametrize(("name", "value", "words"), [("archived", True, "archived"), ("has_issues", False, "off")])
    def test_a_check_fails_where_nothing_can_be_written(self, name: str, value: bool, words: str) -> None:
        self.server.about[name] = value
        outcome = self.new_sink().notify(told("check", new_event()))
        assert isinstance(outcome, Unavailable)
        assert words in outcome.reason

    def test_two_labels_of_the_same_name_make_no_second_issue(self) -> None:
        """As two makers at once leave them: a search by name asks for both, so an issue gets both."""
        event, sink = new_event(), self.new_sink()
        self.server.labels += [keyword_of(event.fingerprint)] * 2
        for _ in range(3):
            assert isinstance(sink.notify(told("update", event)), Accepted)
        assert len(self.server.tickets) == 1
