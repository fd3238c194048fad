"""What a person calls a fault or an occurrence goes in; its issues and its event leave, from wherever they are kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tocsin.cli.books import opened_state
from tocsin.cli.console import Console
from tocsin.cli.fault import Wanted, matching
from tocsin.cli.kept_files import find_in_files
from tocsin.cli.place import Place
from tocsin.cli.search import Found, find_event, nearest, scan
from tocsin.event.errors import StoreError
from tocsin.routing.issues import Issue
from tocsin.routing.state import State

__all__ = ["LookedUp", "look_up", "of_state"]


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Hold what is known of ``what``. ``file`` is a file sink's, where only that has the event."""

    what: Wanted
    issues: tuple[Issue, ...] = ()
    found: Found | None = None
    file: Path | None = None

    @property
    def is_nothing(self) -> bool:
        """Tell whether nothing is known of it."""
        return not self.issues and self.found is None


def look_up(where: Place, what: Wanted, console: Console) -> LookedUp:
    """Ask the state, then the spool itself, which also has what no leader has read and what a damaged state forgot.

    At last file sinks' files are read, rotated ones too. Says on stderr what can't be asked.
    """
    answer = LookedUp(what)
    try:
        with opened_state(where, console) as state:
            answer = of_state(where, state, what)
    except StoreError as fault:
        console.note(f"{fault}; looking through the spool itself")
    found = answer.found
    if found is None or found.away:
        scanned = scan(where.folder, what)
        if scanned is not None and (found is None or abs(scanned.away) < abs(found.away)):
            found = scanned
    if found is None or found.away:
        written = find_in_files(where, what)
        if written is not None:
            return replace(answer, found=Found(written[0]), file=written[1])
    return replace(answer, found=found)


def of_state(where: Place, state: State | None, what: Wanted) -> LookedUp:
    """Return what the state knows."""
    if state is None:
        return LookedUp(what)
    issues = matching(state, what)
    event = find_event(where.folder, state, what)
    found = Found(event) if event is not None else None
    if found is None and issues:
        found = nearest(where.folder, state, issues[0].fingerprint, what.suffix)
    return LookedUp(what, issues, found)
