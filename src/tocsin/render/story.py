"""A notice goes in; what there is to tell leaves, in order and in words, for the text and the HTML part alike."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final

from tocsin.event.limits import DETAILED_ISSUES, LISTED_ISSUES
from tocsin.event.model import Event
from tocsin.event.notice import IssueReport, Notice
from tocsin.render import harmless, when
from tocsin.render.facts import RELEASE, Fact, facts, occasion, short_commit, what
from tocsin.render.links import safe_url
from tocsin.render.prepared import has_traceback, prepared_text
from tocsin.render.spots import Spot, spots
from tocsin.render.subject import issue_name, place, times

__all__ = ["ERROR_ID", "INTRODUCED", "Item", "Section", "Story", "linked_rows", "story"]

ERROR_ID: Final = "Error id"  # the label of the fact that others may tell elsewhere
INTRODUCED: Final = "Introduced"  # the label of the commit that brought the line
_TITLE_CHARS: Final = 300
_ITEM_CHARS: Final = 90
_IN_FULL: Final = ("new", "comeback")  # told with traceback
_OF_FAULTS: Final = ("new", "update", "quiet", "comeback")  # told of each fault; the others are lists or a test
_LISTS: Final = ("summary", "over", "digest")  # one entry per issue is all there is
# What an example tells besides its traceback, which was sent before; a quiet fault needs no example at all.
_EXAMPLE_ROWS: Final = ("When", "Message", RELEASE, "Request", "Task", "Tags", "Fields", "Host")
_SUBJECT_CHARS: Final = 120  # of a commit's first line


@dataclass(frozen=True, slots=True)
class Item:
    """Be one entry of the list of issues; ``lines`` are what is told below its name."""

    count: int
    prefix: str
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Tell one issue: where it broke, its facts, and the commands to go on with; if in full, lead-up and traceback.

    ``introduced_url`` is where the commit of the fact `INTRODUCED` is in the forge, safe or empty.
    """

    headline: str
    message: str
    spots: tuple[Spot, ...]
    rows: tuple[Fact, ...]
    trace: Event | None
    lead_up: Event | None
    commands: tuple[Fact, ...]
    error_id: str
    introduced_url: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """Hold a notice in words. Every text is harmless; none is escaped for HTML.

    ``opening`` is what a drop-in handler's formatter made of the record; the notice begins with it.
    """

    headline: str
    place: str
    lead: tuple[str, ...]
    items: tuple[Item, ...]
    items_omitted: int
    sections: tuple[Section, ...]
    commands: tuple[Fact, ...]
    opening: str = ""
    rows: tuple[Fact, ...] = ()  # of the notice itself


def story(notice: Notice, zone: tzinfo | None = None) -> Story:
    """Return what ``notice`` tells; times in ``zone``, else in the system's own."""
    issues = notice.issues
    is_list = notice.reason in _LISTS
    opening = prepared_text(issues[0]) if _is_of_one(notice) and notice.reason in _IN_FULL else ""
    sections = () if is_list else tuple(_section(issue, notice, zone) for issue in issues[:DETAILED_ISSUES])
    if has_traceback(opening):
        sections = tuple(replace(section, trace=None) for section in sections)
    items = issues[:LISTED_ISSUES] if is_list or len(issues) > 1 else ()
    return Story(
        headline=_headline(notice),
        place=place(notice),
        lead=tuple(_lead(notice, zone)),
        items=tuple(_item(issue, notice, zone) for issue in items),
        items_omitted=len(issues) - len(items) if items else 0,
        sections=sections,
        commands=tuple(_commands(notice, has_items=bool(items))),
        opening=opening,
        rows=tuple(_activity(notice, zone)),
    )


def linked_rows(section: Section) -> list[Fact]:
    """Return a section's facts for a text without links: the commit's link stands below it."""
    link = f"\n{section.introduced_url}" if section.introduced_url else ""
    return [(label, value + link if label == INTRODUCED else value) for label, value in section.rows]


def _commands(notice: Notice, *, has_items: bool) -> Iterator[Fact]:
    if has_items or notice.reason == "alive":
        yield "See all", f"tocsin issues{_place_of(notice)}"
    if notice.reason == "alive":
        yield "Look closer", f"tocsin status{_place_of(notice)}"


def _place_of(notice: Notice) -> str:
    return f" --spool {shlex.quote(harmless.line(notice.spool))}" if notice.spool else ""


