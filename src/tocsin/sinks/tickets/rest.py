"""A call and its JSON go in; the tracker's decoded answer leaves, or `Failed` in words an operator acts on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from tocsin.event.limits import ANSWER_BYTES
from tocsin.sinks.base import Failed, Refused, Unavailable
from tocsin.sinks.http import Http, Reply, encode_json
from tocsin.sinks.tickets.ticket import Ticket, TicketState, in_brief

__all__ = ["SAID_PAGES", "Rest", "RestFault", "brief", "chosen", "has", "moment", "require_writable", "state_of"]

SAID_PAGES: Final = 5  # of comments, the latest first, that are looked through for a mark
_LONGEST_WAIT_S: Final = 3600.0
_LIMIT_WAIT_S: Final = 60.0  # where a limit is told without saying for how long, as GitHub asks for
_REFUSALS: Final = (400, 409, 413, 422)
_T = TypeVar("_T")


class RestFault(Failed):
    """Carry what the tracker refused, with HTTP's ``status``; what can be left out is tried without."""

    def __init__(self, outcome: Unavailable, status: int) -> None:
        super().__init__(outcome)
        self.status = status
        self._is_limit = outcome.retry_after_s is not None

    @property
    def is_refusal(self) -> bool:
        """Tell whether the content was refused, rather than the caller or the place."""
        return self.status in _REFUSALS

    @property
    def is_forbidden(self) -> bool:
        """Tell whether a right is missing, rather than the rate limit reached."""
        return self.status == 403 and not self._is_limit


class Rest:
    """Speak JSON with one tracker. ``rights`` and ``place`` are the remedies for 403 and 404. Not thread-safe."""

    def __init__(self, http: Http, headers: Mapping[str, str], *, rights: str, place: str) -> None:
        self.where: Final = http.where
        self._http = http
        self._headers = {"Accept": "application/json", **headers}
        self._rights = rights
        self._place = place

    def get(self, path: str, shape: type[_T], *, step: str, **query: Any) -> _T:
        """Return the answer, which is a list or an object as ``shape`` says."""
        return self.send("GET", f"{path}?{urlencode(query)}" if query else path, None, shape, step=step)

    def send(self, method: str, path: str, value: Any, shape: type[_T], *, step: str) -> _T:
        """Send ``value``, unless None, as JSON; return the answer, which is None where ``shape`` is ``type(None)``."""
        body = None if value is None else encode_json(value)
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        reply = self._http.call(method, path, body=body, headers=headers, step=step, allow=tuple(range(300, 500)))
        if reply.status >= 300:
            raise self._fault(reply, step)
        found = None if shape is type(None) else reply.json()
        if not isinstance(found, shape):
            raise self.strange(step)
        return found

    def make(self, path: str, *drafts: Mapping[str, Any]) -> dict[str, Any]:
        """Make an issue and return it; where a draft's content is refused, the next one, which wishes for less."""
        *others, last = drafts
        for draft, following in zip(others, drafts[1:], strict=True):
            if draft == following:
                continue
            try:
                return self.send("POST", path, draft, dict, step="making an issue")
            except RestFault as fault:
                if not fault.is_refusal:
                    raise
        return self.send("POST", path, last, dict, step="making an issue")

    def strange(self, step: str) -> Failed:
        """Return what is raised where the answer is JSON, but of another shape."""
        return Failed(Unavailable(f"{self.where} answered with something else while {step}", self._place))

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._http.close()

    def _fault(self, reply: Reply, step: str) -> RestFault:
        """Return what a status of 3xx or 4xx means. Never Refused: fields, workflows and limits are mended there."""
        judged = self._http.judged(reply, step)
        wait_s = None if isinstance(judged, Refused) else judged.retry_after_s
        if wait_s is None and reply.status in (403, 429):
            wait_s = _wait_s(reply.headers)
            if wait_s is None and (reply.status == 429 or "rate limit" in judged.reason.lower()):
                wait_s = _LIMIT_WAIT_S
        remedy = judged.remedy or "mend there what it says; the same is tried again"
        if wait_s is not None:
            remedy = "it takes no more calls for now; it is tried again"
        elif reply.status == 403:
            remedy = self._rights
        elif reply.status < 400 or reply.status in (404, 410):
            remedy = self._place
        return RestFault(Unavailable(judged.reason, remedy, wait_s), reply.status)


def _wait_s(headers: Mapping[str, str]) -> float | None:
    """Return how long the rate limit's headers say to wait, of trackers that don't send Retry-After."""
    for prefix in ("x-ratelimit", "ratelimit"):
        reset = headers.get(f"{prefix}-reset", "").strip()
        if headers.get(f"{prefix}-remaining", "").strip() == "0" and reset.isascii() and reset.isdigit():
            return min(max(0.0, float(reset[:12]) - datetime.now(UTC).timestamp()), _LONGEST_WAIT_S)
    return None


def chosen(tickets: Iterable[Ticket]) -> Ticket | None:
    """Return the open one first, else the first: they come the latest first."""
    latest = None
    for ticket in tickets:
        if ticket.state == "open":
            return ticket
        latest = latest or ticket
    return latest


def has(mark: str, pages: Iterable[Iterable[str]]) -> bool:
    """Tell whether a text of some page holds the mark.

    Comments too long to be read hold nothing up: what is repeated after a crash may be said twice there.
    """
    try:
        return any(mark in text for page in pages for text in page)
    except Failed as fault:
        if f"longer than {ANSWER_BYTES:,}" in fault.outcome.reason:
            return False
        raise


def brief(say: Callable[[str], object], text: str) -> None:
    """Say a comment; where its content is refused, say its first and last paragraph, which are our own words."""
    try:
        say(text)
    except RestFault as fault:
        if not fault.is_refusal or text == in_brief(text):
            raise
        say(in_brief(text))


def require_writable(about: Mapping[str, Any], name: str) -> None:
    """Raise Failed where a repository of GitHub or Gitea says of itself that it takes no issues."""
    if about.get("archived") is True:
        raise Failed(Unavailable(f"{name} is archived: nothing can be written", "unarchive it, or name another one"))
    if about.get("has_issues") is False:
        raise Failed(Unavailable(f"issues are switched off in {name}", "switch them on in its settings"))


def state_of(issue: Mapping[str, Any], labels: Iterable[str], leave_closed: Iterable[str]) -> TicketState:
    """Return the state of an issue whose tracker has no reasons for closing: its labels say whether it was declined."""
    if issue.get("state") != "closed":
        return "open"
    declined = {name.lower() for name in leave_closed}
    return "declined" if any(name.lower() in declined for name in labels) else "fixed"


def moment(value: Any) -> datetime | None:
    """Return an ISO 8601 time as aware UTC; None for anything else."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
