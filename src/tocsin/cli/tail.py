"""`tocsin tail`: a spool goes in; what happens leaves line by line as it happens."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tocsin.cli.command import Command, with_place
from tocsin.cli.console import BOLD, CYAN, DIM, RED, YELLOW, Console
from tocsin.cli.follow import Follower
from tocsin.cli.place import existing_place
from tocsin.config.values import level
from tocsin.delivery.lines import sighting_entry
from tocsin.delivery.sightings import Sighting
from tocsin.event import error_id, wire
from tocsin.event.errors import DecodeError
from tocsin.event.model import Event
from tocsin.render import harmless
from tocsin.render.facts import innermost, occasion, what
from tocsin.render.terminal import event_terminal
from tocsin.spool.format import Header

__all__ = ["COMMAND"]

_POLL_S: Final = 0.2
_KINDS: Final = ("traceback", "error", "warning")
_STYLES: Final = {"traceback": RED, "error": RED, "warning": YELLOW}


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", dest="last", metavar="N", type=_number, default=10, help="the last N first (10)")
    parser.add_argument("--kind", metavar="KIND", action="append", choices=_KINDS,
                        help="only this kind: traceback, error or warning; may be given again")  # fmt: skip
    parser.add_argument("--level", metavar="LEVEL", type=_level, default=0, help="only from this level on")
    parser.add_argument("--full", action="store_true", help="each event with its traceback")
    parser.add_argument("--json", action="store_true", help="each as the JSON line that a file sink gets")
    parser.add_argument("--no-follow", action="store_true", help="end after the last ones")
    with_place(parser)


def _run(options: argparse.Namespace, console: Console) -> int:
    folder = existing_place(options, console).folder
    try:
        follower = Follower(folder)
        for reader, sighting in follower.last(options.last):
            _say(sighting, reader.about(), options, console)
        console.flush()
        while not options.no_follow:
            for reader, sighting in follower.new():
                _say(sighting, reader.about(), options, console)
            console.flush()
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        pass  # the way to end it
    return 0


def _say(sighting: Sighting, about: Mapping[str, Any], options: argparse.Namespace, console: Console) -> None:
    header = sighting.header
    if header.levelno < options.level or (options.kind and header.kind not in options.kind):
        return
    if options.json:
        console.say(sighting_entry(sighting, about, console.now()).line.decode())
        return
    event = _decoded(sighting.body)
    if options.full and event is not None and not sighting.is_count:
        console.say(event_terminal(event, is_coloured=console.is_coloured, width=console.width or 100))
        return
    console.say(_line(sighting, event, console))


def _line(sighting: Sighting, event: Event | None, console: Console) -> str:
    """Return time, error id, kind, what, culprit and request; ``+37`` in place of the id's end for a count."""
    header = sighting.header
    is_cell = sighting.origin.offset is None
    at = console.now() if is_cell else datetime.fromtimestamp(header.time, UTC)
    prefix = error_id.prefix(header.fingerprint)
    shown_id = f"{prefix} +{sighting.occurrences:,}" if sighting.is_count else error_id.make(prefix, header.number)
    word = _word(header)
    rest = _rest(event) if event is not None else "(its report is torn)"
    room = console.width - 8 - 1 - max(len(shown_id), 11) - 1 - max(len(word), 9) - 1
    shown = harmless.shorten(rest, room) if console.width and room > 20 else rest
    return " ".join(
        (
            console.paint(DIM, f"{at.astimezone():%H:%M:%S}"),
            console.paint(BOLD if sighting.is_count else CYAN, f"{shown_id:<11}"),
            console.paint(_STYLES[header.kind], f"{word:<9}"),
            shown,
        )
    ).rstrip()


def _word(header: Header) -> str:
    """Return the kind, or the level where that says more."""
    usual = logging.WARNING if header.kind == "warning" else logging.ERROR
    return header.kind if header.levelno == usual else harmless.line(logging.getLevelName(header.levelno), 9).lower()


def _rest(event: Event) -> str:
    frame = innermost(event.exception)
    place = f" in {frame.module}.{frame.function}" if frame is not None else ""
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


def _level(text: str) -> int:
    try:
        return level(text)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{text!r} {fault}") from None


COMMAND: Final = Command(
    name="tail",
    summary="what happens, as it happens",
    description=(
        "Follow what the application reports, one line each: time, error id, kind, what, request. A line with +37 "
        "stands for as many more of the same fault. Ctrl-C ends it."
    ),
    exits="0 ended, 1 there is no spool",
    examples=("tocsin tail --kind traceback --full",),
    add_options=_add_options,
    run=_run,
)