def _activity(notice: Notice, zone: tzinfo | None) -> Iterator[Fact]:
    done = notice.activity
    if done is None:
        return
    yield "Since", f"{when.stamp(done.since, zone)}, {when.span(notice.at - done.since)}"
    yield "Happened", times(done.seen) if done.seen else "nothing"
    notices = f"in {done.notices:,} notice{'' if done.notices == 1 else 's'}"
    yield "Told", f"{times(done.told)}, {notices}" if done.told else "nothing"
    if done.waiting:
        yield "Waiting", f"{times(done.waiting)}, for the digest, the end of a mute or the next update"
    yield "Lost", f"{done.lost:,}; “tocsin spool” says why" if done.lost else "nothing"


def _headline(notice: Notice) -> str:
    count = len(notice.issues)
    words = {
        "new": f"{count} new faults",
        "update": f"{count} faults go on",
        "quiet": f"{count} faults are quiet",
        "comeback": f"{count} faults are back",
        "summary": "Alarm flood",
        "over": "Alarm flood is over",
        "digest": "Daily digest",
        "alive": "tocsin works",
        "check": "This is a test",
    }
    return issue_name(notice.issues[0]) if _is_of_one(notice) else words[notice.reason]


def _is_of_one(notice: Notice) -> bool:
    return len(notice.issues) == 1 and notice.reason in _OF_FAULTS


def _lead(notice: Notice, zone: tzinfo | None) -> Iterator[str]:
    """Yield the sentences that say why this notice was sent."""
    if _is_of_one(notice):
        yield _lead_of_one(notice.issues[0], notice, zone)
    elif notice.reason == "check":
        yield "Sent by “tocsin check”. If you can read this, notices reach you. Nothing is broken."
    elif notice.reason == "alive":
        yield "Sent from time to time, so that silence can be trusted: whoever watches is awake."
    elif notice.reason == "summary":
        yield "There were more notices than the hourly cap allows, so these faults are told together."
    elif notice.reason == "over":
        yield "Notices are sent one by one again. This is what the hourly cap held back and was not told yet."
    elif notice.reason == "digest":
        yield "What happened since the last digest, the most frequent first."
    else:
        yield "The most frequent first."
    if notice.held_back:
        one = notice.held_back == 1
        yield f"{notice.held_back:,} notice{' was' if one else 's were'} held back by the hourly cap."


def _lead_of_one(issue: IssueReport, notice: Notice, zone: tzinfo | None) -> str:
    count = times(issue.episode_count)
    if notice.reason == "update":
        before = issue.episode_count - issue.untold
        told = f"; you were last told of {before:,}" if before > 0 else ""
        return f"It goes on: {count} by now{told}."
    if notice.reason == "quiet":
        untold = f", {issue.untold:,} of them not told yet" if 0 < issue.untold < issue.episode_count else ""
        since = when.clock(issue.last_seen, notice.at, zone)
        return f"Quiet since {since}, {issue.episode_count:,} in all{untold}."
    if notice.reason == "comeback":
        return f"It was quiet and is back: {count} so far."
    noun = "warning" if issue.kind == "warning" else "fault"
    return f"A new {noun}: {count} so far."


def _section(issue: IssueReport, notice: Notice, zone: tzinfo | None) -> Section:
    sample = issue.sample
    in_full = notice.reason in _IN_FULL
    at = _place_of(notice)
    return Section(
        headline=issue_name(issue),
        message=what(sample) if sample is not None else harmless.line(issue.title, _TITLE_CHARS),
        spots=tuple(_spots(issue, in_full=in_full)),
        rows=tuple((label, value) for label, value in _rows(issue, notice, zone) if value),
        trace=sample if in_full else None,
        lead_up=sample if in_full else None,
        commands=(
            ("See it", f"tocsin show {_error_id(issue)}{at}"),
            ("Mute it", f"tocsin mute {harmless.line(issue.prefix)} --for 7d{at}"),
        ),
        error_id=_error_id(issue),
        introduced_url=safe_url(issue.introduced.url) if issue.introduced is not None else "",
    )


def _spots(issue: IssueReport, *, in_full: bool) -> list[Spot]:
    """Return where it broke; with its causes only where it is told in full, as they were told before."""
    found = spots(issue.sample) if issue.sample is not None else []
    found = found or [Spot("Where", harmless.line(issue.culprit))]
    return [spot for spot in found[: None if in_full else 1] if spot.text]


