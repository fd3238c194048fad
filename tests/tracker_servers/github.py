"""GitHub's REST API for issues, version 2022-11-28, as docs.github.com/rest/issues tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from http_receiver import Request
from tracker_servers.base import READ_ONLY, TOKEN, Answer, Refusal, Server, now

__all__ = ["GitHubServer"]

_REPO = r"/repos/acme/shop"


class GitHubServer(Server):
    """Be one repository, acme/shop, with pull requests among its issues. ``may_push``: labels are kept."""

    routes: ClassVar[dict[str, str]] = {
        f"GET {_REPO}": "repository",
        f"GET {_REPO}/issues": "listed",
        f"POST {_REPO}/issues": "create",
        rf"GET {_REPO}/issues/(\d+)": "read",
        rf"PATCH {_REPO}/issues/(\d+)": "update",
        rf"GET {_REPO}/issues/(\d+)/comments": "comments",
        rf"POST {_REPO}/issues/(\d+)/comments": "comment",
        "GET /user": "user",
        "GET /search/issues": "search",
    }

    def __init__(self) -> None:
        super().__init__()
        self.may_push = True
        self.assignable = {"octocat"}
        self.labels: set[str] = {"bug"}
        self.about: dict[str, Any] = {"full_name": "acme/shop", "has_issues": True, "archived": False}

    def authenticate(self, request: Request) -> None:
        if request.headers.get("authorization") not in (f"Bearer {TOKEN}", f"Bearer {READ_ONLY}"):
            raise Refusal(401, {"message": "Bad credentials", "status": "401"})
        if request.headers.get("accept") != "application/vnd.github+json":
            self.faults.append("Accept isn't application/vnd.github+json")
        if request.headers.get("x-github-api-version") not in ("2022-11-28", "2026-03-10"):
            raise Refusal(400, {"message": "The version is not supported"})

    def forbid(self) -> None:
        raise Refusal(403, {"message": "Resource not accessible by personal access token", "status": "403"})

    def repository(self, query: Mapping[str, str]) -> Answer:
        rights = {"admin": False, "maintain": False, "push": self.may_push, "triage": self.may_push, "pull": True}
        return 200, {**self.about, "permissions": rights}

    def user(self, query: Mapping[str, str]) -> Answer:
        return 200, {"login": "tocsin-bot", "id": 1}

    def listed(self, query: Mapping[str, str]) -> Answer:
        known = ("labels", "state", "sort", "direction", "per_page", "page", "creator", "since")
        asked = self.parameters(query, *known)
        wished = set(filter(None, asked.get("labels", "").split(",")))
        rows = [
            self.shown(each)
            for each in self.tickets.values()
            if wished <= set(each["labels"])
            and asked.get("state", "open") in ("all", each["state"])
            and asked.get("creator", each["creator"]) == each["creator"]
        ]
        if asked.get("direction", "desc") == "desc":
            rows.reverse()
        return 200, self.page(rows, asked)

    def search(self, query: Mapping[str, str]) -> Answer:
        asked = self.parameters(query, "q", "per_page", "page")
        match = re.fullmatch(r'"(tb_[0-9a-f]{32})" in:body is:issue author:(\S+) repo:acme/shop', asked["q"])
        if match is None:
            self.faults.append(f"search for {asked['q']}")
            return 422, {"message": "Validation Failed"}
        rows = [each for each in self.tickets.values() if match[1] in each["body"] and match[2] == each["creator"]]
        rows = [self.shown(each) for each in rows if not each["is_pull"]]
        return 200, {"total_count": len(rows), "incomplete_results": False, "items": self.page(rows, asked)}

    def create(self, value: Any) -> Answer:
        optional = {"body": str, "labels": list, "assignees": list, "type": str}
        asked = self.fields(value, {"title": str}, optional)
        self.validate(asked)
        if not self.may_push and not set(asked.get("labels", ())) <= self.labels:
            error = {"resource": "Repository", "field": "label", "code": "unauthorized"}
            message = "You do not have permission to create labels on this repository."
            raise Refusal(403, {"message": message, "errors": [error], "status": "403"})
        return 201, self.shown(self.add(asked["title"], asked.get("body", ""), asked.get("labels", [])))

    def add(self, title: str, body: str, labels: list[str], **more: Any) -> dict[str, Any]:
        number = len(self.tickets) + 1
        kept = list(labels) if self.may_push else []
        ticket = {"number": number, "title": title, "body": body, "labels": kept, "state": "open", "reason": None}
        ticket |= {
            "closed_at": None,
            "comments": [],
            "is_pull": False,
            "creator": "tocsin-bot",
            "locked": False,
            **more,
        }
        self.labels |= set(kept)
        self.tickets[number] = ticket
        return ticket

    def validate(self, asked: Mapping[str, Any]) -> None:
        errors = []
        if len(asked.get("title", "x")) > 256:
            errors.append({"resource": "Issue", "code": "custom", "field": "title", "message": "title is too long"})
        if len(asked.get("body", "")) > 65_536:
            errors.append({"resource": "Issue", "code": "custom", "field": "body", "message": "body is too long"})
        if not set(asked.get("assignees", ())) <= self.assignable:
            errors.append({"resource": "Issue", "code": "invalid", "field": "assignees"})
        if any(len(label) > 50 for label in asked.get("labels", ())):
            errors.append({"resource": "Label", "code": "invalid", "field": "name"})
        if errors:
            raise Refusal(422, {"message": "Validation Failed", "errors": errors})

    def read(self, number: str, query: Mapping[str, str]) -> Answer:
        return 200, self.shown(self.of(number))

    def update(self, number: str, value: Any) -> Answer:
        asked = self.fields(value, {}, {"title": str, "body": str, "state": str, "state_reason": str})
        self.validate(asked)
        ticket = self.of(number)
        if asked.get("state") == "open" and ticket["state"] == "closed":
            if not self.may_push:  # a collaborator closed it
                raise Refusal(422, {"message": "Validation Failed", "errors": []})
            asked |= {"reason": "reopened", "closed_at": None}
        ticket.update(asked)
        return 200, self.shown(ticket)

    def comments(self, number: str, query: Mapping[str, str]) -> Answer:
        asked = self.parameters(query, "per_page", "page", "since")
        rows = [{"id": at, "body": text} for at, text in enumerate(self.of(number)["comments"])]
        return 200, self.page(rows, asked)

    def comment(self, number: str, value: Any) -> Answer:
        asked = self.fields(value, {"body": str}, {})
        self.validate(asked)
        if not asked["body"].strip():
            raise Refusal(422, {"message": "Validation Failed"})
        if self.of(number)["locked"] and not self.may_push:
            raise Refusal(403, {"message": "Unable to create comment because issue is locked.", "status": "403"})
        self.of(number)["comments"].append(asked["body"])
        return 201, {"id": 1, "body": asked["body"]}

    def of(self, number: str) -> dict[str, Any]:
        if int(number) not in self.tickets:
            raise Refusal(404, {"message": "Not Found", "status": "404"})
        return self.tickets[int(number)]

    def shown(self, ticket: Mapping[str, Any]) -> dict[str, Any]:
        number = ticket["number"]
        found = {name: ticket[name] for name in ("number", "title", "body", "state", "locked")}
        found |= {"labels": [{"id": 1, "name": name, "color": "ededed"} for name in ticket["labels"]]}
        found |= {"state_reason": ticket["reason"], "comments": len(ticket["comments"])}
        found["closed_at"] = f"{ticket['closed_at']:%Y-%m-%dT%H:%M:%SZ}" if ticket["closed_at"] else None
        found["html_url"] = f"https://github.com/acme/shop/issues/{number}"
        return found | ({"pull_request": {"url": "x"}} if ticket["is_pull"] else {})

    def shut(self, number: int, how: str, at: datetime | None = None) -> None:
        reason = {"fixed": "completed", "declined": "not_planned"}.get(how, how)
        self.tickets[number].update(state="closed", reason=reason, closed_at=at or now())
