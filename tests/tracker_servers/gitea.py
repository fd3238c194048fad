"""Gitea's and Forgejo's API v1 for issues and labels, as their Swagger pages tell it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from http_receiver import Request
from tracker_servers.base import READ_ONLY, TOKEN, Answer, Refusal, Server, now

__all__ = ["GiteaServer"]

_REPO = r"/api/v1/repos/acme/shop"
_MOST = 50  # MAX_RESPONSE_ITEMS


class GiteaServer(Server):
    """Be one repository, acme/shop. Labels go by numbers: a name asks for all of that name, one not there for none."""

    routes: ClassVar[dict[str, str]] = {
        f"GET {_REPO}": "repository",
        f"GET {_REPO}/issues": "listed",
        f"POST {_REPO}/issues": "create",
        rf"PATCH {_REPO}/issues/(\d+)": "update",
        f"GET {_REPO}/labels": "labels_listed",
        f"POST {_REPO}/labels": "label",
        rf"PATCH {_REPO}/labels/(\d+)": "label_edited",
        rf"GET {_REPO}/issues/(\d+)/comments": "comments",
        rf"POST {_REPO}/issues/(\d+)/comments": "comment",
    }

    def __init__(self) -> None:
        super().__init__()
        self.labels: list[str] = ["bug", "wontfix"]  # a label's number is its place
        self.users = {"gopher"}
        self.may_write = True  # else labels of new issues are dropped, and none can be made
        self.about = {"full_name": "acme/shop", "has_issues": True, "archived": False}

    def authenticate(self, request: Request) -> None:
        if request.headers.get("authorization") not in (f"token {TOKEN}", f"token {READ_ONLY}"):
            raise Refusal(401, {"message": "user does not exist", "url": "https://git.example.org/api/swagger"})

    def forbid(self) -> None:
        raise Refusal(403, {"message": "token does not have at least one of required scope(s): [write:issue]"})

    def repository(self, query: Mapping[str, str]) -> Answer:
        return 200, self.about

    def labels_listed(self, query: Mapping[str, str]) -> Answer:
        asked = self.parameters(query, "limit", "page")
        rows = [{"id": at, "name": name, "color": "d9534f"} for at, name in enumerate(self.labels, 1)]
        return 200, self.page(rows, asked, size="limit", most=_MOST)

    def label(self, value: Any) -> Answer:
        asked = self.fields(value, {"name": str, "color": str}, {"description": str})
        if not self.may_write:
            self.forbid()
        if not asked["color"].startswith("#") or len(asked["name"]) > 50:
            raise Refusal(422, {"message": "[Color]: Hexadecimal"})
        self.labels.append(asked["name"])  # twice, if asked twice
        return 201, {"id": len(self.labels), "name": asked["name"]}

    def label_edited(self, number: str, value: Any) -> Answer:
        asked = self.fields(value, {}, {"name": str, "color": str, "description": str})
        if not self.may_write:
            self.forbid()
        if not 0 < int(number) <= len(self.labels):
            raise Refusal(404, {"message": "label does not exist"})
        self.labels[int(number) - 1] = asked.get("name", self.labels[int(number) - 1])
        return 200, {"id": int(number), "name": self.labels[int(number) - 1]}

    def listed(self, query: Mapping[str, str]) -> Answer:
        asked = self.parameters(query, "labels", "state", "type", "limit", "page")
        wished = set(asked.get("labels", "").split(",")) & set(self.labels)
        rows = [
            self.shown(each)
            for each in reversed(self.tickets.values())
            if all(each["labels"].count(name) >= self.labels.count(name) for name in wished)
            and asked.get("state", "open") in ("all", each["state"])
            and not (each["is_pull"] and asked.get("type") == "issues")
        ]
        return 200, self.page(rows, asked, size="limit", most=_MOST)

    def create(self, value: Any) -> Answer:
        optional = {"body": str, "labels": list, "assignees": list}
        asked = self.fields(value, {"title": str}, optional)
        if len(asked["title"]) > 255 or not set(asked.get("assignees", ())) <= self.users:
            raise Refusal(422, {"message": "Assignee does not exist: [name: nobody]"})
        numbers = asked.get("labels", [])
        if not all(isinstance(number, int) and 0 < number <= len(self.labels) for number in numbers):
            raise Refusal(422, {"message": "labels are numbers"})
        names = [self.labels[number - 1] for number in numbers] if self.may_write else []
        return 201, self.shown(self.add(asked["title"], asked.get("body", ""), names))

    def add(self, title: str, body: str, labels: list[str], **more: Any) -> dict[str, Any]:
        number = len(self.tickets) + 1
        ticket = {"number": number, "title": title, "body": body, "labels": labels, "state": "open"}
        self.tickets[number] = ticket | {"closed_at": None, "comments": [], "is_pull": False, **more}
        self.labels += [label for label in labels if label not in self.labels]
        return self.tickets[number]

    def update(self, number: str, value: Any) -> Answer:
        asked = self.fields(value, {}, {"title": str, "body": str, "state": str})
        ticket = self.of(number)
        if asked.get("state") == "open":
            asked["closed_at"] = None
        ticket.update(asked)
        return 201, self.shown(ticket)

    def comments(self, number: str, query: Mapping[str, str]) -> Answer:
        self.parameters(query, "since", "before")
        return 200, [{"id": at, "body": text} for at, text in enumerate(self.of(number)["comments"])]

    def comment(self, number: str, value: Any) -> Answer:
        asked = self.fields(value, {"body": str}, {})
        self.of(number)["comments"].append(asked["body"])
        return 201, {"id": 1, "body": asked["body"]}

    def of(self, number: str) -> dict[str, Any]:
        if int(number) not in self.tickets:
            raise Refusal(404, {"message": "issue does not exist"})
        return self.tickets[int(number)]

    def shown(self, ticket: Mapping[str, Any]) -> dict[str, Any]:
        found = {name: ticket[name] for name in ("number", "title", "body", "state")}
        found["labels"] = [{"id": self.labels.index(name) + 1, "name": name} for name in ticket["labels"]]
        found["closed_at"] = ticket["closed_at"].isoformat() if ticket["closed_at"] else None
        found["comments"] = len(ticket["comments"])
        found["html_url"] = f"https://git.example.org/acme/shop/issues/{ticket['number']}"
        return found | {"pull_request": {"merged": False} if ticket["is_pull"] else None}

    def shut(self, number: int, how: str, at: datetime | None = None) -> None:
        ticket = self.tickets[number]
        ticket.update(state="closed", closed_at=at or now())
        if how == "declined":
            ticket["labels"] = [*ticket["labels"], "wontfix"]
