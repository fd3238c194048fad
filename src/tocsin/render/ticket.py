"""A notice and one of its issues go in; a ticket's title, description and comments leave, in a tracker's markup.

The same parts as in a mail. What an event holds stands in code blocks only; prose is made of our own words and numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Final

from tocsin.event.limits import TICKET_EPISODES
from tocsin.event.notice import IssueReport, Notice, Reason
from tocsin.render import harmless
from tocsin.render.facts import Fact, table
from tocsin.render.lead_up import lead_up_text
from tocsin.render.markup import Markup, code, link, row, word
from tocsin.render.spots import spot_rows
from tocsin.render.story import Section, story
from tocsin.render.subject import issue_name, place
from tocsin.render.text import trace_text

__all__ = ["body", "comment", "title", "with_episode"]

_TITLE_CHARS: Final = 120
_HEADING: Final = ("Since (UTC)", "Last", "Times", "Release")
# Mentions and references, as one tracker or another has them; but not the placeholders of a template, such as %s.
_CALLS: Final = re.compile(r"(?<!\w)([@#!~&$]|%(?![a-zA-Z]\b))(?=\w)")
# Our own words: a link's text is prose.
_LINK_WORDS: Final = {
    "Where": "the line that failed",
    "Points to": "the line that the error points to",
    "Caused by": "the line of the root cause",
    "Handling": "the line of the root cause",
}
_LEAST_CHARS: Final = 2_000  # of a block that has to be cut, as long as that fits


def title(notice: Notice, issue: IssueReport) -> str:
    """Return ``[shop] ValueError in orders.views.pay (7K3QDM)``: one line without any message text.

    Without the environment and a count: one ticket stands for the fault wherever and however often it happens.
    """
    tag = f"[{harmless.line(notice.application, 24)}] "
    tail = f" ({harmless.line(issue.prefix, 8)})"
    name = _CALLS.sub(r"\1 ", issue_name(issue))
    return tag + harmless.shorten(name, _TITLE_CHARS - len(tag) - len(tail)) + tail


def body(
    notice: Notice,
    issue: IssueReport,
    markup: Markup,
    *,
    keyword: str,
    mark: str,
    chars: int,
    zone: tzinfo | None = None,
) -> str:
    """Return a new ticket's description, at most ``chars`` long: it tells the whole fault, whatever the reason."""
    told = _story_parts(notice, issue, "new", zone)
    episodes = "\n".join([row(_HEADING, markup, is_heading=True), row(_cells(issue, markup), markup)])
    last = f"Kept by tocsin: {word(keyword, markup)} {word(mark, markup)}"
    return _fitted(
        lambda room: [told[0], episodes, *_blocks(told[1], notice, markup, room, has_trace=True), last], chars
    )


def comment(
    notice: Notice,
    issue: IssueReport,
    markup: Markup,
    *,
    mark: str,
    chars: int,
    is_full: bool = False,
    zone: tzinfo | None = None,
) -> str:
    """Return a comment, at most ``chars`` long; the traceback only where the ticket is reopened (``is_full``)."""
    reason: Reason = notice.reason if notice.reason in ("comeback", "quiet") else "update"
    lead, section = _story_parts(notice, issue, "comeback" if is_full else reason, zone)
    if is_full:
        lead = f"The fault came back after this ticket was closed. {lead}"
    last = f"Kept by tocsin: {word(mark, markup)}"
    return _fitted(lambda room: [lead, *_blocks(section, notice, markup, room, has_trace=is_full), last], chars)


def with_episode(text: str, issue: IssueReport, markup: Markup, *, chars: int) -> str | None:
    """Return a description with the issue's present episode in its occurrence table; None: nothing to change there.

    The rest stays as people have edited it. A table that is gone, or too long a text, is left alone.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    heading = row(_HEADING, markup, is_heading=True).split("\n")
    start = next((at for at in range(len(lines)) if _is_at(lines, at, heading)), None)
    if start is None:
        return None
    first = start + len(heading)
    end = first
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    rows = _with_row(lines[first:end], row(_cells(issue, markup), markup), issue)
    changed = "\n".join([*lines[:first], *rows, *lines[end:]])
    return changed if changed != "\n".join(lines) and len(changed) <= chars else None


def _story_parts(notice: Notice, issue: IssueReport, reason: Reason, zone: tzinfo | None) -> tuple[str, Section]:
    told = story(replace(notice, reason=reason, issues=(issue,), held_back=0), zone)
    return " ".join(told.lead), told.sections[0]


def _blocks(section: Section, notice: Notice, markup: Markup, room: int, *, has_trace: bool) -> list[str]:
    facts: list[Fact] = [("Application", place(notice)), *spot_rows(section.spots, has_urls=False), *section.rows]
    out = [code(_cut(section.message + "\n\n" + "\n".join(table(facts)), room), markup)]
    out += _links(section, markup)
    if has_trace and section.lead_up is not None:
        out += [code(_cut(block, room), markup) for block in lead_up_text(section.lead_up)]
    if has_trace and section.trace is not None:
        out += [code(_cut(block, room), markup) for block in trace_text(section.trace)]
    out.append(code("\n".join(table(section.commands)), markup))
    return out


def _links(section: Section, markup: Markup) -> list[str]:
    """Return a line of links, since none works within code: to the lines that are shown, and to the commit."""
    wanted = [(_LINK_WORDS[spot.label], spot.url) for spot in section.spots if spot.label in _LINK_WORDS]
    wanted.append(("the commit that brought the line", section.introduced_url))
    shown = [link(words, url, markup) for words, url in wanted if url]
    return [f"Source: {', '.join(shown)}"] if shown else []


def _fitted(parts: Callable[[int], list[str]], chars: int) -> str:
    """Return the parts as one text, their blocks cut until all fit."""
    room = chars
    while True:
        text = "\n\n".join(parts(room))
        if len(text) <= chars or room < 16:
            return text
        room = min(room // 2, max(_LEAST_CHARS, chars // 3)) if room > _LEAST_CHARS else room // 2


def _cut(text: str, chars: int) -> str:
    """Return at most ``chars`` characters of ``text``: whole lines of its beginning and its end."""
    if len(text) <= chars:
        return text
    half = max(chars // 2 - 40, 8)
    head, tail = text[:half].rpartition("\n")[0] or text[:half], text[-half:].partition("\n")[2] or text[-half:]
    left_out = text.count("\n") - head.count("\n") - tail.count("\n") - 1
    return f"{head}\n… {max(left_out, 1):,} lines are left out here; tocsin show has them …\n{tail}"


# -- the occurrence table ------------------------------------------------------------------------------
def _cells(issue: IssueReport, markup: Markup) -> tuple[str, ...]:
    # In UTC: the table is written by several hosts, and its rows are compared.
    release = word(issue.last_release[:40], markup) or "-"
    return _stamp(issue.episode_started), _stamp(issue.last_seen), f"{issue.episode_count:,}", release


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _is_at(lines: list[str], at: int, heading: list[str]) -> bool:
    return [line.strip() for line in lines[at : at + len(heading)]] == heading


def _with_row(rows: list[str], new: str, issue: IssueReport) -> list[str]:
    """Replace the last row where it is the same episode's, one that touches it in time; else add one. Bounded."""
    cells = [cell.strip() for cell in rows[-1].strip("| ").split("|") if cell.strip()] if rows else []
    is_same = len(cells) >= 2 and cells[1] >= _stamp(issue.episode_started)
    kept = rows[:-1] if is_same else rows
    rows = [*kept, new]
    return rows if len(rows) <= TICKET_EPISODES else [rows[0], *rows[1 - TICKET_EPISODES :]]
