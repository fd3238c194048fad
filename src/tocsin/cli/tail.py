"""`tocsin tail`: a spool goes in; what happens leaves line by line as it happens."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from tocsin.cli.books import opened_state
from tocsin.cli.choice import Choice, add_choice, choice_of
from tocsin.cli.command import Command, with_place
from tocsin.cli.console import BOLD, CYAN, DIM, RED, YELLOW, Console
from tocsin.cli.fault import all_names
from tocsin.cli.follow import Follower, Loss, Seen
from tocsin.cli.lately import Lately
from tocsin.cli.place import existing_place
from tocsin.delivery.lines import loss_entry, sighting_entry
from tocsin.delivery.sightings import Sighting
from tocsin.event import error_id, wire
from tocsin.event.errors import DecodeError
from tocsin.event.model import Event
from tocsin.render import harmless
from tocsin.render.facts import frame_name, innermost, occasion, what
from tocsin.render.terminal import event_terminal
from tocsin.spool.format import Header

__all__ = ["COMMAND"]

_POLL_S: Final = 0.2
_LAST: Final = 10
_STORM: Final = 60  # occurrences of a fault within a minute from which on they are told
_STYLES: Final = {"traceback": RED, "error": RED, "warning": YELLOW}


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", dest="last", metavar="N", type=_number,
                        help="the last N first (10; with --since all)")  # fmt: skip
    add_choice(parser)
    parser.add_argument("--full", action="store_true", help="each event with its traceback")
    parser.add_argument("--json", action="store_true", help="each as the JSON line that a file sink gets")
    parser.add_argument("--no-follow", action="store_true", help="end after the last ones")
    with_place(parser)


def _run(options: argparse.Namespace, console: Console) -> int:
    choice = choice_of(options)
    where = existing_place(options, console)
    if choice.fault is not None:
        with opened_state(where, console) as state:
            choice = replace(choice, fault=all_names(state, choice.fault))
    folder = where.folder
    shown = _Shown(choice, console, is_full=options.full, is_json=options.json)
    try:
        follower = Follower(folder)
        for seen in follower.last(_how_many(options), shown.takes, shown.since):
            shown.say(seen)
        console.flush()
        while not options.no_follow and not console.is_abandoned():
            shown.say_all(follower.new())
            console.flush()
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        pass  # the way to end it
    return 0


def _how_many(options: argparse.Namespace) -> int | None:
    if options.last is not None:
        return int(options.last)
    return None if options.since is not None else _LAST


class _Shown:
    """Say what was chosen, as it was asked for."""

    def __init__(self, choice: Choice, console: Console, *, is_full: bool, is_json: bool) -> None:
        self._choice = choice
        self._console = console
        self._is_full = is_full
        self._is_json = is_json
        self._lately = Lately()
        self._started_s = console.now().timestamp()
        self.since = None if choice.since_s is None else self._started_s - choice.since_s

    def takes(self, sighting: Sighting) -> bool:
        """Tell whether a sighting was chosen. A count is, where the first report of its fault is."""
        if not self._choice.takes_header(sighting.header, self._started_s, is_count=sighting.is_count):
            return False
        return not self._choice.tests or self._choice.takes(_decoded(sighting.body))

    def say_all(self, found: Iterable[Seen | Loss]) -> None:
        """Say what is new, as far as it was chosen; losses where nothing was chosen, since nobody knows of what."""
        for each in found:
            if isinstance(each, Loss):
                if self._choice.is_everything:
                    self._say_loss(each)
                continue
            sighting = each.sighting
            lately = self._lately.add(sighting.header.fingerprint, sighting.occurrences, time.monotonic())
            if self.takes(sighting):
                self.say(each, lately)

    def say(self, seen: Seen, lately: int = 0) -> None:
        """Say one sighting. ``lately`` is how many there were of its fault within the last minute."""
        console, sighting = self._console, seen.sighting
        if self._is_json:
            console.say(sighting_entry(sighting, seen.reader.about(), console.now()).line.decode())
            return
        event = _decoded(sighting.body)
        if self._is_full and event is not None and not sighting.is_count:
            console.say(event_terminal(event, is_coloured=console.is_coloured, width=console.width or 100))
            return
        console.say(_line(sighting, event, lately, console))

    def _say_loss(self, loss: Loss) -> None:
        console = self._console
        if self._is_json:
            entry = loss_entry(loss.reason, loss.number, loss.origin, loss.reader.about(), console.now())
            console.say(entry.line.decode())
            return
        at, number = console.paint(DIM, f"{console.now().astimezone():%H:%M:%S}"), f"{f'+{loss.number:,}':<11}"
        said = f"given up without a report: {harmless.line(loss.reason)}; tocsin spool says why"
        console.say(f"{at} {console.paint(BOLD, number)} {console.paint(RED, 'loss     ')} {said}")


def _line(sighting: Sighting, event: Event | None, lately: int, console: Console) -> str:
    """Return time, error id, kind, what, culprit and request; ``+37`` in place of the id's end for a count."""
    header = sighting.header
    is_cell = sighting.origin.offset is None
    at = console.now() if is_cell else datetime.fromtimestamp(header.time, UTC)
    prefix = error_id.prefix(header.fingerprint)
    shown_id = f"{prefix} +{sighting.occurrences:,}" if sighting.is_count else error_id.make(prefix, header.number)
    word = _word(header)
    storm = f"×{lately:,} in the last minute: " if sighting.is_count and lately >= _STORM else ""
    rest = _rest(event) if event is not None else "(its report is torn)"
    room = console.width - 8 - 1 - max(len(shown_id), 11) - 1 - max(len(word), 9) - 1 - len(storm)
    shown = harmless.shorten(rest, room) if console.width and room > 20 else rest
    return " ".join(
        (
            console.paint(DIM, f"{at.astimezone():%H:%M:%S}"),
            console.paint(BOLD if sighting.is_count else CYAN, f"{shown_id:<11}"),
            console.paint(_STYLES[header.kind], f"{word:<9}"),
            console.paint(BOLD, storm) + shown,
        )
    ).rstrip()


def _word(header: Header) -> str:
    """Return the kind, or the level where that says more."""
    usual = logging.WARNING if header.kind == "warning" else logging.ERROR
    return header.kind if header.levelno == usual else harmless.line(logging.getLevelName(header.levelno), 9).lower()


def _rest(event: Event) -> str:
    frame = innermost(event.exception)
    place = f" in {frame_name(frame)}" if frame is not None else ""
    said = what(event)
    asked = occasion(event)
    shown = f" · {asked}" if asked and asked not in said else ""
    return harmless.line(said + place + shown)


def _decoded(body: bytes | None) -> Event | None:
    try:
        return wire.decode(body) if body is not None else None
    except DecodeError:
        return None


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 0")
    return int(text)


COMMAND: Final = Command(
    name="tail",
    summary="what happens, as it happens",
    description=(
        "Follow what the application reports, a line each: time, error id, kind, what, request. +37 stands for as many "
        "more of the same fault, chosen by its first report. Ctrl-C ends it."
    ),
    exits="0 ended, 1 there is no spool",
    examples=(
        "tocsin tail --since 1h --route '/orders/*' --tag tenant=acme",
        "tocsin tail --json --type KeyError | jq -r .error_id",
    ),
    add_options=_add_options,
    run=_run,
)
