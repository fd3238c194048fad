"""Notices go in; what becomes of each fault's ticket leaves as a tracker's calls. The same for every tracker."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, TypeAlias

from tocsin.config.setting import Setting, duration_s, positive
from tocsin.event.limits import TICKETS_PER_CALL_S
from tocsin.event.model import Kind
from tocsin.event.notice import IssueReport, Notice, Reason
from tocsin.render import ticket as render
from tocsin.sinks.base import Accepted, Failed, Outcome, Unavailable
from tocsin.sinks.tickets.ticket import Draft, Ticket, Tracker, keyword_of, mark_of

__all__ = ["IDEMPOTENCY", "POLICY_KEYS", "TICKET_SETTINGS", "Step", "TicketSink", "next_step", "policy_of"]

Step: TypeAlias = Literal["create", "comment", "reopen", "nothing"]

IDEMPOTENCY: Final = (
    "a fault's ticket is found by its keyword, tb_ and the fingerprint, and every text carries its notice's id: "
    "repeated after a crash, it makes no second ticket and no second comment"
)

TICKET_SETTINGS: Final = (
    Setting("first_within", duration_s, 10.0, "a new fault has its ticket within this time", "s", "duration"),
    Setting("silence", duration_s, 3600.0, "a fault silent for so long has gone quiet", "s", "duration"),
    Setting("update_interval", duration_s, 3600.0, "at most one comment on a fault in this time", "s", "duration"),
    Setting("new_per_hour", positive, 5, "new tickets an hour; further new faults wait", "tickets", "number"),
)

# Setting → the name and unit that routing's policy has for it.
POLICY_KEYS: Final = {
    "first_within": "first_within_s",
    "silence": "silence_s",
    "update_interval": "update_interval_s",
    "new_per_hour": "cap_per_hour",
}


def policy_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what routing is to keep to: a notice per fault, at once, and the cap for new ones alone."""
    return {"is_single": True, "gather_s": 0.0, **{name: options[key] for key, name in POLICY_KEYS.items()}}


def next_step(ticket: Ticket | None, issue: IssueReport, reason: Reason) -> Step:
    """Return what is to be done for an issue with its ticket as it stands.

    A closed ticket whose fault was not seen since is left alone: a notice may be late. One that was fixed is not
    reopened for the end of an episode: what was deployed in between may well be the remedy.
    """
    if reason == "quiet" and issue.untold <= 0:
        return "nothing"
    if ticket is None:
        return "create"
    if ticket.state == "declined":
        return "nothing"
    if ticket.state == "open":
        return "comment"
    if ticket.closed_at is not None and issue.last_seen <= ticket.closed_at:
        return "nothing"
    return "comment" if reason == "quiet" else "reopen"


class TicketSink:
    """Keep one ticket per fault: made, commented by episode, reopened. An adapter's sink derives from it.

    What derives sets ``type`` and ``settings`` (with TICKET_SETTINGS), and has ``from_options``,
    ``options_from_url`` and ``identity``.
    """

    idempotency: ClassVar[str] = IDEMPOTENCY
    is_local: ClassVar[bool] = False
    needs: ClassVar[str] = "urllib3>=2.2"
    default_kinds: ClassVar[frozenset[Kind]] = frozenset({"traceback", "error"})

    def __init__(self, tracker: Tracker, policy: Mapping[str, Any]) -> None:
        self._tracker = tracker
        # How often it is told, in the names of routing's policy: routing is a floor above the sinks.
        self.policy: Mapping[str, Any] = policy
        self._done: tuple[str, set[str]] = ("", set())  # of a notice that was half told: its id, fingerprints

    def notify(self, notice: Notice) -> Outcome:
        """Make, comment, reopen or leave alone the ticket of each issue."""
        try:
            if notice.reason == "check":
                return Accepted(self._tracker.check())
            return self._told(notice)
        except Failed as fault:
            return fault.outcome

    def close(self) -> None:
        """Close the tracker's connection."""
        self._tracker.close()

    def _told(self, notice: Notice) -> Outcome:
        """Tell every issue; bounded in time, and resumed where it stopped."""
        done = self._done[1] if self._done[0] == notice.id else set()
        self._done = (notice.id, done)
        end = time.monotonic() + TICKETS_PER_CALL_S
        details = []
        for issue in notice.issues:
            if issue.fingerprint in done:
                continue
            if time.monotonic() > end:
                return Unavailable(f"{len(done)} of {len(notice.issues)} faults have their tickets, the others follow")
            details.append(self._tell(issue, notice))
            done.add(issue.fingerprint)
        self._done = ("", set())
        return Accepted("; ".join(details[:8]) or "nothing to tell")

    def _tell(self, issue: IssueReport, notice: Notice) -> str:
        tracker = self._tracker
        keyword, mark = keyword_of(issue.fingerprint), mark_of(notice.id)
        ticket = tracker.find(keyword)
        step = next_step(ticket, issue, notice.reason)
        if step == "nothing":
            return f"left {ticket.url} alone, which is {ticket.state}" if ticket is not None else "nothing to tell"
        if ticket is None:
            made = tracker.create(self._draft(issue, notice, keyword, mark))
            return f"made {made.url}"
        if tracker.has_said(ticket, mark):
            return f"{ticket.url} says it already"
        words = render.comment(
            notice, issue, tracker.markup, mark=mark, chars=tracker.body_chars, is_full=step == "reopen"
        )
        body = render.with_episode(ticket.body, issue, tracker.markup, chars=tracker.body_chars)
        if step == "reopen":
            tracker.reopen(ticket, words, body)
            return f"reopened {ticket.url}"
        tracker.comment(ticket, words, body)
        return f"commented {ticket.url}"

    def _draft(self, issue: IssueReport, notice: Notice, keyword: str, mark: str) -> Draft:
        tracker = self._tracker
        body = render.body(notice, issue, tracker.markup, keyword=keyword, mark=mark, chars=tracker.body_chars)
        return Draft(render.title(notice, issue), body, keyword, mark, issue.kind, issue.level)
