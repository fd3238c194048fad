"""`tocsin forget`: a fault, a person or a text goes in; what tocsin keeps of it goes, and what can't go is said."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from tocsin.cli.books import opened_state
from tocsin.cli.command import Command, duration, with_place
from tocsin.cli.console import BOLD, Console
from tocsin.cli.fault import all_names, wanted
from tocsin.cli.forgetting.files import forget_in_file, holds
from tocsin.cli.forgetting.out_of_reach import out_of_reach
from tocsin.cli.forgetting.spool import Taken, forget_in_flights, forget_in_letters, forget_in_segments
from tocsin.cli.forgetting.state import forget_in_state
from tocsin.cli.forgetting.whom import LEAST_CHARS, Whom, canonical_address
from tocsin.cli.kept_files import file_sinks, written_files
from tocsin.cli.place import Place, existing_place, handler_spools
from tocsin.cli.words import number, table
from tocsin.event.errors import ConfigError, StoreError
from tocsin.render import harmless
from tocsin.routing.forgetting import Gone
from tocsin.spool.folder import Folder

__all__ = ["COMMAND"]

_ROUNDS: Final = 3  # what a leader was just delivering arrives behind the first
_IDS: Final = 10  # shown; --json has all


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fault", metavar="[FAULT]", nargs="?", help="an error id, its first half, or a fingerprint")
    parser.add_argument("--user", metavar="ID", help="reports of this user, by the id or its hash")
    parser.add_argument("--client", metavar="ADDRESS", help="reports of this client's address, by it or its hashes")
    parser.add_argument("--containing", metavar="TEXT", help="reports with this text anywhere, in any case")
    parser.add_argument("--older-than", metavar="TIME", type=duration, help="only what is older, such as 12h, 30d")
    parser.add_argument("--dry-run", action="store_true", help="only say what would go, and where")
    parser.add_argument("--json", action="store_true", help="as one JSON object, with every error id")
    with_place(parser)


@dataclass(slots=True)
class _Done:
    """Hold what went from one place."""

    name: str
    reports: Taken = field(default_factory=Taken)  # of segments, or of a file
    letters: Taken = field(default_factory=Taken)
    flights: Taken = field(default_factory=Taken)
    state: Gone = field(default_factory=Gone)
    faults: list[str] = field(default_factory=list)
    is_file: bool = False

    @property
    def is_nothing(self) -> bool:
        return not (self.reports.reports + self.letters.reports + self.flights.reports + self.state.total)

    def words(self) -> str:
        """Return ``3 reports in 1 segment, 1 title``."""
        told = [number(self.reports.reports, "line")] if self.is_file else [
            _in_files(self.reports, "segment"),
            number(self.letters.reports, "refused report"),
            number(self.flights.reports, "request under way before"),
            number(self.state.titles, "title"),
            f"{self.state.clients:,} client hash{'' if self.state.clients == 1 else 'es'}",
            number(self.state.bodies, "report in the state"),
            number(self.state.notices, "notice on its way"),
            number(self.state.reasons, "reason of a failure"),
        ]  # fmt: skip
        return ", ".join(each for each in told if not each.startswith("0 ")) or "nothing"


def _in_files(taken: Taken, noun: str) -> str:
    return f"{number(taken.reports, 'report')} in {number(taken.files, noun)}"


def _run(options: argparse.Namespace, console: Console) -> int:
    whom = _whom(options, console)
    where = existing_place(options, console)
    where.folder.require_owner()
    if whom.fault is not None:
        try:
            with opened_state(where, console) as state:
                whom = replace(whom, fault=all_names(state, whom.fault))
        except StoreError as away:  # what can be forgotten elsewhere is, and the state's own fault is told there
            console.note(f"only what has this very name is looked for: {away}")
    done: dict[str, _Done] = {}
    left: list[Path] = []
    for _ in range(1 if options.dry_run else _ROUNDS):
        found = list(_round(where, whom, is_dry=options.dry_run))
        for each in found:
            _add(done, each)
        left = [] if options.dry_run else _left(where, whom)
        if all(each.is_nothing for each in found) and not left:
            break
    faults = [fault for each in done.values() for fault in each.faults]
    if options.json:
        console.say_json(_members(done, left, faults, where, is_dry=options.dry_run))
    else:
        _say(done, left, where, whom, console, is_dry=options.dry_run)
    for fault in faults:
        console.note(fault)
    if whom.fault is not None and all(each.is_nothing for each in done.values()):
        console.note(f"no {whom.fault}{whom.fault.hint} that is not forgotten already; tocsin issues --all lists all")
        return 1
    return 1 if left or faults else 0


def _whom(options: argparse.Namespace, console: Console) -> Whom:
    given = (options.fault, options.user, options.client, options.containing, options.older_than)
    if all(each is None for each in given):
        raise ConfigError("say what to forget: FAULT, --user, --client, --containing or --older-than")
    for name in ("fault", "user", "client", "containing"):
        if getattr(options, name) == "":
            raise ConfigError(f"{'FAULT' if name == 'fault' else f'--{name}'} is empty; leave it out, or say which")
    if options.containing is not None and len(options.containing.strip()) < LEAST_CHARS:
        raise ConfigError(
            f"--containing {options.containing!r} is too short: it would take what has nothing to do with it; "
            f"give at least {LEAST_CHARS} characters"
        )
    return Whom(
        wanted(options.fault) if options.fault else None,
        options.user or "",
        canonical_address(options.client) if options.client else "",
        options.containing or "",
        console.now() - timedelta(seconds=options.older_than) if options.older_than else None,
    )


# -- one round through every place -------------------------------------------------------------------------


def _round(where: Place, whom: Whom, *, is_dry: bool) -> Iterator[_Done]:
    """Go through all places, what others are fed from first: what was not delivered goes without it then."""
    places = [where, *(Place(Folder(path)) for path in handler_spools(where.folder))]
    for place in places:
        yield _spool(place, replace(whom, salt=_salt(place.folder)), is_dry=is_dry)
    own = replace(whom, salt=_salt(where.folder))
    for sink in file_sinks(where):
        for path in written_files(sink):
            done = _Done(str(path), is_file=True)
            _try(done, lambda path=path, done=done: forget_in_file(path, own, done.reports, is_dry=is_dry))  # type: ignore[misc]
            yield done


def _spool(place: Place, whom: Whom, *, is_dry: bool) -> _Done:
    done, folder = _Done(str(place.folder.path)), place.folder
    _try(done, lambda: forget_in_segments(folder, whom, done.reports, is_dry=is_dry))
    _try(done, lambda: forget_in_letters(folder, whom, done.letters, is_dry=is_dry))
    _try(done, lambda: forget_in_flights(folder, whom, done.flights, is_dry=is_dry))
    seen = Taken()
    for taken in (done.reports, done.letters):
        seen.add(taken)

    def state() -> None:
        done.state, unwiped = forget_in_state(place, whom, seen, is_dry=is_dry)
        done.faults.extend([unwiped] if unwiped else [])

    _try(done, state)
    return done


def _try(done: _Done, step: Callable[[], None]) -> None:
    """Take a step; what can't be read or written must not keep the other places."""
    try:
        step()
    except StoreError as fault:
        done.faults.append(str(fault))
    except OSError as fault:
        done.faults.append(f"{fault.filename or done.name}: {fault.strerror or fault}; what it holds stays")


