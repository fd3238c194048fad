"""The GitLab sink against a strict loopback server written from its public documentation."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tocsin.sinks.base import Accepted, Unavailable
from tocsin.testing.contract import notice_of
from tracker_cases import TrackerCases, TrackerContract, new_event, told
from tracker_servers.gitlab import GitLabServer

pytest.importorskip("urllib3", reason="no urllib3; pip install 'urllib3>=2.2'")


class TestContract(TrackerContract):
    kind = "gitlab"
    options: ClassVar[dict[str, Any]] = {"project": "acme/web/shop"}

    def new_server(self) -> GitLabServer:
        return GitLabServer()


class TestLifeCycle(TrackerCases):
    kind = "gitlab"
    options: ClassVar[dict[str, Any]] = {"project": "acme/web/shop"}

    def new_server(self) -> GitLabServer:
        return GitLabServer()

    def test_who_may_make_no_labels_makes_no_issue(self) -> None:
        """A guest's issue would have no label, and would be made again with each notice."""
        self.server.access_level = 10
        outcome = self.new_sink().notify(told("new", new_event()))
        assert isinstance(outcome, Unavailable)
        assert "Planner or Reporter" in outcome.remedy
        assert self.server.tickets == {}
        checked = self.new_sink().notify(notice_of("check"))
        assert isinstance(checked, Accepted)
        assert "the account's role has no right to make labels" in checked.detail

    def test_labels_assignees_and_type_go_along(self) -> None:
        """Assignees by their names; a type that GitLab refuses is left out, with all that may be."""
        sink = self.new_sink(labels=["bug"], assignees=["root", "nobody"], confidential=True)
        assert isinstance(sink.notify(told("new", new_event())), Accepted)
        sink = self.new_sink(assignees=["root"], issue_type="nonsense")
        assert isinstance(sink.notify(told("new", new_event())), Accepted)
        assert self.server.tickets[1]["labels"][1:] == ["bug"]
        assert [each["assignees"] for each in self.server.tickets.values()] == [[7], []]

    def test_a_role_that_is_not_told_is_no_missing_right(self) -> None:
        """An administrator is no member, and neither is who comes by a group that the project is shared with."""
        self.server.access_level = 0
        checked = self.new_sink().notify(notice_of("check"))
        assert isinstance(checked, Accepted)
        assert "not proved, since the account's role is not told" in checked.detail
