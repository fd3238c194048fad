"""Notices go in; each fault's issue leaves for a Jira project, on Cloud or Data Center, by version 2 of its API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from tocsin.config.setting import Setting, pairs, text, texts
from tocsin.render.markup import Markup
from tocsin.sinks.endpoint import http_url
from tocsin.sinks.http import HTTP_SETTINGS, Http, basic_authorization
from tocsin.sinks.tickets.lifecycle import TICKET_SETTINGS
from tocsin.sinks.tickets.rest import Rest, RestFault, brief, chosen, has, moment
from tocsin.sinks.tickets.rest_sink import LABELS, TOKEN, RestSink, table
from tocsin.sinks.tickets.ticket import LOOKED_AT, Draft, Ticket, TicketState, Tracker

__all__ = ["JiraSink"]

_KEY: Final = re.compile(r"[A-Z][A-Z0-9_]{1,79}")
_FIELDS: Final = "description,labels,project,resolution,resolutiondate,status"
_COMMENTS: Final = 50
_AHEAD: Final = 50  # issues made since the search last saw one: those of other people count as well
_DECLINED: Final = ("Won't Fix", "Won't Do", "Invalid", "Duplicate", "Cannot Reproduce", "Declined", "Rejected")
_RIGHTS: Final = "give the account Browse Projects, Create, Edit, Transition Issues and Add Comments in the project"
_PLACE: Final = "check url (without /rest) and project, and that the account may see it"
_STAYS: Final = "It stays closed: its workflow has no transition to an open status that this account may use."


def _project_key(value: Any) -> str:
    """Parse a project's key."""
    key = text(value).strip().upper()
    if not _KEY.fullmatch(key):
        raise ValueError("must be the project's key, such as SHOP")
    return key


