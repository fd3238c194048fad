"""Notices go in; each fault's issue leaves for a Redmine project, by its REST API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from tocsin.config.setting import Setting, choice, pairs, text, texts
from tocsin.render.markup import Markup
from tocsin.sinks.endpoint import http_url
from tocsin.sinks.http import HTTP_SETTINGS, Http
from tocsin.sinks.tickets.lifecycle import TICKET_SETTINGS
from tocsin.sinks.tickets.rest import Rest, brief, chosen, has, moment
from tocsin.sinks.tickets.rest_sink import TOKEN, RestSink
from tocsin.sinks.tickets.ticket import LOOKED_AT, Draft, Ticket, TicketState, Tracker

__all__ = ["RedmineSink"]

_IDENTIFIER: Final = re.compile(r"[a-z0-9_-]{1,100}")
_FOUND: Final = 25  # whole issues in an answer
_PRIORITIES: Final = {"CRITICAL": "Urgent", "ERROR": "High", "WARNING": "Normal"}
_RIGHTS: Final = "enable REST (Administration, Settings, API); give the role View, Add and Edit issues and Add notes"
_PLACE: Final = "check url and project; is it active, and has it the module Issue tracking?"
_STAYS: Final = "It stays closed: its workflow has no open status that this account may set."


def _identifier(value: Any) -> str:
    """Parse a project's identifier."""
    name = text(value).strip().strip("/")
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError("must be the project's identifier, as in its URL: shop")
    return name


