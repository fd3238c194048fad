"""Notices go in; each fault's issue leaves for a GitLab project, on gitlab.com or a server of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final
from urllib.parse import quote

from tocsin.config.setting import Setting, boolean, text
from tocsin.render.markup import Markup
from tocsin.sinks.endpoint import http_url
from tocsin.sinks.http import HTTP_SETTINGS, Http
from tocsin.sinks.tickets.lifecycle import TICKET_SETTINGS
from tocsin.sinks.tickets.rest import SAID_PAGES, Rest, RestFault, brief, chosen, has, moment, state_of
from tocsin.sinks.tickets.rest_sink import ASSIGNEES, LABELS, LEAVE_CLOSED, TOKEN, RestSink
from tocsin.sinks.tickets.ticket import LOOKED_AT, Draft, Ticket, Tracker

__all__ = ["GitLabSink"]

_PUBLIC: Final = "https://gitlab.com"
_COLOUR: Final = "#d9534f"
_PAGE: Final = 15
_PLANNER: Final = 15  # Guest is 10, Reporter 20
_PROJECT: Final = re.compile(r"[0-9]{1,18}|[\w.-]{1,255}(/[\w.-]{1,255}){1,20}", re.ASCII)
_RIGHTS: Final = "give the token the scope api and the role Planner or Reporter, which may make labels"
_PLACE: Final = "check url and project, and that the token may see it"


def _project_path(value: Any) -> str:
    """Parse a project's number, or its path with its groups."""
    path = str(value).strip().strip("/")
    if isinstance(value, bool) or not _PROJECT.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("must be a project's number, or its path such as group/shop")
    return path


