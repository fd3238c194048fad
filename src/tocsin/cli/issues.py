"""`tocsin issues`: a spool goes in; one line per fault leaves, the latest first."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from tocsin.cli.books import opened_state
from tocsin.cli.command import Command, duration, with_place
from tocsin.cli.console import BOLD, CYAN, DIM, RED, YELLOW, Console
from tocsin.cli.place import existing_place
from tocsin.cli.words import ago, issue_members, issue_name, kind, table
from tocsin.render import harmless, when
from tocsin.routing.issues import Issue, is_muted

__all__ = ["COMMAND"]

_COLUMNS: Final = ["ISSUE", "COUNT", "KIND", "LAST SEEN", "FIRST SEEN", "WHAT"]
_STYLES: Final = {"traceback": RED, "error": RED, "warning": YELLOW}


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=duration,
        help="only what happened within this time, such as 90m, 12h, 7d",
    )
    parser.add_argument("--all", action="store_true", help="muted ones too")
    parser.add_argument("-n", "--limit", metavar="N", type=_limit, default=100, help="at most this many (100)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    with_place(parser)


def _run(options: argparse.Namespace, console: Console) -> int:
    where = existing_place(options, console, is_state_enough=True)
    now = console.now()
    since = now - timedelta(seconds=options.since) if options.since else None
    with opened_state(where, console) as state:
        found: Sequence[Issue] = ()
        muted = 0
        if state is not None:
            everything = state.issues(now=now, include_muted=True, since=since, limit=options.limit)
            found = state.issues(now=now, include_muted=options.all, since=since, limit=options.limit)
            muted = 0 if options.all else sum(is_muted(issue, now) for issue in everything)
    if options.json:
        for issue in found:
            console.say_json(issue_members(issue, now))
        return 0
    if found:
        _print(found, now, console)
    else:
        console.say("Nothing is broken." if since is None else f"Nothing broke within {when.span(now - since)}.")
    if muted:
        console.say(console.paint(DIM, f"{muted} muted; --all shows them."))
    if len(found) == options.limit:
        console.say(console.paint(DIM, f"There may be more than these {options.limit}; -n shows more."))
    return 0


def _print(found: Sequence[Issue], now: datetime, console: Console) -> None:
    rows = [_COLUMNS]
    for issue in found:
        muted = (
            f"(muted for {when.span(issue.muted_until - now)}) " if issue.muted_until and is_muted(issue, now) else ""
        )
        rows.append(
            [
                harmless.line(issue.prefix),
                f"{issue.count:,}",
                kind(issue),
                ago(issue.last_seen, now),
                ago(issue.first_seen, now),
                muted + issue_name(issue),
            ]
        )
    head, *lines = table(rows, right=(1,))
    console.say(console.paint(BOLD, head))
    for issue, line in zip(found, lines, strict=True):
        shown = harmless.shorten(line, console.width) if console.width else line
        prefix = len(issue.prefix)
        painted = console.paint(CYAN, shown[:prefix]) + shown[prefix:]
        console.say(painted.replace(issue.kind, console.paint(_STYLES[issue.kind], issue.kind), 1))


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1")
    return int(text)


COMMAND: Final = Command(
    name="issues",
    summary="what is broken, how often and since when",
    description="List what is broken, the latest first: one line per fault, with its exact count.",
    exits="0 whether anything is broken or not, 1 the spool can't be read",
    examples=("tocsin issues --since 7d",),
    add_options=_add_options,
    run=_run,
)
