"""Notices go in; each fault's issue leaves for a Gitea or Forgejo repository."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from tocsin.config.setting import Setting
from tocsin.render.markup import Markup
from tocsin.sinks.endpoint import http_url
from tocsin.sinks.http import HTTP_SETTINGS, Http
from tocsin.sinks.tickets.lifecycle import TICKET_SETTINGS
from tocsin.sinks.tickets.rest import Rest, brief, chosen, has, moment, require_writable, state_of
from tocsin.sinks.tickets.rest_sink import ASSIGNEES, LABELS, LEAVE_CLOSED, TOKEN, RestSink, repository
from tocsin.sinks.tickets.ticket import Draft, Ticket, Tracker

__all__ = ["GiteaSink"]

_COLOUR: Final = "#d9534f"
_FOUND: Final = 5  # whole issues of any length: all there are come, where the label is not there
_LABEL_PAGE: Final = 50
_LABEL_PAGES: Final = 100
_RIGHTS: Final = "give the token read:repository and write:issue, and its account the right to write issues there"
_PLACE: Final = "check url and repository, and that the token may see it"


class _Repository:
    """Make the life cycle's calls to one repository. Not thread-safe."""

    markup: Markup = "markdown"
    body_chars: int = 60_000  # Gitea has no limit of its own; nobody reads so much

    def __init__(self, http: Http, options: Mapping[str, Any]) -> None:
        self._rest = Rest(http, {"Authorization": f"token {options['token']}"}, rights=_RIGHTS, place=_PLACE)
        self._options = options
        self._repo = f"/repos/{options['repository']}"

    def find(self, keyword: str) -> Ticket | None:
        """Return the issue labelled by the keyword. A label that isn't there filters nothing: so each is looked at."""
        query = {"labels": keyword, "state": "all", "type": "issues", "limit": _FOUND}
        found = self._rest.get(f"{self._repo}/issues", list, step="searching", **query)
        labelled = [each for each in found if isinstance(each, dict) and keyword in _labels(each)]
        labelled = [each for each in labelled if not each.get("pull_request")]
        return chosen(self._ticket(each) for each in labelled)

    def create(self, draft: Draft) -> Ticket:
        """Make an issue with the keyword's label, which is made where it is missing; other labels have to be there."""
        numbers = self._label_numbers([draft.keyword, *self._options["labels"]])
        if draft.keyword not in numbers:
            label = {"name": draft.keyword, "color": _COLOUR, "description": "a fault, kept by tocsin"}
            made = self._rest.send("POST", f"{self._repo}/labels", label, dict, step="making a label")
            numbers[draft.keyword] = [made.get("id")]
        else:
            # Labels of who may not write are dropped without a word, and the issue would never be found again: the
            # same right is needed for this, which changes nothing.
            path = f"{self._repo}/labels/{numbers[draft.keyword][0]}"
            self._rest.send("PATCH", path, {"name": draft.keyword}, dict, step="proving the right to label")
        needed = {
            "title": draft.title,
            "body": draft.body,
            "labels": [number for each in numbers.values() for number in each],
        }
        wished = {"assignees": list(self._options["assignees"])} if self._options["assignees"] else {}
        return self._ticket(self._rest.make(f"{self._repo}/issues", {**needed, **wished}, needed))

    def has_said(self, ticket: Ticket, mark: str) -> bool:
        """Look through the description and the comments."""
        return has(mark, self._said(ticket))

    def comment(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Replace the description, then comment."""
        if body is not None:
            self._edit(ticket, {"body": body})
        path = f"{self._repo}/issues/{ticket.id}/comments"
        brief(lambda said: self._rest.send("POST", path, {"body": said}, dict, step="commenting"), text)

    def reopen(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Open it with the new description, then comment."""
        self._edit(ticket, {"state": "open", **({} if body is None else {"body": body})})
        self.comment(ticket, text)

    def check(self) -> str:
        """Ask for the repository, its issues and labels."""
        about = self._rest.get(self._repo, dict, step="asking for the repository")
        require_writable(about, self._options["repository"])
        self._rest.get(f"{self._repo}/issues", list, step="searching", state="all", type="issues", limit=1)
        wished = list(self._options["labels"])
        known = self._label_numbers(wished) if wished else {}
        missing = [name for name in wished if name not in known]
        told = [f"{self._options['repository']} has issues that the token may read"]
        if missing:
            told.append(f"there is no label {', '.join(missing)}, so it is left out")
        told.append("not proved without an issue: the right to write")
        return "; ".join(told)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._rest.close()

    def _label_numbers(self, wished: list[str]) -> dict[str, list[Any]]:
        """Return the numbers of those labels that are there.

        Two may have the same name, and a search for it finds what has them both: so an issue gets them both.
        """
        numbers: dict[str, list[Any]] = {}
        for page in range(1, _LABEL_PAGES + 1):
            query = {"limit": _LABEL_PAGE, "page": page}
            found = self._rest.get(f"{self._repo}/labels", list, step="asking for labels", **query)
            for label in found:
                if isinstance(label, dict) and label.get("name") in wished:
                    numbers.setdefault(str(label["name"]), []).append(label.get("id"))
            if not found:  # a server may give less than a page asks for
                break
        return numbers

    def _edit(self, ticket: Ticket, change: Mapping[str, Any]) -> None:
        self._rest.send("PATCH", f"{self._repo}/issues/{ticket.id}", change, dict, step="changing an issue")

    def _said(self, ticket: Ticket) -> Iterator[list[str]]:
        """Yield the description, then all comments, which come as a whole."""
        yield [ticket.body]
        found = self._rest.get(f"{self._repo}/issues/{ticket.id}/comments", list, step="reading comments")
        yield [str(each.get("body")) for each in found if isinstance(each, dict)]

    def _ticket(self, issue: Mapping[str, Any]) -> Ticket:
        if not isinstance(issue.get("number"), int):
            raise self._rest.strange("searching")
        state = state_of(issue, _labels(issue), self._options["leave_closed"])
        body, url = issue.get("body") or "", str(issue.get("html_url"))
        return Ticket(str(issue["number"]), url, state, str(body), moment(issue.get("closed_at")))


def _labels(issue: Mapping[str, Any]) -> list[str]:
    return [str(each.get("name")) for each in issue.get("labels") or () if isinstance(each, dict)]


class GiteaSink(RestSink):
    """Keep one issue per fault in a Gitea or Forgejo repository."""

    type: ClassVar[str] = "gitea"
    place: ClassVar[str] = "repository"
    place_parts: ClassVar[int] = 2
    form: ClassVar[str] = "gitea://token@git.example.org/owner/name"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("url", http_url, None, "the server, such as https://git.example.org", is_required=True),
        Setting("repository", repository, None, "the repository, such as acme/shop", is_required=True),
        TOKEN,
        LABELS,
        ASSIGNEES,
        LEAVE_CLOSED,
        *TICKET_SETTINGS,
        *HTTP_SETTINGS,
    )

    @classmethod
    def api(cls, url: str) -> str:
        """Return the API's URL, for the server's."""
        return url if url.endswith("/api/v1") else f"{url}/api/v1"

    @classmethod
    def new_tracker(cls, http: Http, options: Mapping[str, Any]) -> Tracker:
        """Return the repository's issues."""
        return _Repository(http, options)
