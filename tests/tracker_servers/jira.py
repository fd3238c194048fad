"""Jira's REST API v2, of Data Center and of Cloud, as developer.atlassian.com tells it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from http_receiver import Request
from tracker_servers.base import READ_ONLY, TOKEN, Answer, Refusal, Server, now

__all__ = ["USER", "JiraServer"]

USER = "bot@example.org"
_API = "/rest/api/2"
_RIGHTS = ("BROWSE_PROJECTS", "CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES")
_CATEGORIES = {"To Do": "new", "In Progress": "indeterminate", "Done": "done"}


class JiraServer(Server):
    """Be one project, SHOP. ``is_cloud``: its search has another path, and sees nothing after ``indexed``."""

    routes: ClassVar[dict[str, str]] = {
        f"GET {_API}/serverInfo": "server_info",
        f"GET {_API}/myself": "myself",
        f"GET {_API}/project/SHOP": "project",
        f"GET {_API}/mypermissions": "rights",
        f"POST {_API}/search": "search",
        f"POST {_API}/search/jql": "search_jql",
        f"POST {_API}/issue/bulkfetch": "bulk",
        f"POST {_API}/issue": "create",
        rf"GET {_API}/issue/SHOP-(\d+)": "read",
        rf"PUT {_API}/issue/SHOP-(\d+)": "update",
        rf"GET {_API}/issue/SHOP-(\d+)/comment": "comments",
        rf"POST {_API}/issue/SHOP-(\d+)/comment": "comment",
        rf"GET {_API}/issue/SHOP-(\d+)/transitions": "transitions",
        rf"POST {_API}/issue/SHOP-(\d+)/transitions": "transition",
    }

    def __init__(self, *, is_cloud: bool = False) -> None:
        super().__init__()
        self.is_cloud = is_cloud
        self.indexed: int | None = None  # None: all
        self.priorities = {"Highest", "High", "Medium"}
        self.ways = ["In Progress", "To Do", "Done"]  # where transitions lead
        self.screens: set[str] = set()  # transitions that ask for more

    def authenticate(self, request: Request) -> None:
        known = [f"Bearer {TOKEN}", f"Bearer {READ_ONLY}"]
        if self.is_cloud:
            known = [f"Basic {base64.b64encode(f'{USER}:{token}'.encode()).decode()}" for token in (TOKEN, READ_ONLY)]
        if request.headers.get("authorization") not in known:
            raise Refusal(401, {"errorMessages": ["You are not authenticated"], "errors": {}})
        if request.headers["authorization"] == known[1] and request.method != "GET" and not self._only_reads(request):
            self.forbid()

    def forbid(self) -> None:
        raise Refusal(403, {"errorMessages": ["You do not have permission"], "errors": {}})

    def unknown(self) -> Answer:
        return 404, {"errorMessages": ["No project could be found"], "errors": {}}

    def server_info(self, query: Mapping[str, str]) -> Answer:
        kind = "Cloud" if self.is_cloud else "Server"
        return 200, {"deploymentType": kind, "version": "1001.0.0" if self.is_cloud else "9.12.2"}

    def myself(self, query: Mapping[str, str]) -> Answer:
        return 200, {"displayName": "bot"}

    def project(self, query: Mapping[str, str]) -> Answer:
        return 200, {"key": "SHOP", "issueTypes": [{"name": "Task"}, {"name": "Bug"}]}

    def rights(self, query: Mapping[str, str]) -> Answer:
        asked = self.parameters(query, "projectKey", "permissions")
        if not set(asked["permissions"].split(",")) <= set(_RIGHTS):
            self.faults.append(asked["permissions"])
        return 200, {"permissions": {name: {"havePermission": True} for name in asked["permissions"].split(",")}}

    def search(self, value: Any) -> Answer:
        if self.is_cloud:
            raise Refusal(410, {"errorMessages": ["The requested API has been removed."], "errors": {}})
        return self.found(value)

    def search_jql(self, value: Any) -> Answer:
        if not self.is_cloud:
            raise Refusal(404, {"errorMessages": ["null for uri"], "errors": {}})
        return self.found(value)

    def found(self, value: Any) -> Answer:
        asked = self.fields(value, {"jql": str, "fields": list, "maxResults": int}, {})
        match = re.fullmatch(
            r'project = "SHOP"(?: AND labels = "([a-z0-9_]+)")? ORDER BY (created|key) DESC', asked["jql"]
        )
        if match is None:
            self.faults.append(asked["jql"])
            raise Refusal(400, {"errorMessages": ["Error in the JQL Query"], "errors": {}})
        seen = [number for number in self.tickets if self.indexed is None or number <= self.indexed]
        rows = [number for number in reversed(seen) if match[1] is None or match[1] in self.tickets[number]["labels"]]
        return 200, {"issues": [self.shown(number, ["labels"]) for number in rows[: asked["maxResults"]]]}

    def bulk(self, value: Any) -> Answer:
        if not self.is_cloud:
            self.faults.append("bulkfetch is Cloud's")
        asked = self.fields(value, {"issueIdsOrKeys": list, "fields": list}, {})
        if len(asked["issueIdsOrKeys"]) > 100:
            raise Refusal(400, {"errorMessages": ["more than 100"], "errors": {}})
        numbers = [int(key.removeprefix("SHOP-")) for key in asked["issueIdsOrKeys"]]
        known = [self.shown(number, asked["fields"]) for number in numbers if number in self.tickets]
        return 200, {"issues": known, "issueErrors": []}

    def create(self, value: Any) -> Answer:
        asked = self.fields(
            self.fields(value, {"fields": dict}, {})["fields"],
            {"project": dict, "summary": str, "issuetype": dict},
            {"description": str, "labels": list, "priority": dict, "assignee": dict, "customfield_10042": dict},
        )
        errors = {}
        if asked["project"] != {"key": "SHOP"}:
            errors["project"] = "project is required"
        if asked["issuetype"].get("name") not in ("Task", "Bug"):
            errors["issuetype"] = "issue type is required"
        if len(asked["summary"]) > 255 or "\n" in asked["summary"]:
            errors["summary"] = "Summary can't exceed 255 characters."
        if len(asked.get("description", "")) > 32_767:
            errors["description"] = "The entered text is too long. It exceeds the allowed limit of 32,767 characters."
        if any(" " in label or len(label) > 255 for label in asked.get("labels", ())):
            errors["labels"] = "The label can't contain spaces."
        if asked.get("priority", {"name": "High"}).get("name") not in self.priorities:
            errors["priority"] = "The priority selected is invalid."
        if asked.get("assignee") not in (None, {"accountId": "5b10"} if self.is_cloud else {"name": "fred"}):
            errors["assignee"] = "User does not exist."
        if errors:
            raise Refusal(400, {"errorMessages": [], "errors": errors})
        number = self.add(asked["summary"], asked.get("description", ""), asked.get("labels", []))["number"]
        self.tickets[number]["fields"] = asked
        return 201, {"id": f"100{number}", "key": f"SHOP-{number}", "self": "x"}

    def add(self, title: str, body: str, labels: list[str]) -> dict[str, Any]:
        number = len(self.tickets) + 1
        ticket = {"number": number, "title": title, "body": body, "labels": labels, "state": "open"}
        self.tickets[number] = ticket | {"status": "To Do", "resolution": None, "closed_at": None, "comments": []}
        return self.tickets[number]

    def read(self, number: str, query: Mapping[str, str]) -> Answer:
        asked = self.parameters(query, "fields")
        return 200, self.shown(self.of(number)["number"], asked["fields"].split(","))

    def update(self, number: str, value: Any) -> Answer:
        asked = self.fields(self.fields(value, {"fields": dict}, {})["fields"], {"description": str}, {})
        if len(asked["description"]) > 32_767:
            raise Refusal(400, {"errorMessages": [], "errors": {"description": "too long"}})
        self.of(number)["body"] = asked["description"]
        return 204, None

    def comments(self, number: str, query: Mapping[str, str]) -> Answer:
        asked = self.parameters(query, "orderBy", "maxResults", "startAt")
        rows = [{"id": str(at), "body": text} for at, text in enumerate(self.of(number)["comments"])]
        if asked.get("orderBy") == "-created":
            rows.reverse()
        return 200, {"comments": rows[: int(asked["maxResults"])], "total": len(rows)}

    def comment(self, number: str, value: Any) -> Answer:
        asked = self.fields(value, {"body": str}, {})
        if not asked["body"].strip() or len(asked["body"]) > 32_767:
            raise Refusal(400, {"errorMessages": [], "errors": {"comment": "Comment body can not be empty!"}})
        self.of(number)["comments"].append(asked["body"])
        return 201, {"id": "1"}

    def transitions(self, number: str, query: Mapping[str, str]) -> Answer:
        ways = [
            {"id": str(at), "name": f"to {name}", "to": {"name": name, "statusCategory": {"key": _CATEGORIES[name]}}}
            for at, name in enumerate(self.ways)
        ]
        return 200, {"transitions": ways}

    def transition(self, number: str, value: Any) -> Answer:
        asked = self.fields(value, {"transition": dict}, {})
        name = self.ways[int(asked["transition"]["id"])]
        if name in self.screens:
            raise Refusal(400, {"errorMessages": [], "errors": {"customfield_1": "is required"}})
        state = "closed" if _CATEGORIES[name] == "done" else "open"
        self.of(number).update(status=name, state=state, resolution=None, closed_at=None)
        return 204, None

    def of(self, number: str) -> dict[str, Any]:
        if int(number) not in self.tickets:
            raise Refusal(404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]})
        return self.tickets[int(number)]

    def shown(self, number: int, fields: list[str]) -> dict[str, Any]:
        ticket = self.tickets[number]
        closed_at = f"{ticket['closed_at']:%Y-%m-%dT%H:%M:%S.000+0000}" if ticket["closed_at"] else None
        known = {
            "description": ticket["body"],
            "labels": ticket["labels"],
            "project": {"key": "SHOP"},
            "resolution": {"name": ticket["resolution"]} if ticket["resolution"] else None,
            "resolutiondate": closed_at,
            "status": {"name": ticket["status"], "statusCategory": {"key": _CATEGORIES[ticket["status"]]}},
        }
        if not set(fields) <= set(known):
            self.faults.append(f"fields {fields}")
        return {"id": f"100{number}", "key": f"SHOP-{number}", "fields": {name: known[name] for name in fields}}

    def shut(self, number: int, how: str, at: datetime | None = None) -> None:
        resolution = {"fixed": "Fixed", "declined": "Won't Do"}.get(how, how)
        self.tickets[number].update(state="closed", status="Done", resolution=resolution, closed_at=at or now())