class _Project:
    """Make the life cycle's calls to one project. Not thread-safe."""

    body_chars: int = 30_000  # Redmine before 3.4 took 65,535 bytes; nobody reads so much

    def __init__(self, http: Http, options: Mapping[str, Any]) -> None:
        self._rest = Rest(http, {"X-Redmine-API-Key": options["token"]}, rights=_RIGHTS, place=_PLACE)
        self._options = options
        self._base = http.base
        self._project = f"/projects/{options['project']}"
        self.markup: Markup = options["text_formatting"]

    def find(self, keyword: str) -> Ticket | None:
        """Return the issue whose description holds the keyword where we write it; the database is asked, no index."""
        query = {"status_id": "*", "subproject_id": "!*", "description": f"~{keyword}", "sort": "id:desc"}
        found = self._issues(query, _FOUND)
        kept = [each for each in found if _is_kept_for(keyword, str(each.get("description")))]
        return chosen(self._ticket(each) for each in kept[:LOOKED_AT])

    def create(self, draft: Draft) -> Ticket:
        """Make an issue. What the project has no such value for is left to its default."""
        wished, _ = self._wished(draft.level)
        issue = {"project_id": self._options["project"], "subject": draft.title, "description": draft.body, **wished}
        made = self._rest.send("POST", "/issues.json", {"issue": issue}, dict, step="making an issue").get("issue")
        if not isinstance(made, dict):
            raise self._rest.strange("making an issue")
        return self._ticket(made)

    def has_said(self, ticket: Ticket, mark: str) -> bool:
        """Look through the description and the notes."""
        return has(mark, self._said(ticket))

    def comment(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Add a note and replace the description, in one call."""
        self._update(ticket, text, {} if body is None else {"description": body})

    def reopen(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Set an open status with a note, in one call; where the workflow has none, the note says so."""
        change: dict[str, Any] = {} if body is None else {"description": body}
        status = self._open_status(ticket)
        if status is None:
            self._update(ticket, f"{_STAYS}\n\n{text}", change)
            return
        self._update(ticket, text, {**change, "status_id": status})

    def check(self) -> str:
        """Log in, ask for the project and search."""
        self._rest.get("/users/current.json", dict, step="logging in")
        self._issues({"status_id": "*"}, 1)
        _, missing = self._wished("ERROR")
        told = [f"search works in {self._options['project']}"]
        if missing:
            told.append(f"the project has no {', '.join(missing)}, so its default is taken")
        told.append("not proved without an issue: the rights to make, to note and to reopen")
        return "; ".join(told)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._rest.close()

    # -- calls -----------------------------------------------------------------------------------------
    def _issues(self, query: Mapping[str, str], most: int) -> list[dict[str, Any]]:
        path = f"{self._project}/issues.json"
        found = self._rest.get(path, dict, step="searching", limit=most, **query).get("issues")
        if not isinstance(found, list):
            raise self._rest.strange("searching")
        return [each for each in found if isinstance(each, dict)]

    def _update(self, ticket: Ticket, text: str, change: Mapping[str, Any]) -> None:
        def say(said: str) -> None:
            issue = {"notes": said, **change}
            self._rest.send("PUT", f"/issues/{ticket.id}.json", {"issue": issue}, type(None), step="commenting")

        brief(say, text)

    def _read(self, ticket: Ticket, include: str) -> dict[str, Any]:
        path = f"/issues/{ticket.id}.json"
        found = self._rest.get(path, dict, step="reading an issue", include=include).get("issue")
        if not isinstance(found, dict):
            raise self._rest.strange("reading an issue")
        return found

    def _open_status(self, ticket: Ticket) -> Any:
        """Return the status to reopen by: the wished one if it may be set, else the first open one that may."""
        allowed = self._read(ticket, "allowed_statuses").get("allowed_statuses")
        if not isinstance(allowed, list):  # before Redmine 5.0; one that isn't allowed is left out silently
            allowed = self._rest.get("/issue_statuses.json", dict, step="reopening").get("issue_statuses")
        ways = [each for each in allowed or () if isinstance(each, dict) and not each.get("is_closed")]
        wished = [each for each in ways if each.get("name") == self._options["reopen_status"]]
        return next((each.get("id") for each in [*wished, *ways]), None)

    def _wished(self, level: str) -> tuple[dict[str, Any], list[str]]:
        """Return a new issue's fields by their numbers, and what was left out since it isn't there."""
        options, step = self._options, "asking for fields"
        query = {"include": "trackers,issue_categories"}
        about = self._rest.get(f"{self._project}.json", dict, step=step, **query).get("project")
        project = about if isinstance(about, dict) else {}
        fields: dict[str, tuple[str, Any]] = {
            "tracker_id": (options["tracker"], project.get("trackers")),
            "category_id": (options["category"], project.get("issue_categories")),
        }
        priority = options["priorities"].get(level, "")
        if priority:
            found = self._rest.get("/enumerations/issue_priorities.json", dict, step=step)
            fields["priority_id"] = (priority, found.get("issue_priorities"))
        if options["assignee"]:
            found = self._rest.get(f"{self._project}/memberships.json", dict, step=step, limit=100)
            members = [each.get("user") or each.get("group") for each in found.get("memberships") or ()]
            fields["assigned_to_id"] = (options["assignee"], members)
        return _numbered(fields)

    def _said(self, ticket: Ticket) -> Iterator[list[str]]:
        yield [ticket.body]
        journals = self._read(ticket, "journals").get("journals")
        yield [str(each.get("notes")) for each in journals or () if isinstance(each, dict)]

    def _ticket(self, issue: Mapping[str, Any]) -> Ticket:
        status = issue.get("status")
        if not isinstance(issue.get("id"), int) or not isinstance(status, dict):
            raise self._rest.strange("searching")
        state: TicketState = "open"
        if self._is_closed(status):
            leave = {name.casefold() for name in self._options["leave_closed"]}
            state = "declined" if str(status.get("name")).casefold() in leave else "fixed"
        number, closed_at = str(issue["id"]), moment(issue.get("closed_on"))
        url = f"{self._base}/issues/{number}"
        return Ticket(number, url, state, str(issue.get("description") or ""), None if state == "open" else closed_at)

    def _is_closed(self, status: Mapping[str, Any]) -> bool:
        if "is_closed" in status:  # since Redmine 5.0
            return status["is_closed"] is True
        found = self._rest.get("/issue_statuses.json", dict, step="searching").get("issue_statuses")
        known = {each.get("id"): each for each in found or () if isinstance(each, dict)}
        return bool((known.get(status.get("id")) or {}).get("is_closed"))


def _is_kept_for(keyword: str, description: str) -> bool:
    return any(line.startswith("Kept by tocsin:") and keyword in line for line in description.splitlines())


def _numbered(fields: Mapping[str, tuple[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    found, left_out = {}, []
    for field, (wished, known) in fields.items():
        if not wished:
            continue
        numbers = {str(each.get("name")).casefold(): each.get("id") for each in known or () if isinstance(each, dict)}
        number = numbers.get(wished.casefold())
        if number is None:
            left_out.append(f"{field.removesuffix('_id').replace('_', ' ')} {wished!r}")
        else:
            found[field] = number
    return found, left_out


class RedmineSink(RestSink):
    """Keep one issue per fault in a Redmine project."""

    type: ClassVar[str] = "redmine"
    form: ClassVar[str] = "redmine://key@redmine.example.org/project"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("url", http_url, None, "the server, such as https://redmine.example.org", is_required=True),
        Setting("project", _identifier, None, "the project's identifier, as in its URL", is_required=True),
        TOKEN,
        Setting(
            "text_formatting",
            choice("textile", "markdown"),
            "textile",
            "how the server renders texts, as Administration, Settings, General says; CommonMark is markdown",
        ),
        Setting("tracker", text, "Bug", "the tracker of new issues; one the project lacks is left to its default"),
        Setting(
            "priorities",
            pairs,
            _PRIORITIES,
            "level = priority of new issues; one that is not there is left to the default",
            type_name="table",
        ),
        Setting("category", text, "", "the category of new issues"),
        Setting("assignee", text, "", "the member or group of the project that new issues go to, by its full name"),
        Setting("reopen_status", text, "", "the status to reopen by; left out: the first open one that may be set"),
        Setting(
            "leave_closed",
            texts,
            ("Rejected",),
            "statuses by which an issue stays closed, and silent; others are reopened",
            type_name="list",
        ),
        *TICKET_SETTINGS,
        *HTTP_SETTINGS,
    )

    @classmethod
    def new_tracker(cls, http: Http, options: Mapping[str, Any]) -> Tracker:
        """Return the project's issues."""
        return _Project(http, options)