def _salt(folder: Folder) -> bytes:
    try:
        return (folder.path / "salt").read_bytes()
    except OSError:
        return b""  # it never hashed anybody


def _left(where: Place, whom: Whom) -> list[Path]:
    """Return every file whose bytes still hold it; none where bytes can't be searched for it."""
    own = replace(whom, salt=_salt(where.folder))
    files = [path for path in where.folder.path.rglob("*") if path.is_file() and not path.is_symlink()]
    files += [path for sink in file_sinks(where) for path in written_files(sink)]
    return [path for path in files if own.has_bytes and _still_holds(path, own)]


def _still_holds(path: Path, whom: Whom) -> bool:
    try:
        return holds(path, whom)
    except OSError:
        return False  # gone meanwhile; or can't be read, which was told


def _add(done: dict[str, _Done], each: _Done) -> None:
    known = done.setdefault(each.name, each)
    if known is each:
        return
    for mine, its in ((known.reports, each.reports), (known.letters, each.letters), (known.flights, each.flights)):
        mine.add(its)
    for name in Gone.__dataclass_fields__:
        setattr(known.state, name, getattr(known.state, name) + getattr(each.state, name))
    known.faults = each.faults  # of the latest round: what could be done in the end is none
    known.flights.waiting = each.flights.waiting