class _Project:
    """Make the life cycle's calls to one project. Not thread-safe."""

    markup: Markup = "markdown"
    body_chars: int = 60_000  # GitLab takes 1,048,576; nobody reads so much

    def __init__(self, http: Http, options: Mapping[str, Any]) -> None:
        self._rest = Rest(http, {"PRIVATE-TOKEN": options["token"]}, rights=_RIGHTS, place=_PLACE)
        self._options = options
        self._project = f"/projects/{quote(options['project'], safe='')}"

    def find(self, keyword: str) -> Ticket | None:
        """Return the issue labelled by the keyword."""
        query = {"labels": keyword, "scope": "all", "state": "all", "order_by": "created_at", "sort": "desc"}
        found = self._rest.get(f"{self._project}/issues", list, step="searching", per_page=_PAGE, **query)
        labelled = [each for each in found if isinstance(each, dict) and keyword in (each.get("labels") or ())]
        return chosen(self._ticket(each) for each in labelled[:LOOKED_AT])

    def create(self, draft: Draft) -> Ticket:
        """Make the label, then the issue: who may not make labels would make issues that are never found again."""
        try:
            label = {"name": draft.keyword, "color": _COLOUR}
            self._rest.send("POST", f"{self._project}/labels", label, dict, step="making a label")
        except RestFault as fault:
            if fault.status != 409:  # 409: it is there
                raise
        needed = {
            "title": draft.title,
            "description": draft.body,
            "labels": ",".join([draft.keyword, *self._options["labels"]]),
        }
        path = f"{self._project}/issues"
        return self._ticket(self._rest.make(path, {**needed, **self._wished()}, needed))

    def has_said(self, ticket: Ticket, mark: str) -> bool:
        """Look through the description and the latest comments."""
        return has(mark, self._said(ticket))

    def comment(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Replace the description, then comment."""
        if body is not None:
            self._edit(ticket, {"description": body})
        path = f"{self._project}/issues/{ticket.id}/notes"
        brief(lambda said: self._rest.send("POST", path, {"body": said}, dict, step="commenting"), text)

    def reopen(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Open it with the new description, then comment."""
        self._edit(ticket, {"state_event": "reopen", **({} if body is None else {"description": body})})
        self.comment(ticket, text)

    def check(self) -> str:
        """Ask for the project, for its issues, and for the account's role in it."""
        about = self._rest.get(self._project, dict, step="asking for the project")
        self._rest.get(f"{self._project}/issues", list, step="searching", scope="all", per_page=1)
        told = [f"{about.get('path_with_namespace')} has issues that the token may read"]
        rights = about.get("permissions")
        each = [rights.get(name) for name in ("project_access", "group_access")] if isinstance(rights, dict) else []
        levels = [found.get("access_level") for found in each if isinstance(found, dict)]
        known = [level for level in levels if isinstance(level, int)]
        if not known:  # an administrator's, by a group the project is shared with, or none
            told.append(f"not proved, since the account's role is not told: the right to make labels; else {_RIGHTS}")
        elif max(known) < _PLANNER:
            told.append(f"the account's role has no right to make labels: {_RIGHTS}")
        told.append("not proved without an issue: the right to write")
        return "; ".join(told)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._rest.close()

    def _wished(self) -> dict[str, Any]:
        """Return what a project may refuse; accounts are found by their names."""
        numbers = []
        for name in self._options["assignees"]:
            users = self._rest.get("/users", list, step="looking for an assignee", username=name)
            numbers += [user["id"] for user in users[:1] if isinstance(user, dict) and "id" in user]
        wished = {"assignee_ids": numbers, "issue_type": self._options["issue_type"]}
        wished["confidential"] = self._options["confidential"]
        return {name: value for name, value in wished.items() if value}

    def _edit(self, ticket: Ticket, change: Mapping[str, Any]) -> None:
        self._rest.send("PUT", f"{self._project}/issues/{ticket.id}", change, dict, step="changing an issue")

    def _said(self, ticket: Ticket) -> Iterator[list[str]]:
        yield [ticket.body]
        for page in range(1, SAID_PAGES + 1):
            query = {"sort": "desc", "order_by": "created_at", "per_page": _PAGE, "page": page}
            path = f"{self._project}/issues/{ticket.id}/notes"
            found = self._rest.get(path, list, step="reading comments", **query)
            yield [str(each.get("body")) for each in found if isinstance(each, dict)]
            if len(found) < _PAGE:
                return

    def _ticket(self, issue: Mapping[str, Any]) -> Ticket:
        if not isinstance(issue.get("iid"), int):
            raise self._rest.strange("searching")
        state = state_of(issue, map(str, issue.get("labels") or ()), self._options["leave_closed"])
        body, url = issue.get("description") or "", str(issue.get("web_url"))
        return Ticket(str(issue["iid"]), url, state, str(body), moment(issue.get("closed_at")))


class GitLabSink(RestSink):
    """Keep one issue per fault in a GitLab project."""

    type: ClassVar[str] = "gitlab"
    place_parts: ClassVar[int] = 0
    form: ClassVar[str] = "gitlab://token@gitlab.example.org/group/project"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("url", http_url, _PUBLIC, "the server, such as https://gitlab.example.org"),
        Setting("project", _project_path, None, "its number, or its path such as group/shop", is_required=True),
        TOKEN,
        LABELS,
        ASSIGNEES,
        Setting("issue_type", text, "", "the type of new issues, such as incident; left out: issue"),
        Setting(
            "confidential", boolean, False, "whether new issues are for the project's members only", type_name="boolean"
        ),
        LEAVE_CLOSED,
        *TICKET_SETTINGS,
        *HTTP_SETTINGS,
    )

    @classmethod
    def api(cls, url: str) -> str:
        """Return the API's URL, for the server's."""
        return url if url.endswith("/api/v4") else f"{url}/api/v4"

    @classmethod
    def new_tracker(cls, http: Http, options: Mapping[str, Any]) -> Tracker:
        """Return the project's issues."""
        return _Project(http, options)

    @classmethod
    def url_of(cls, origin: str, path: str) -> str:
        """Return gitlab.com where no host is named."""
        return origin + path if origin else _PUBLIC