def _rows(issue: IssueReport, notice: Notice, zone: tzinfo | None) -> Iterator[Fact]:
    """Yield since when and how often, what the example tells, and beside its release what brought the fault."""
    yield from _history(issue, zone, has_rate=notice.reason == "update")
    yield ERROR_ID, _error_id(issue)
    told = _example(issue, notice, zone)
    yield from (row for row in told if row[0] in ("Example", "Message", RELEASE))
    if issue.first_release and issue.first_release != issue.last_release:
        yield "First in", f"release {harmless.line(issue.first_release)}"
    if notice.reason != "quiet":
        yield INTRODUCED, _introduced(issue, zone)
    yield from (row for row in told if row[0] not in ("Example", "Message", RELEASE))


def _example(issue: IssueReport, notice: Notice, zone: tzinfo | None) -> list[Fact]:
    sample = issue.sample
    if sample is None or notice.reason == "quiet":
        return []
    if notice.reason in _IN_FULL:
        return facts(sample, zone, has_time=False)
    told = [row for row in facts(sample, zone) if row[0] in _EXAMPLE_ROWS]
    return [("Example" if label == "When" else label, value) for label, value in told]


def _introduced(issue: IssueReport, zone: tzinfo | None) -> str:
    """Return ``3f2a1b9c04d7, 2026-11-19 10:12:44 +01:00: Round the rates``: what brought the line that failed."""
    commit = issue.introduced
    if commit is None:
        return ""
    at = f", {when.stamp(commit.at, zone)}" if commit.at is not None else ""
    subject = f": {harmless.line(commit.subject, _SUBJECT_CHARS)}" if commit.subject else ""
    return f"commit {short_commit(commit.id)}{at}{subject}"


def _history(issue: IssueReport, zone: tzinfo | None, *, has_rate: bool) -> Iterator[Fact]:
    """Yield since when and how often; the whole life only where it is more than this episode."""
    yield "Since", when.stamp(issue.episode_started, zone)
    often = [times(issue.episode_count)]
    if issue.episode_count > 1:
        often.append(f"last at {when.ended(issue.episode_started, issue.last_seen, zone)}")
    if has_rate:
        often.append(_rate(issue))
    often.append(_clients(issue))
    yield "How often", ", ".join(filter(None, often))
    if issue.count > issue.episode_count:
        yield "In all", f"{times(issue.count)} since {when.stamp(issue.first_seen, zone)}"


def _rate(issue: IssueReport) -> str:
    minutes = (issue.last_seen - issue.episode_started).total_seconds() / 60
    if minutes < 1:
        return ""
    rate = issue.episode_count / minutes
    return f"about {rate:,.0f} a minute" if rate >= 2 else f"about {rate * 60:,.0f} an hour"


def _clients(issue: IssueReport) -> str:
    if not issue.clients:
        return ""
    return f"{issue.clients:,} client{'s' if issue.clients > 1 else ''}"


def _item(issue: IssueReport, notice: Notice, zone: tzinfo | None) -> Item:
    """Return an issue's entry; in a list that is all there is of it, with message, request and error id."""
    is_list = notice.reason in _LISTS
    # In a list nothing is untold of those whose end is all there is to tell.
    count = (issue.untold or issue.episode_count) if is_list else issue.episode_count
    start = issue.first_seen if issue.count == count else issue.episode_started
    period = f"since {when.stamp(start, zone)}, last at {when.ended(start, issue.last_seen, zone)}"
    parts = [f"at {when.stamp(issue.last_seen, zone)}" if count == 1 else period]
    if issue.count != count:
        parts.append(f"{issue.count:,} in all")
    lines = [", ".join([*parts, *filter(None, (_clients(issue),))])]
    if is_list:
        sample = issue.sample
        lines.insert(0, harmless.shorten(what(sample) if sample is not None else "", _ITEM_CHARS))
        doing = occasion(sample, has_route=True) if sample is not None else ""
        lines.append(f"error id {_error_id(issue)}" + (harmless.shorten(f", {doing}", 60) if doing else ""))
    return Item(count, harmless.line(issue.prefix), issue_name(issue), tuple(filter(None, lines)))


def _error_id(issue: IssueReport) -> str:
    """Return the sample's error id, else the issue's part of it, which every command takes as well."""
    sample = issue.sample
    return harmless.line(sample.error_id if sample is not None and sample.error_id else issue.prefix)
