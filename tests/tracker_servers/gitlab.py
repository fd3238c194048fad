"""GitLab's REST API v4 for issues, labels and notes, as docs.gitlab.com/api/issues tells it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from http_receiver import Request
from tracker_servers.base import READ_ONLY, TOKEN, Answer, Refusal, Server, now

__all__ = ["GitLabServer"]

_PROJECT = r"/api/v4/projects/acme%2Fweb%2Fshop"


class GitLabServer(Server):
    """Be one project, acme/web/shop. Labels come into being when an issue is made, or by themselves."""

    routes: ClassVar[dict[str, str]] = {
        f"GET {_PROJECT}": "project",
        f"GET {_PROJECT}/issues": "listed",
        f"POST {_PROJECT}/issues": "create",
        rf"PUT {_PROJECT}/issues/(\d+)": "update",
        f"POST {_PROJECT}/labels": "label",
        rf"GET {_PROJECT}/issues/(\d+)/notes": "notes",
        rf"POST {_PROJECT}/issues/(\d+)/notes": "note",
        "GET /api/v4/users": "users",
    }

    def __init__(self) -> None:
        super().__init__()
        self.labels: set[str] = set()
        self.access_level = 20

    def authenticate(self, request: Request) -> None:
        if request.headers.get("private-token") not in (TOKEN, READ_ONLY):
            raise Refusal(401, {"message": "401 Unauthorized"})

    def forbid(self) -> None:
        raise Refusal(403, {"message": "403 Forbidden"})

    def unknown(self) -> Answer:
        return 404, {"message": "404 Project Not Found"}

    def project(self, query: Mapping[str, str]) -> Answer:
        access = {"access_level": self.access_level} if self.access_level else None
        rights = {"project_access": access, "group_access": None}
        return 200, {"id": 1, "path_with_namespace": "acme/web/shop", "permissions": rights}

    def users(self, query: Mapping[str, str]) -> Answer:
        asked = self.parameters(query, "username")
        return 200, [{"id": 7, "username": "root"}] if asked["username"] == "root" else []

    def label(self, value: Any) -> Answer:
        asked = self.fields(value, {"name": str, "color": str}, {"description": str})
        if self.access_level < 15:
            self.forbid()
        if asked["name"] in self.labels:
            raise Refusal(409, {"message": "Label already exists"})
        self.labels.add(asked["name"])
        return 201, {"id": 1, "name": asked["name"]}

    def listed(self, query: Mapping[str, str]) -> Answer:
        asked = self.parameters(query, "labels", "scope", "state", "order_by", "sort", "per_page", "page")
        wished = set(filter(None, asked.get("labels", "").split(",")))
        rows = [self.shown(each) for each in self.tickets.values() if wished <= set(each["labels"])]
        if asked.get("sort", "desc") == "desc":
            rows.reverse()
        return 200, self.page(rows, asked)

    def create(self, value: Any) -> Answer:
        optional = {"description": str, "labels": str, "assignee_ids": list, "issue_type": str, "confidential": bool}
        asked = self.fields(value, {"title": str}, optional)
        self.validate(asked)
        labels = list(filter(None, asked.get("labels", "").split(",")))
        self.labels |= set(labels)
        ticket = self.add(asked["title"], asked.get("description", ""), labels)
        ticket["assignees"] = asked.get("assignee_ids", [])
        return 201, self.shown(ticket)

    def add(self, title: str, body: str, labels: list[str]) -> dict[str, Any]:
        if any(line.startswith("/") for line in body.splitlines()):
            self.faults.append("a quick action came through")
        number = len(self.tickets) + 1
        ticket = {"number": number, "title": title, "body": body, "labels": labels, "state": "open"}
        self.tickets[number] = ticket | {"closed_at": None, "comments": []}
        return self.tickets[number]

    def validate(self, asked: Mapping[str, Any]) -> None:
        if len(asked.get("title", "x")) > 255:
            raise Refusal(400, {"message": {"title": ["is too long (maximum is 255 characters)"]}})
        if len(asked.get("description", "")) > 1_048_576:
            raise Refusal(400, {"message": {"description": ["is too long"]}})
        if asked.get("issue_type", "issue") not in ("issue", "incident", "test_case", "task"):
            raise Refusal(400, {"error": "issue_type does not have a valid value"})

    def update(self, number: str, value: Any) -> Answer:
        asked = self.fields(value, {}, {"description": str, "state_event": str})
        self.validate(asked)
        ticket = self.of(number)
        if asked.get("state_event") == "reopen":
            ticket.update(state="open", closed_at=None)
        ticket["body"] = asked.get("description", ticket["body"])
        return 200, self.shown(ticket)

    def notes(self, number: str, query: Mapping[str, str]) -> Answer:
        asked = self.parameters(query, "sort", "order_by", "per_page", "page")
        rows = [{"id": at, "body": text, "system": False} for at, text in enumerate(self.of(number)["comments"])]
        if asked.get("sort", "desc") == "desc":
            rows.reverse()
        return 200, self.page(rows, asked)

    def note(self, number: str, value: Any) -> Answer:
        asked = self.fields(value, {"body": str}, {})
        if not asked["body"].strip() or len(asked["body"]) > 1_000_000:
            raise Refusal(400, {"message": "400 Bad request - Note is invalid"})
        if any(line.startswith("/") for line in asked["body"].splitlines()):
            self.faults.append("a quick action came through")
        self.of(number)["comments"].append(asked["body"])
        return 201, {"id": 1, "body": asked["body"]}

    def of(self, number: str) -> dict[str, Any]:
        if int(number) not in self.tickets:
            raise Refusal(404, {"message": "404 Not found"})
        return self.tickets[int(number)]

    def shown(self, ticket: Mapping[str, Any]) -> dict[str, Any]:
        number = ticket["number"]
        closed_at = f"{ticket['closed_at']:%Y-%m-%dT%H:%M:%S.000Z}" if ticket["closed_at"] else None
        return {
            "id": 900 + number,
            "iid": number,
            "title": ticket["title"],
            "description": ticket["body"],
            "state": "opened" if ticket["state"] == "open" else "closed",
            "labels": ticket["labels"],
            "closed_at": closed_at,
            "web_url": f"https://gitlab.example.org/acme/web/shop/-/issues/{number}",
        }

    def shut(self, number: int, how: str, at: datetime | None = None) -> None:
        ticket = self.tickets[number]
        ticket.update(state="closed", closed_at=at or now())
        if how == "declined":
            ticket["labels"] = [*ticket["labels"], "wontfix"]
