"""`tocsin show`: an error id goes in; its event leaves, or its issue and the nearest report of the same fault."""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

from tocsin.cli.books import opened_state
from tocsin.cli.command import Command, with_place
from tocsin.cli.console import BOLD, DIM, Console
from tocsin.cli.fault import Wanted, matching, wanted
from tocsin.cli.place import Place, existing_place
from tocsin.cli.search import Found, find_event, nearest, scan
from tocsin.cli.words import ago, issue_members, issue_name, kind, number
from tocsin.event import wire
from tocsin.event.errors import StoreError
from tocsin.event.model import Event
from tocsin.render import when
from tocsin.render.terminal import event_terminal
from tocsin.routing.issues import Issue, is_muted

__all__ = ["COMMAND"]

_NEAR: Final = 10_000  # each process numbers from a random start: what is further away is another process's


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="an error id in either case, its first half, or a fingerprint")
    parser.add_argument("--json", action="store_true", help="issue and event as one JSON object")
    with_place(parser)


def _run(options: argparse.Namespace, console: Console) -> int:
    what = wanted(options.id)
    where = existing_place(options, console, is_state_enough=True)
    folder = where.folder
    issues, found = _look_up(where, what, console)
    if not issues and found is None:
        console.note(f"no {what}{what.hint} in {folder.path}; tocsin issues --all lists what there is")
        return 1
    if options.json:
        _say_json(what, issues, found, console)
    else:
        _say(what, issues, found, console)
    return 0


def _look_up(where: Place, what: Wanted, console: Console) -> tuple[tuple[Issue, ...], Found | None]:
    """Ask the state, then the spool itself, which also has what no leader has read and what a damaged state forgot."""
    folder = where.folder
    issues: tuple[Issue, ...] = ()
    found: Found | None = None
    try:
        with opened_state(where, console) as state:
            if state is not None:
                issues = matching(state, what)
                event = find_event(folder, state, what)
                found = Found(event) if event is not None else None
                if found is None and issues:
                    found = nearest(folder, state, issues[0].fingerprint, what.suffix)
    except StoreError as fault:
        console.note(f"{fault}; looking through the spool itself")
    if found is None or found.away:
        scanned = scan(folder, what)
        if scanned is not None and (found is None or abs(scanned.away) < abs(found.away)):
            found = scanned
    return issues, found


def _say(what: Wanted, issues: tuple[Issue, ...], found: Found | None, console: Console) -> None:
    now = console.now()
    for issue in issues:
        console.say(f"{console.paint(BOLD, f'{issue.prefix}  {issue_name(issue)}')}")
        console.say(
            f"        {kind(issue)}, {number(issue.count, 'occurrence')}, first {when.stamp(issue.first_seen)}, "
            f"last {ago(issue.last_seen, now)}"
        )
        if issue.muted_until is not None and is_muted(issue, now):
            console.say(f"        muted until {when.stamp(issue.muted_until)}")
        console.say()
    if found is None:
        console.say("No report of it is kept any more: retention (keep_days, spool_max_mb) has taken them.")
        return
    about = _about(what, found)
    if about:
        console.say(console.paint(DIM, about))
        console.say()
    text = event_terminal(found.event, is_coloured=console.is_coloured, width=console.width or 100)
    console.say(text.rstrip("\n"))


def _about(what: Wanted, found: Found) -> str:
    """Return a sentence where the event is not the one that was asked for."""
    if not what.suffix:
        return "Its latest report:"
    if not found.away:
        return ""
    away = f", {abs(found.away):,} {'after' if found.away > 0 else 'before'} it" if abs(found.away) <= _NEAR else ""
    return (
        f"{what.prefix}-{what.suffix} itself was only counted, or its report is gone.\n"
        f"The nearest report of the same fault is {found.event.error_id}{away}:"
    )


def _say_json(what: Wanted, issues: tuple[Issue, ...], found: Found | None, console: Console) -> None:
    now = console.now()
    members: dict[str, Any] = {
        "wanted": what.fingerprint or "-".join(filter(None, (what.prefix, what.suffix))),
        "is_exact": found is not None and bool(what.suffix) and not found.away,
        "issue": issue_members(issues[0], now) if issues else None,
        "event": _event_members(found.event) if found is not None else None,
    }
    console.say_json(members)


def _event_members(event: Event) -> Any:
    return json.loads(wire.encode(event))


COMMAND: Final = Command(
    name="show",
    summary="what is known of an error id that a visitor quotes",
    description=(
        "Show the event with this error id, traceback and all. Where that occurrence was only counted: its issue and "
        "the nearest report of the same fault."
    ),
    exits="0 shown, 1 nothing is known of it",
    examples=("tocsin show 7K3QDM-24F2", "tocsin show 7K3QDM"),
    add_options=_add_options,
    run=_run,
)
