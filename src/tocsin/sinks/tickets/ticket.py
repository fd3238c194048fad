"""What trackers have in common: a draft goes in, a ticket leaves. The few calls that an adapter makes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final, Literal, Protocol, TypeAlias

from tocsin.event.model import Kind
from tocsin.render.markup import Markup

__all__ = ["LOOKED_AT", "Draft", "Markup", "Ticket", "TicketState", "Tracker", "in_brief", "keyword_of", "mark_of"]

LOOKED_AT: Final = 10  # tickets of one keyword, the latest first; there is more than one only where people made them

# fixed: it was done, so that it is reopened when the fault comes back. declined: somebody decided that nothing is to
# be done (wontfix, invalid, duplicate), so that it stays closed.
TicketState: TypeAlias = Literal["open", "fixed", "declined"]

_HEX: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Ticket:
    """Name one ticket as it was found.

    ``body`` is its description as people may have edited it since, ``""`` where the adapter doesn't load it: then no
    occurrence table is kept up there. ``closed_at`` (aware UTC) is when it was last closed, None: open, or unknown.
    ``version`` is the adapter's own, such as Trac's ``_ts``: what a change is based on.
    """

    id: str
    url: str
    state: TicketState
    body: str = ""
    closed_at: datetime | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """Hold a ticket that is to be made. ``body`` holds ``keyword`` and ``mark`` as well."""

    title: str
    body: str
    keyword: str  # tb_ and 32 hexadecimal digits: what the ticket is found by again
    mark: str  # tn_ and 32 hexadecimal digits: the notice it was made for
    kind: Kind
    level: str  # logging's name: CRITICAL, ERROR, WARNING, …


class Tracker(Protocol):
    """Be one project on one server.

    Every call raises `sinks.base.Failed` with the outcome in words (`sinks.http.Http` does so by itself): Unavailable
    for whatever somebody can mend (rights, required fields, a workflow), Refused only for a text that is refused for
    good. Nothing is retried here. Not thread-safe.
    """

    markup: Markup
    body_chars: int  # the longest description and the longest comment it takes

    def find(self, keyword: str) -> Ticket | None:
        """Return the ticket of a keyword: an open one first, else the one made last; None if there is none.

        It must see a ticket made a moment ago (no search index that lags), and none that merely quotes the keyword.
        """
        ...

    def create(self, draft: Draft) -> Ticket:
        """Make a ticket that `find` finds by the draft's keyword from now on."""
        ...

    def has_said(self, ticket: Ticket, mark: str) -> bool:
        """Tell whether the description or any comment holds ``mark``."""
        ...

    def comment(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Add a comment and leave the ticket's state alone; replace the description by ``body`` unless None.

        Where that takes two calls, the description comes first: the comment's mark says that both were done.
        """
        ...

    def reopen(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Open a closed ticket with a comment; replace the description by ``body`` unless None.

        Where that takes several calls, the comment comes last, since its mark says that all was done.
        """
        ...

    def check(self) -> str:
        """Prove access without making a ticket; return what was proved, and what could not be."""
        ...

    def close(self) -> None:
        """Release connections. May be called twice."""
        ...


def in_brief(text: str) -> str:
    """Return a comment's first and last paragraph, which are all our own words; of two paragraphs, the text itself.

    Law: in_brief(in_brief(t)) == in_brief(t).
    """
    first, *middle, last = text.split("\n\n")
    if not middle:
        return text
    return f"{first}\n\nThe tracker refused this comment with its details; tocsin show has them.\n\n{last}"


def keyword_of(fingerprint: str) -> str:
    """Return ``tb_`` and 32 hexadecimal digits for ``v1:<32 digits>``: fit for a keyword or label."""
    return f"tb_{_digits(fingerprint.rpartition(':')[2])}"


def mark_of(notice_id: str) -> str:
    """Return ``tn_`` and 32 hexadecimal digits: what a text carries, so that a repeated notice adds nothing."""
    return f"tn_{_digits(notice_id)}"


def _digits(text: str) -> str:
    if _HEX.fullmatch(text):
        return text
    return blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
