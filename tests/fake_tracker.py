"""A tracker in memory: the life cycle's calls go in; tickets leave, as any real tracker would keep them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from tocsin.render.markup import Markup
from tocsin.sinks.base import Failed, Unavailable
from tocsin.sinks.tickets.ticket import Draft, Ticket

__all__ = ["FakeTicket", "FakeTracker"]


@dataclass
class FakeTicket:
    """Hold one ticket with its comments."""

    ticket: Ticket
    draft: Draft
    comments: list[str] = field(default_factory=list)


class FakeTracker:
    """Keep tickets in a list. ``calls`` names each change; ``lose`` names calls whose answer gets lost once done."""

    def __init__(self, markup: Markup = "wiki", body_chars: int = 60_000) -> None:
        self.markup: Markup = markup
        self.body_chars = body_chars
        self.tickets: list[FakeTicket] = []
        self.calls: list[str] = []
        self.lose: list[str] = []
        self.is_away = False
        self.is_closed = False

    def find(self, keyword: str) -> Ticket | None:
        """Return the open one first, else the latest."""
        self._answer("find")
        found = [each.ticket for each in self.tickets if each.draft.keyword == keyword]
        return next((each for each in found if each.state == "open"), found[-1] if found else None)

    def create(self, draft: Draft) -> Ticket:
        """Add a ticket."""
        number = str(len(self.tickets) + 1)
        ticket = Ticket(number, f"https://tracker.example.org/{number}", "open", draft.body)
        self._do("create")
        self.tickets.append(FakeTicket(ticket, draft))
        self._answer("create")
        return ticket

    def has_said(self, ticket: Ticket, mark: str) -> bool:
        """Look through description and comments."""
        self._answer("has_said")
        kept = self._kept(ticket)
        return mark in kept.ticket.body or any(mark in text for text in kept.comments)

    def comment(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Add a comment."""
        self._do("comment")
        kept = self._kept(ticket)
        kept.comments.append(text)
        kept.ticket = replace(kept.ticket, body=kept.ticket.body if body is None else body)
        self._answer("comment")

    def reopen(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Open it again with a comment."""
        self._do("reopen")
        kept = self._kept(ticket)
        kept.comments.append(text)
        kept.ticket = replace(
            kept.ticket, state="open", closed_at=None, body=kept.ticket.body if body is None else body
        )
        self._answer("reopen")

    def check(self) -> str:
        """Say that it works."""
        self._answer("check")
        return "works"

    def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True

    def shut(self, number: int, state: str, closed_at: datetime | None = None) -> None:
        """Close a ticket as a person would: ``fixed`` or ``declined``."""
        kept = self.tickets[number - 1]
        kept.ticket = replace(kept.ticket, state=state, closed_at=closed_at)  # type: ignore[arg-type]

    def _do(self, call: str) -> None:
        if self.is_away:
            raise Failed(Unavailable("the tracker is away"))
        self.calls.append(call)

    def _answer(self, call: str) -> None:
        if self.is_away:
            raise Failed(Unavailable("the tracker is away"))
        if call in self.lose:
            self.lose.remove(call)
            raise Failed(Unavailable("the answer was lost"))

    def _kept(self, ticket: Ticket) -> FakeTicket:
        return self.tickets[int(ticket.id) - 1]
