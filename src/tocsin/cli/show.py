"""`tocsin show`: an error id goes in; its event leaves, or its issue and the nearest report of the same fault."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from tocsin.cli.books import opened_state
from tocsin.cli.command import Command, with_place
from tocsin.cli.console import BOLD, CYAN, DIM, Console
from tocsin.cli.fault import Wanted, matching, wanted
from tocsin.cli.lookup import LookedUp, look_up
from tocsin.cli.pager import say_paged
from tocsin.cli.place import Place, existing_place
from tocsin.cli.search import Found, kept
from tocsin.cli.words import ago, issue_members, issue_name, kind, number
from tocsin.delivery.introduced import blame_of, commit_of
from tocsin.event import wire
from tocsin.event.errors import ConfigError, StoreError
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event
from tocsin.event.notice import Commit
from tocsin.render import harmless, when
from tocsin.render.facts import occasion
from tocsin.render.facts import what as what_happened
from tocsin.render.terminal import event_terminal
from tocsin.routing.issues import Issue, is_muted
from tocsin.routing.state import State

__all__ = ["COMMAND"]

_NEAR: Final = 10_000  # each process numbers from a random start: what is further away is another process's
_LISTED: Final = 100


@dataclass(frozen=True, slots=True)
class _Answer:
    """Hold all that there is to say of what was asked for by position, or of what is kept."""

    known: LookedUp
    position: int = 0  # of the report among those that are kept, 1 the latest; 0: not asked for by position
    listed: tuple[Event, ...] = ()
    has_more: bool = False


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="an error id in either case, its first half, or a fingerprint")
    parser.add_argument("--list", action="store_true", help=f"the reports kept of this fault; at most {_LISTED}")
    parser.add_argument("--occurrence", metavar="N", type=_position,
                        help="its Nth report, 1 the latest, as --list has them")  # fmt: skip
    parser.add_argument("--all", action="store_true", help="every frame; those of libraries are folded otherwise")
    parser.add_argument("--json", action="store_true", help="issue and event as one JSON object")
    parser.add_argument("--no-pager", action="store_true", help="no pager, however long it is; so does PAGER=''")
    with_place(parser)


def _run(options: argparse.Namespace, console: Console) -> int:
    what = wanted(options.id)
    if options.list and options.occurrence:
        raise ConfigError("give --list or --occurrence, not both")
    where = existing_place(options, console, is_state_enough=True)
    answer = _answer(where, what, options, console)
    if answer is None or (answer.known.is_nothing and not answer.listed):
        if answer is not None:
            console.note(f"no {what}{what.hint} in {where.folder.path}; tocsin issues --all lists what there is")
        return 1
    commit = _introduced(where, answer)
    if options.json:
        _say_json(answer, commit, console)
    else:
        lines = _listing(answer, console) if options.list else _report(answer, commit, console, is_whole=options.all)
        say_paged("\n".join(lines), console, is_wanted=not options.no_pager)
    return 0


# -- what is looked for ------------------------------------------------------------------------------------


def _answer(where: Place, what: Wanted, options: argparse.Namespace, console: Console) -> _Answer | None:
    """Return what is known; None where what is wrong was said already."""
    if not options.list and not options.occurrence:
        return _Answer(look_up(where, what, console))
    try:
        with opened_state(where, console) as state:
            issues = matching(state, what) if state is not None else ()
            return _by_position(where, state if issues else None, LookedUp(what, issues), options, console)
    except StoreError as fault:
        console.note(f"{fault}; looking through the spool itself")
    return _by_position(where, None, LookedUp(what), options, console)


def _by_position(
    where: Place, state: State | None, known: LookedUp, options: argparse.Namespace, console: Console
) -> _Answer | None:
    events = kept(where.folder, state, known.what, [issue.fingerprint for issue in known.issues])
    if options.list:
        listed = tuple(islice(events, _LISTED))
        return _Answer(known, listed=listed, has_more=next(events, None) is not None)
    count = 0
    for count, event in enumerate(events, 1):
        if count == options.occurrence:
            return _Answer(replace(known, found=Found(event)), position=count)
    if not count and not known.issues:
        return _Answer(known)
    console.note(f"of {known.what} {number(count, 'report')} {'is' if count == 1 else 'are'} kept; --list shows them")
    return None


# -- what is said ------------------------------------------------------------------------------------------


def _introduced(where: Place, answer: _Answer) -> Commit | None:
    """Return the commit that brought the line that failed, where the configuration lets git be asked and it knows."""
    found, settings = answer.known.found, where.settings
    if found is None or settings is None:
        return None
    mask = Scrubber(settings.mask_keys, settings.masking_rules, is_on=settings.masking)
    return commit_of(found.event, blame_of(settings, mask))


def _report(answer: _Answer, commit: Commit | None, console: Console, *, is_whole: bool) -> Iterator[str]:
    yield from _issues(answer.known.issues, console)
    if answer.known.found is None:
        yield "No report of it is kept any more: retention (keep_days, spool_max_mb) has taken them."
        return
    about = _about(answer)
    if about:
        yield console.paint(DIM, about)
        yield ""
    if commit is not None:
        at = f" of {when.stamp(commit.at)}" if commit.at is not None else ""
        said = ": ".join(filter(None, (f"The line that failed came with {commit.id[:12]}{at}", commit.subject)))
        yield harmless.line(said)
        yield from (harmless.line(url) for url in (commit.url,) if url)
        yield ""
    event, width = answer.known.found.event, console.width or 100
    yield event_terminal(event, is_coloured=console.is_coloured, width=width, has_all=is_whole).rstrip("\n")


def _issues(issues: tuple[Issue, ...], console: Console) -> Iterator[str]:
    now = console.now()
    for issue in issues:
        yield console.paint(BOLD, f"{issue.prefix}  {issue_name(issue)}")
        yield (
            f"        {kind(issue)}, {number(issue.count, 'occurrence')}, first {when.stamp(issue.first_seen)}, "
            f"last {ago(issue.last_seen, now)}"
        )
        releases = _releases(issue)
        if releases:
            yield f"        {releases}"
        if issue.muted_until is not None and is_muted(issue, now):
            yield f"        muted until {when.stamp(issue.muted_until)}"
        yield ""


def _releases(issue: Issue) -> str:
    first, last = harmless.line(issue.first_release, 80), harmless.line(issue.last_release, 80)
    if not first and not last:
        return ""
    return (
        f"release {last}, as at first" if first == last else f"first in release {first or '?'}, last in {last or '?'}"
    )


def _about(answer: _Answer) -> str:
    """Return a sentence where the event is not the one that was asked for, or comes from elsewhere."""
    what, found, file = answer.known.what, answer.known.found, answer.known.file
    if found is None:
        return ""
    if answer.position:
        return (
            "Its latest report:" if answer.position == 1 else f"Its report {answer.position}, counted from the latest:"
        )
    if file is not None:
        return f"The spool has it no more; {file} has:"
    if not what.suffix:
        return "Its latest report:"
    if not found.away:
        return ""
    away = f", {abs(found.away):,} {'after' if found.away > 0 else 'before'} it" if abs(found.away) <= _NEAR else ""
    return (
        f"{what.prefix}-{what.suffix} itself was only counted, or its report is gone.\n"
        f"The nearest report of the same fault is {found.event.error_id}{away}:"
    )


def _listing(answer: _Answer, console: Console) -> Iterator[str]:
    yield from _issues(answer.known.issues, console)
    if not answer.listed:
        yield "No report of it is kept any more: retention (keep_days, spool_max_mb) has taken them."
    width = len(str(len(answer.listed)))
    for index, event in enumerate(answer.listed, 1):
        asked, said = occasion(event), what_happened(event)
        told = [event.release, event.host, asked if asked not in said else "", said]
        rest = harmless.line(" · ".join(filter(None, told)))
        room = console.width - width - len(event.error_id) - 30
        shown = harmless.shorten(rest, room) if console.width and room > 20 else rest
        error_id = console.paint(CYAN, harmless.line(event.error_id, 11))
        yield f"{index:>{width}}  {error_id}  {when.stamp(event.timestamp)}  {shown}"
    if answer.has_more:
        yield console.paint(
            DIM, f"There are older ones than these {_LISTED}; --occurrence {_LISTED + 1} shows the next."
        )


def _say_json(answer: _Answer, commit: Commit | None, console: Console) -> None:
    now, what, found = console.now(), answer.known.what, answer.known.found
    members: dict[str, Any] = {
        "wanted": what.fingerprint or "-".join(filter(None, (what.prefix, what.suffix))),
        "is_exact": found is not None and bool(what.suffix) and not found.away and not answer.position,
        "issue": issue_members(answer.known.issues[0], now) if answer.known.issues else None,
        "event": _event_members(found.event) if found is not None else None,
    }
    if commit is not None:
        at = commit.at.isoformat() if commit.at is not None else None
        members["introduced"] = {"id": commit.id, "at": at, "subject": commit.subject, "url": commit.url}
    if answer.known.file is not None:
        members["file"] = str(answer.known.file)
    if found is None and answer.listed:
        members["events"] = [_event_members(event) for event in answer.listed]
    console.say_json(members)


def _event_members(event: Event) -> Any:
    return json.loads(wire.encode(event))


def _position(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1, which is the latest report")
    return int(text)


COMMAND: Final = Command(
    name="show",
    summary="what is known of an error id that a visitor quotes",
    description=(
        "Show the event with this error id, traceback and all. Where that occurrence was only counted: its issue and "
        "the nearest report of the same fault. What the spool has no more is sought in what file sinks wrote."
    ),
    exits="0 shown, 1 nothing is known of it",
    examples=(
        "tocsin show 7K3QDM-24F2",
        "tocsin show 7K3QDM --list",
        "tocsin show 7K3QDM --occurrence 3 --all",
    ),
    add_options=_add_options,
    run=_run,
)
