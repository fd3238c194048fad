"""A notice goes in; a few short lines for a chat or a pager leave: what, where, how often, and how to see more."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

from tocsin.event.model import Event
from tocsin.event.notice import IssueReport, Notice
from tocsin.render import harmless, when
from tocsin.render.facts import release, short_commit, tags_line, what
from tocsin.render.spots import Spot, spots
from tocsin.render.story import story
from tocsin.render.subject import issue_name, times

__all__ = ["chat_lines", "inert", "pager_line"]

_WHAT_CHARS: Final = 200
_WHERE_CHARS: Final = 160
_URL_CHARS: Final = 300
_LISTED: Final = 8
# What chats make of plain text: mentions (@here, <!channel>, <@U123>), links, code and emphasis. A joiner of no width
# would be dropped or shown as a box somewhere, so the sign is followed by a space or replaced by its look-alike.
_MENTION: Final = re.compile(r"@(?=\w)")
_TAG: Final = re.compile(r"<(?=[@!#]|https?:|mailto:|tel:)")
_FENCE: Final = re.compile(r"`{2,}|\*{2,}|~{2,}|_{2,}|\|{2,}")


def chat_lines(notice: Notice, zone: tzinfo | None = None, *, is_inert: bool = True) -> str:
    """Return at most some ten short lines, with nothing in them that a chat would act on; times in ``zone``.

    Without ``is_inert`` names and marks stay as they are, for readers that are no chat.

    The headline is `subject`; these lines stand below it.
    """
    told = story(notice, zone)
    if len(notice.issues) == 1:
        lines = [*told.lead, *_of_one(notice, zone)]
    else:
        lines = [*told.lead, *(f"{label}: {value}" for label, value in told.rows), *_of_several(notice)]
    lines += _commands(notice)
    return "\n".join(inert(line) if is_inert else line for line in lines if line)


def pager_line(notice: Notice, issue: IssueReport) -> str:
    """Return one line for a pager's display: what, where, how often."""
    return inert(f"{issue_name(issue)}, {times(issue.episode_count)} ({harmless.line(issue.prefix, 8)})")


def inert(text: str) -> str:
    """Return a line without mentions, tags and fences. Law: inert(inert(t)) == inert(t)."""
    text = _FENCE.sub(lambda match: " ".join(match[0]), text)
    return _TAG.sub("‹", _MENTION.sub("@ ", text))


def _of_one(notice: Notice, zone: tzinfo | None) -> Iterator[str]:
    """Yield what there is to know besides the lead, which has the count; of a quiet fault it is but when it began."""
    issue = notice.issues[0]
    sample = issue.sample
    if sample is not None and notice.reason != "quiet":
        yield harmless.shorten(what(sample), _WHAT_CHARS)
        yield from _places(sample)
        request = sample.request
        if request is not None:
            path = request.route or request.path
            yield harmless.line(f"{request.method} {path}" + (f" on {request.host}" if request.host else ""), 160)
        if sample.task is not None:
            yield harmless.line(f"task {sample.task.name}" + (f" ({sample.task.by})" if sample.task.by else ""), 160)
        if sample.tags:
            yield harmless.shorten(tags_line(sample), 160)
        running = release(sample)
        named = running if running.startswith("commit ") else running and f"release {running}"
        yield harmless.line(", ".join(filter(None, (named, sample.host))), 120)
        yield f"line from commit {short_commit(issue.introduced.id)}" if issue.introduced is not None else ""
    since = f"since {when.stamp(issue.episode_started, zone)}"
    yield f"{since}, {issue.clients:,} client{'s' if issue.clients > 1 else ''}" if issue.clients else since


def _places(sample: Event) -> Iterator[str]:
    """Yield where it broke with the link to that line, what place the error points to, its root cause, its members."""
    first, *more = spots(sample) or [Spot("Where", "")]
    # A link has no place for a shorter one: one that is cut leads nowhere.
    url = f" {first.url}" if 0 < len(first.url) <= _URL_CHARS else ""
    yield f"at {harmless.shorten(first.text, _WHERE_CHARS)}{url}" if first.text else ""
    causes = [spot for spot in more if spot.label in ("Caused by", "Handling")]
    for spot in more:
        if spot.label not in ("Caused by", "Handling") or spot is causes[-1]:
            words = spot.text.replace("\n", "; " if spot.label == "Members" else " at ")
            yield harmless.shorten(f"{spot.label.lower()} {words}", _WHERE_CHARS) if spot.label else ""


def _of_several(notice: Notice) -> Iterator[str]:
    for issue in notice.issues[:_LISTED]:
        yield f"{issue.untold:,}× {harmless.shorten(issue_name(issue), 100)} ({harmless.line(issue.prefix, 8)})"
    if len(notice.issues) > _LISTED:
        yield f"and {len(notice.issues) - _LISTED:,} more"


def _commands(notice: Notice) -> Iterator[str]:
    if not notice.issues:
        return
    at = f" --spool {shlex.quote(harmless.line(notice.spool))}" if notice.spool else ""
    if len(notice.issues) > 1:
        yield f"tocsin issues{at}"
        return
    issue = notice.issues[0]
    sample = issue.sample
    error_id = harmless.line(sample.error_id if sample is not None and sample.error_id else issue.prefix)
    yield f"tocsin show {error_id}{at}"
