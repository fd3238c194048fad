"""Notices go in; each fault's issue leaves for a GitHub repository, on github.com or an Enterprise server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from tocsin.config.setting import Setting, text, texts
from tocsin.render.markup import Markup
from tocsin.sinks.base import Failed, Refused
from tocsin.sinks.endpoint import http_url
from tocsin.sinks.http import HTTP_SETTINGS, Http
from tocsin.sinks.tickets.lifecycle import TICKET_SETTINGS
from tocsin.sinks.tickets.rest import SAID_PAGES, Rest, RestFault, brief, chosen, has, moment, require_writable
from tocsin.sinks.tickets.rest_sink import ASSIGNEES, LABELS, TOKEN, RestSink, repository
from tocsin.sinks.tickets.ticket import LOOKED_AT, Draft, Ticket, TicketState, Tracker

__all__ = ["GitHubSink"]

_PUBLIC: Final = "https://api.github.com"
_PAGE: Final = 15  # of whole issues or comments: many long ones are more than an answer may have
_LATEST_PAGES: Final = 10
_RIGHTS: Final = "give the token “Issues: read and write” for this repository, or the classic scope repo"
_STAYS: Final = "It stays closed: without the right to push, this account can't reopen what others closed."
_PLACE: Final = "check url (the API's, such as https://api.github.com) and repository, and that the token may see it"


class _Repository:
    """Make the life cycle's calls to one repository. Not thread-safe."""

    markup: Markup = "markdown"
    body_chars: int = 40_000  # GitHub takes 65,536

    def __init__(self, http: Http, options: Mapping[str, Any]) -> None:
        headers = {
            "Authorization": f"Bearer {options['token']}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        self._rest = Rest(http, headers, rights=_RIGHTS, place=_PLACE)
        self._options = options
        self._repo = f"/repos/{options['repository']}"
        self._may_label: bool | None = None  # None: not asked yet

    def find(self, keyword: str) -> Ticket | None:
        """Return the issue labelled by the keyword.

        Labels are dropped from what an account without the right to push makes: then it is looked for by its text,
        among the latest of that account, and older ones by search, whose index lags.
        """
        query = {"labels": keyword, "state": "all", "sort": "created", "direction": "desc", "per_page": _PAGE}
        found = self._rest.get(f"{self._repo}/issues", list, step="searching", **query)
        labelled = [each for each in _issues(found) if keyword in _labels(each)]
        ticket = chosen(self._ticket(each) for each in labelled[:LOOKED_AT])
        if ticket is not None or self._labels_are_kept():
            return ticket
        return chosen(self._ticket(each) for each in self._by_text(keyword))

    def create(self, draft: Draft) -> Ticket:
        """Make an issue; further labels, assignees and a type that GitHub refuses are left out."""
        options, path = self._options, f"{self._repo}/issues"
        bare = {"title": draft.title, "body": draft.body}
        needed = {**bare, "labels": [draft.keyword]}
        labelled = {**bare, "labels": [draft.keyword, *options["labels"]]}
        wished = {"assignees": list(options["assignees"]), "type": options["issue_type"]}
        wished = {name: value for name, value in wished.items() if value}
        try:
            made = self._rest.make(path, {**labelled, **wished}, labelled, needed)
        except RestFault as fault:
            # Labels of who may not push are dropped, says the documentation; one that is not there yet is refused.
            if not fault.is_forbidden or self._labels_are_kept():
                raise
            made = self._rest.make(path, {**bare, **wished}, bare)
        if draft.keyword not in _labels(made):
            self._may_label = False
        return self._ticket(made)

    def has_said(self, ticket: Ticket, mark: str) -> bool:
        """Look through the description and the latest comments."""
        return has(mark, self._said(ticket))

    def comment(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Replace the description, then comment; refused for good where people locked the conversation."""
        if body is not None:
            self._edit(ticket, {"body": body})
        path = f"{self._repo}/issues/{ticket.id}/comments"
        try:
            brief(lambda said: self._rest.send("POST", path, {"body": said}, dict, step="commenting"), text)
        except RestFault as fault:
            if not fault.is_forbidden or self._read(ticket).get("locked") is not True:
                raise
            told = f"the conversation on {ticket.url} is locked, and the account may not push"
            raise Failed(Refused(told, "unlock it, or give the account the right to push")) from None

    def reopen(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Open it with the new description, then comment; who may not open it says so in the comment."""
        try:
            self._edit(ticket, {"state": "open", **({} if body is None else {"body": body})})
        except RestFault as fault:
            if not (fault.is_forbidden or fault.is_refusal) or self._labels_are_kept():
                raise
            self.comment(ticket, f"{_STAYS}\n\n{text}", body)
        else:
            self.comment(ticket, text)

    def check(self) -> str:
        """Ask for the repository, and for issues."""
        about = self._rest.get(self._repo, dict, step="asking for the repository")
        require_writable(about, self._options["repository"])
        self._rest.get(f"{self._repo}/issues", list, step="searching", state="all", per_page=1)
        told = [f"{self._options['repository']} has issues that the token may read"]
        if not self._labels_are_kept():
            told.append("the account may not push, so issues get no label and are found by their text")
        told.append("not proved without an issue: the right to write")
        return "; ".join(told)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._rest.close()

    def _edit(self, ticket: Ticket, change: Mapping[str, Any]) -> None:
        self._rest.send("PATCH", f"{self._repo}/issues/{ticket.id}", change, dict, step="changing an issue")

    def _read(self, ticket: Ticket) -> dict[str, Any]:
        return self._rest.get(f"{self._repo}/issues/{ticket.id}", dict, step="reading an issue")

    def _labels_are_kept(self) -> bool:
        if self._may_label is None:
            rights = self._rest.get(self._repo, dict, step="asking for the repository").get("permissions")
            self._may_label = isinstance(rights, dict) and rights.get("push") is True
        return self._may_label

    def _by_text(self, keyword: str) -> Iterator[dict[str, Any]]:
        """Yield issues of our own account that hold the keyword where we write it."""
        who = str(self._rest.get("/user", dict, step="asking for the account").get("login", ""))
        query = {"creator": who, "state": "all", "sort": "created", "direction": "desc", "per_page": _PAGE}
        for page in range(1, _LATEST_PAGES + 1):
            found = self._rest.get(f"{self._repo}/issues", list, step="searching", page=page, **query)
            yield from (each for each in _issues(found) if _is_kept_for(keyword, each))
            if len(found) < _PAGE:
                return
        words = f'"{keyword}" in:body is:issue author:{who} repo:{self._options["repository"]}'
        items = self._rest.get("/search/issues", dict, step="searching", q=words, per_page=_PAGE).get("items")
        yield from (each for each in _issues(items or []) if _is_kept_for(keyword, each))

    def _said(self, ticket: Ticket) -> Iterator[list[str]]:
        """Yield the description and the comments, which come the oldest first: so from the last page backwards."""
        yield [ticket.body]
        count = self._read(ticket).get("comments")
        last = -(-count // _PAGE) if isinstance(count, int) else 1
        for page in range(last + 1, max(last + 1 - SAID_PAGES, 0), -1):  # one more: they are counted with a lag
            query = {"per_page": _PAGE, "page": page}
            found = self._rest.get(f"{self._repo}/issues/{ticket.id}/comments", list, step="reading comments", **query)
            yield [str(each.get("body")) for each in found if isinstance(each, dict)]

    def _ticket(self, issue: Mapping[str, Any]) -> Ticket:
        if not isinstance(issue.get("number"), int):
            raise self._rest.strange("searching")
        state: TicketState = "open"
        if issue.get("state") == "closed":
            reasons = {str(issue.get("state_reason")).lower(), *(name.lower() for name in _labels(issue))}
            leave = {name.lower() for name in self._options["leave_closed"]}
            state = "declined" if reasons & leave else "fixed"
        body, url = issue.get("body") or "", str(issue.get("html_url"))
        return Ticket(str(issue["number"]), url, state, str(body), moment(issue.get("closed_at")))


def _issues(found: list[Any]) -> list[dict[str, Any]]:
    """Return what are issues: pull requests are listed along with them."""
    return [each for each in found if isinstance(each, dict) and not each.get("pull_request")]


def _labels(issue: Mapping[str, Any]) -> list[str]:
    labels = issue.get("labels")
    names = [each.get("name") if isinstance(each, dict) else each for each in labels or ()]
    return [name for name in names if isinstance(name, str)]


def _is_kept_for(keyword: str, issue: Mapping[str, Any]) -> bool:
    return f"Kept by tocsin: `{keyword}`" in str(issue.get("body"))


class GitHubSink(RestSink):
    """Keep one issue per fault in a GitHub repository."""

    type: ClassVar[str] = "github"
    place: ClassVar[str] = "repository"
    place_parts: ClassVar[int] = 2
    form: ClassVar[str] = "github://token@/owner/name"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("url", http_url, _PUBLIC, "the API; of an Enterprise server https://github.example.org/api/v3"),
        Setting("repository", repository, None, "the repository, such as acme/shop", is_required=True),
        TOKEN,
        LABELS,
        ASSIGNEES,
        Setting("issue_type", text, "", "the type of new issues, as an organization names it"),
        Setting(
            "leave_closed",
            texts,
            ("not_planned", "duplicate", "wontfix", "invalid"),
            "reasons and labels by which an issue stays closed, and silent; others are reopened",
            type_name="list",
        ),
        *TICKET_SETTINGS,
        *HTTP_SETTINGS,
    )

    @classmethod
    def new_tracker(cls, http: Http, options: Mapping[str, Any]) -> Tracker:
        """Return the repository's issues."""
        return _Repository(http, options)

    @classmethod
    def url_of(cls, origin: str, path: str) -> str:
        """Return github.com's API where no host is named, else an Enterprise server's."""
        if not origin or origin in ("https://github.com", _PUBLIC):
            return _PUBLIC
        return f"{origin}{path or '/api/v3'}"