# -- what is said ------------------------------------------------------------------------------------------


def _say(done: dict[str, _Done], left: list[Path], where: Place, whom: Whom, console: Console, *, is_dry: bool) -> None:
    rows = [[harmless.line(each.name), each.words()] for each in done.values() if not each.is_nothing]
    console.say(console.paint(BOLD, "Would be forgotten" if is_dry else "Forgotten"))
    for line in table(rows) if rows else ["nothing: there is no report of it here"]:
        console.say(f"  {line}")
    if where.settings is None:
        console.say("  Files of file sinks were not looked at: only a configuration names them (--config FILE).")
    _say_rest(done, left, whom, console, is_dry=is_dry)
    ids = sorted(_error_ids(done))
    if ids:
        more = f" and {len(ids) - _IDS:,} more, which --json has" if len(ids) > _IDS else ""
        console.say()
        console.say(f"Elsewhere it is found by {', '.join(map(harmless.line, ids[:_IDS]))}{more}.")
    console.say()
    console.say(console.paint(BOLD, "Out of reach"))
    for line in table([[place, words] for place, words in out_of_reach(where)]):
        console.say(f"  {line}")
    if where.settings is not None and where.settings.state:
        console.say("  The state is shared: run the same on each host, for the reports in its spool.")


def _say_rest(done: dict[str, _Done], left: list[Path], whom: Whom, console: Console, *, is_dry: bool) -> None:
    waiting = sum(each.flights.waiting for each in done.values())
    if waiting:
        console.note(f"{number(waiting, 'request')} with it still under way; run the same once more when it is over")
    if is_dry:
        return
    if any(not each.is_nothing for each in done.values()):
        fewer = "; distinct clients are fewer" if any(each.state.clients for each in done.values()) else ""
        console.say(f"  Counts of issues and occurrences stay as they are{fewer}.")
    for path in left:
        console.note(
            f"{path} still holds it: in what is no report, or came just now; run the same once more, then look"
        )
    if whom.has_bytes and not left:
        console.say("  No file of these holds it any more; every byte was searched.")


def _error_ids(done: dict[str, _Done]) -> set[str]:
    return {known_as for each in done.values() for known_as in each.reports.error_ids | each.letters.error_ids}


def _members(
    done: dict[str, _Done], left: list[Path], faults: list[str], where: Place, *, is_dry: bool
) -> dict[str, Any]:
    return {
        "is_dry_run": is_dry,
        "places": [
            {
                "place": each.name,
                "reports": each.reports.reports,
                "refused_reports": each.letters.reports,
                "requests_noted": each.flights.reports,
                **{name: getattr(each.state, name) for name in Gone.__dataclass_fields__},
            }
            for each in done.values()
        ],
        "error_ids": sorted(_error_ids(done)),
        "still_held_by": [str(path) for path in left],
        "faults": faults,
        "out_of_reach": [{"place": place, "what": what} for place, what in out_of_reach(where)],
    }


COMMAND: Final = Command(
    name="forget",
    summary="delete what is kept of a fault, a user, a client or a text",
    description=(
        "Take out of the spool, its state and file sinks all that tells of somebody. Of what is given all has to hold. "
        "What failed in the code and how often stays. There is no way back."
    ),
    exits="0 nothing of it is left here, 1 something is, or there is no such fault",
    examples=(
        "tocsin forget --containing jane@example.org --dry-run",
        "tocsin forget --user 4711",
        "tocsin forget 7K3QDM --older-than 12h",
    ),
    add_options=_add_options,
    run=_run,
)