class _Project:
    """Make the life cycle's calls to one project. Not thread-safe."""

    markup: Markup = "jira"
    body_chars: int = 30_000  # Jira takes 32,767 unless told otherwise

    def __init__(self, http: Http, options: Mapping[str, Any]) -> None:
        self._rest = Rest(http, {"Authorization": _authorization(options)}, rights=_RIGHTS, place=_PLACE)
        self._options = options
        self._site = options["url"]
        self._is_cloud: bool | None = None  # None: not asked yet

    def find(self, keyword: str) -> Ticket | None:
        """Return the issue labelled by the keyword, as it is now: what a search finds may be stale."""
        project = self._options["project"]
        keys = self._search(f'project = "{project}" AND labels = "{keyword}" ORDER BY created DESC', LOOKED_AT)
        issues = [self._read(key) for key in keys]
        found = [each for each in issues if each is not None and keyword in _labels(each)]
        if not found and self._asks_cloud():
            found = [each for each in self._newest() if keyword in _labels(each)]
        return chosen(self._ticket(each) for each in found)

    def create(self, draft: Draft) -> Ticket:
        """Make an issue; further labels and optional fields that the project refuses are left out."""
        options = self._options
        needed: dict[str, Any] = {
            "issuetype": {"name": options["issue_type"]},
            **options["fields"],
            "project": {"key": options["project"]},  # what it is found by goes before what fields say
            "summary": draft.title,
            "description": draft.body,
            "labels": [draft.keyword],
        }
        labelled = {**needed, "labels": [draft.keyword, *options["labels"]]}
        wished: dict[str, Any] = {}
        if draft.level in options["priorities"] and "priority" not in options["fields"]:
            wished["priority"] = {"name": options["priorities"][draft.level]}
        if options["assignee"]:
            wished["assignee"] = {"accountId" if self._asks_cloud() else "name": options["assignee"]}
        drafts = ({**labelled, **wished}, labelled, needed)
        made = self._rest.make("/issue", *({"fields": fields} for fields in drafts))
        key = made.get("key")
        if not isinstance(key, str):
            raise self._rest.strange("making an issue")
        return Ticket(key, self._url(key), "open", draft.body)

    def has_said(self, ticket: Ticket, mark: str) -> bool:
        """Look through the description and the latest comments."""
        return has(mark, self._said(ticket))

    def comment(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Replace the description, then comment."""
        self._describe(ticket, body)
        path = f"/issue/{ticket.id}/comment"
        brief(lambda said: self._rest.send("POST", path, {"body": said}, dict, step="commenting"), text)

    def reopen(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Replace the description, make the first transition that opens it, then comment; none: the comment says so."""
        self._describe(ticket, body)
        self.comment(ticket, text if self._is_opened(ticket) else f"{_STAYS}\n\n{text}")

    def check(self) -> str:
        """Log in, and ask for the project and for what may be made there."""
        options = self._options
        about = self._about()
        self._rest.get("/myself", dict, step="logging in")
        project = self._rest.get(f"/project/{options['project']}", dict, step="asking for the project")
        self._search(f'project = "{options["project"]}" ORDER BY created DESC', 1)
        told = [f"Jira {about.get('deploymentType')} {about.get('version')}: search works in {options['project']}"]
        types = [str(each.get("name")) for each in project.get("issueTypes") or () if isinstance(each, dict)]
        if options["issue_type"] not in types and "issuetype" not in options["fields"]:
            told.append(f"the project has no issue type {options['issue_type']!r}, but {', '.join(types[:8])}")
        query = {"projectKey": options["project"], "permissions": ",".join(_PERMISSIONS)}
        rights = self._rest.get("/mypermissions", dict, step="asking for rights", **query).get("permissions")
        held = rights if isinstance(rights, dict) else {}
        missing = [name for name in _PERMISSIONS if not (held.get(name) or {}).get("havePermission")]
        told.append(f"missing rights: {', '.join(missing)}" if missing else "issues may be made, changed and reopened")
        return "; ".join(told)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._rest.close()

    # -- calls -----------------------------------------------------------------------------------------
    def _asks_cloud(self) -> bool:
        if self._is_cloud is None:
            self._is_cloud = self._about().get("deploymentType") == "Cloud"
        return self._is_cloud

    def _about(self) -> dict[str, Any]:
        about = self._rest.get("/serverInfo", dict, step="asking for the server")
        if not isinstance(about.get("version"), str):
            raise self._rest.strange("asking for the server")
        return about

    def _search(self, jql: str, most: int) -> list[str]:
        """Return the keys of what JQL finds. Cloud has another path for it since 2025, whose index lags."""
        path = "/search/jql" if self._asks_cloud() else "/search"
        asked = {"jql": jql, "fields": ["labels"], "maxResults": most}
        issues = self._rest.send("POST", path, asked, dict, step="searching").get("issues")
        if not isinstance(issues, list):
            raise self._rest.strange("searching")
        return [str(each["key"]) for each in issues if isinstance(each, dict) and "key" in each]

    def _newest(self) -> list[dict[str, Any]]:
        """Return what Cloud's search doesn't see yet: keys are counted up, and are read without an index."""
        project = self._options["project"]
        latest = self._search(f'project = "{project}" ORDER BY key DESC', 1)
        number = latest[0].rpartition("-")[2] if latest else "0"
        start = int(number) if number.isdecimal() else 0
        keys = [f"{project}-{start + ahead}" for ahead in range(1, _AHEAD + 1)]
        asked = {"issueIdsOrKeys": keys, "fields": _FIELDS.split(",")}
        found = self._rest.send("POST", "/issue/bulkfetch", asked, dict, step="searching").get("issues")
        return [each for each in reversed(found or []) if isinstance(each, dict)]

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            return self._rest.get(f"/issue/{key}", dict, step="reading an issue", fields=_FIELDS)
        except RestFault as fault:
            if fault.status == 404:  # deleted since
                return None
            raise

    def _describe(self, ticket: Ticket, body: str | None) -> None:
        """Replace the description; an account or a screen that doesn't allow it doesn't hold up the comment."""
        if body is None:
            return
        try:
            change = {"fields": {"description": body}}
            self._rest.send("PUT", f"/issue/{ticket.id}", change, type(None), step="changing an issue")
        except RestFault as fault:
            if not fault.is_refusal and fault.status != 403:  # no right to edit
                raise

    def _is_opened(self, ticket: Ticket) -> bool:
        path = f"/issue/{ticket.id}/transitions"
        found = self._rest.get(path, dict, step="reopening").get("transitions")
        ways = [each for each in found or () if isinstance(each, dict)]
        for category in ("new", "indeterminate"):
            for way in ways:
                to = way.get("to") or {}
                if (to.get("statusCategory") or {}).get("key") != category:
                    continue
                try:
                    self._rest.send("POST", path, {"transition": {"id": way.get("id")}}, type(None), step="reopening")
                except RestFault as fault:
                    if not fault.is_refusal:  # refused: a screen that asks for more; the next one may not
                        raise
                else:
                    return True
        return False

    def _said(self, ticket: Ticket) -> Iterator[list[str]]:
        yield [ticket.body]
        query = {"orderBy": "-created", "maxResults": _COMMENTS}
        found = self._rest.get(f"/issue/{ticket.id}/comment", dict, step="reading comments", **query).get("comments")
        yield [str(each.get("body")) for each in found or () if isinstance(each, dict)]

    def _ticket(self, issue: Mapping[str, Any]) -> Ticket:
        fields, key = issue.get("fields"), str(issue.get("key"))
        if not isinstance(fields, dict) or "key" not in issue:
            raise self._rest.strange("searching")
        status = fields.get("status") or {}
        state: TicketState = "open"
        if (status.get("statusCategory") or {}).get("key") == "done":
            names = {str((fields.get("resolution") or {}).get("name")), str(status.get("name"))}
            leave = {name.casefold() for name in self._options["leave_closed"]}
            state = "declined" if {name.casefold() for name in names} & leave else "fixed"
        closed_at = moment(fields.get("resolutiondate"))
        return Ticket(key, self._url(key), state, str(fields.get("description") or ""), closed_at)

    def _url(self, key: str) -> str:
        return f"{self._site}/browse/{key}"


_PERMISSIONS: Final = ("BROWSE_PROJECTS", "CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES")


def _labels(issue: Mapping[str, Any]) -> list[str]:
    fields = issue.get("fields")
    return list(fields.get("labels") or ()) if isinstance(fields, dict) else []


def _authorization(options: Mapping[str, Any]) -> str:
    if not options["user"]:
        return f"Bearer {options['token']}"
    return basic_authorization(options["user"], options["token"])


class JiraSink(RestSink):
    """Keep one issue per fault in a Jira project."""

    type: ClassVar[str] = "jira"
    form: ClassVar[str] = "jira://user:token@acme.atlassian.net/KEY"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("url", http_url, None, "the site, such as https://acme.atlassian.net", is_required=True),
        Setting("project", _project_key, None, "the project's key, such as SHOP", is_required=True),
        Setting(
            "user", text, "", "the account's e-mail on Cloud; left out: the token is a personal one of Data Center"
        ),
        TOKEN,
        LABELS,
        Setting("issue_type", text, "Bug", "the type of new issues"),
        Setting(
            "priorities",
            pairs,
            {"CRITICAL": "Highest", "ERROR": "High", "WARNING": "Medium"},
            "level = priority of new issues; what the project refuses is left out",
            type_name="table",
        ),
        Setting("assignee", text, "", "who new issues go to: an account id on Cloud, else a name"),
        Setting("fields", table, {}, "further fields of new issues, as the API takes them", type_name="table"),
        Setting(
            "leave_closed",
            texts,
            _DECLINED,
            "resolutions or statuses by which an issue stays closed, and silent; others are reopened",
            type_name="list",
        ),
        *TICKET_SETTINGS,
        *HTTP_SETTINGS,
    )

    @classmethod
    def api(cls, url: str) -> str:
        """Return the API's URL, for the site's."""
        return f"{url}/rest/api/2"

    @classmethod
    def new_tracker(cls, http: Http, options: Mapping[str, Any]) -> Tracker:
        """Return the project's issues."""
        return _Project(http, options)

    @classmethod
    def credentials(cls, user: str, password: str) -> dict[str, str]:
        """Return user and token, or a token alone."""
        return {"user": user, "token": password} if user and password else super().credentials(user, password)
