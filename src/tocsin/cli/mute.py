"""`tocsin mute`: a fault and a time go in; until then it is counted and not told."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tocsin.cli.books import holder, lead_for_a_moment, opened_state
from tocsin.cli.command import Command, duration, with_place
from tocsin.cli.console import Console
from tocsin.cli.fault import Wanted, matching, wanted
from tocsin.cli.place import Place, existing_place
from tocsin.cli.words import issue_name
from tocsin.delivery.mutes import apply_mutes, request_mute
from tocsin.event.errors import ConfigError
from tocsin.render import when
from tocsin.routing.issues import Issue
from tocsin.routing.state import State
from tocsin.spool.folder import Folder

__all__ = ["COMMAND"]

_WEEK_S: Final = 7 * 86_400.0
_WAIT_S: Final = 3.0  # for the leader, who looks several times a second
_LOOK_S: Final = 0.05


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fault", metavar="FAULT", help="an error id, its first half, or a fingerprint")
    parser.add_argument("--for", dest="time", metavar="TIME", type=duration, help="for how long: 90m, 12h, 7d (7d)")
    parser.add_argument("--off", action="store_true", help="tell it again")
    with_place(parser)


def _run(options: argparse.Namespace, console: Console) -> int:
    what = wanted(options.fault)
    if options.off and options.time is not None:
        raise ConfigError("give --for or --off, not both")
    where = existing_place(options, console)
    folder = where.folder
    folder.require_owner()
    end = time.monotonic() + _WAIT_S
    while not (issues := _found(where, what, console)) and holder(folder) and time.monotonic() < end:
        time.sleep(_LOOK_S)  # whoever leads may not have read the fault's first report yet
    if not issues:
        console.note(f"no {what}{what.hint} in {folder.path}; tocsin issues --all lists what there is")
        return 1
    if len(issues) > 1:
        names = "; ".join(f"{issue.fingerprint} ({issue_name(issue)})" for issue in issues)
        raise ConfigError(f"{what} may be any of: {names}; name one by its fingerprint")
    until = None if options.off else console.now() + timedelta(seconds=options.time or _WEEK_S)
    if not _ask(where, issues[0].fingerprint, until):
        console.note(f"asked, but {holder(folder) or 'nobody'} has not done it within {_WAIT_S:.0f} s; it will be done")
        return 1
    console.say(_done(issues[0], until))
    return 0


def _found(where: Place, what: Wanted, console: Console) -> tuple[Issue, ...]:
    with opened_state(where, console) as state:
        return matching(state, what) if state is not None else ()


def _ask(where: Place, fingerprint: str, until: datetime | None) -> bool:
    """Leave the request; have the leader apply it, or apply it here where nobody leads. Return whether it is done."""
    request: Path = request_mute(where.folder, fingerprint, until)
    end = time.monotonic() + _WAIT_S
    while request.exists():
        if not lead_for_a_moment(where, then=lambda state: _apply(where.folder, state)):
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_S)
    return True


def _apply(folder: Folder, state: State) -> None:
    apply_mutes(folder, state, datetime.now(UTC))


def _done(issue: Issue, until: datetime | None) -> str:
    name = f"{issue.prefix} ({issue_name(issue)})"
    if until is None:
        return f"{name} is told again."
    return f"{name} is counted but not told until {when.stamp(until)}. Undo: tocsin mute {issue.prefix} --off"


COMMAND: Final = Command(
    name="mute",
    summary="count a fault without telling it for a while",
    description=(
        "Mute one fault: it goes on being counted, but nobody is told until the time is over. Files and other sinks "
        "that get every event still do."
    ),
    exits="0 done, 1 there is no such fault, another user's spool, or who delivers has not applied it yet",
    examples=("tocsin mute 7K3QDM --for 7d", "tocsin mute 7K3QDM --off"),
    add_options=_add_options,
    run=_run,
)
