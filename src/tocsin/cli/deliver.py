"""`tocsin deliver`: a spool and sinks go in; this process leads and delivers until it is told to stop."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any, Final

from tocsin.cli.books import holder
from tocsin.cli.command import Command, duration, with_place
from tocsin.cli.console import Console
from tocsin.cli.crew import Crew
from tocsin.cli.destinations import build_sinks, stand_in_tables
from tocsin.cli.drain import drain, have_drained
from tocsin.cli.place import existing_place, load_settings, place
from tocsin.config.load import load
from tocsin.config.settings import Settings
from tocsin.delivery.term import DEDICATED
from tocsin.event import limits
from tocsin.event.errors import ConfigError
from tocsin.spool.folder import Folder
from tocsin.spool.reader import SpoolReader

__all__ = ["COMMAND", "crew_of", "stopped_by_signals"]

_STEP_PAUSE_S: Final = 0.0005
_GRACE_S: Final = 1.5  # for calls under way at SIGTERM; service managers and people wait a little longer
_TIMEOUT_S: Final = 60.0


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--drain", action="store_true", help="deliver what waits, then end")
    parser.add_argument("--timeout", metavar="TIME", type=duration, help="for --drain: give up after this long (60s)")
    parser.add_argument(
        "--sink",
        metavar="URL",
        action="append",
        help="deliver there only, from the oldest event on; may be given again",
    )
    with_place(parser)


def _run(options: argparse.Namespace, console: Console) -> int:
    if options.timeout is not None and not options.drain:
        raise ConfigError("--timeout is for --drain; without it delivery goes on until it is stopped")
    crew = crew_of(options, console)
    crew.require()
    with stopped_by_signals() as is_stopping:
        _say_start(crew, console)
        who = holder(crew.folder)
        if options.drain and not crew.is_stand_in and who.startswith(DEDICATED):
            return _have_drained(crew, who, is_stopping, options.timeout or _TIMEOUT_S, console)
        try:
            if not crew.take_over(is_stopping):
                return 0
            if options.drain:
                return _drain(crew, is_stopping, options.timeout or _TIMEOUT_S, console)
            _say_lead(crew, console)
            while not is_stopping():
                time.sleep(_STEP_PAUSE_S if crew.step() else limits.LEADER_POLL_S)
            return 0
        finally:
            crew.finish(_GRACE_S)
            if console.is_terminal and not options.drain:
                console.say("stopped; what is left waits in the spool")


def _have_drained(crew: Crew, who: str, is_stopping: Callable[[], bool], timeout_s: float, console: Console) -> int:
    """Two processes can't lead one spool; the other one has the same sinks, so it is asked."""
    if have_drained(crew.folder, is_stopping, timeout_s):
        console.say(f"delivered by {who}; nothing waits any more")
        return 0
    console.note(
        f"{who} leads and could not deliver all within {timeout_s:.0f} s; tocsin spool says what waits and why"
    )
    return 1


def _drain(crew: Crew, is_stopping: Callable[[], bool], timeout_s: float, console: Console) -> int:
    left = drain(crew, is_stopping, timeout_s)
    for sentence in left:
        console.note(f"still waiting for {sentence}")
    if not left and is_stopping():
        console.note("stopped before all was delivered")
    if left or is_stopping():
        return 1
    console.say("delivered; nothing waits any more")
    return 0


def crew_of(options: argparse.Namespace, console: Console) -> Crew:
    """Return who delivers: the configuration's sinks, or those of ``--sink`` in their place."""
    if options.spool is not None and options.config is None and not options.sink:
        raise ConfigError("--spool needs --sink URL, which says where to; or give --config FILE")
    if options.spool is not None and options.config is None:
        where = existing_place(options, console)
        folder = where.folder
        _ = where.state  # told where it is a database, which --spool alone doesn't name
        settings = _settings_of(folder)
    else:
        where = place(options, console)
        folder = where.folder
        settings = where.settings or load_settings(options, console.environ)
    if settings.mode != "production":
        source = settings.sources.get("mode", "")
        raise ConfigError(f"mode is {settings.mode} (by {source}), in which nothing is delivered")
    if options.sink:
        settings = replace(settings, sinks=stand_in_tables(options.sink))
    if not settings.sinks:
        raise ConfigError("there is no sink, so nowhere to deliver to; add a [[sinks]] table or give --sink URL")
    return Crew(folder, settings, build_sinks(settings), is_stand_in=bool(options.sink))


def _settings_of(folder: Folder) -> Settings:
    """Return settings by what the spool itself says: the latest process names application and environment."""
    about: dict[str, Any] = {}
    for reader in SpoolReader(folder).generations():
        about |= {name: value for name, value in reader.about().items() if value}
    names: dict[str, Any] = {name: about[name] for name in ("environment", "release", "host") if name in about}
    return load({"application": about.get("application", "app"), "spool": str(folder.path), **names}, {}, {})


def _say_start(crew: Crew, console: Console) -> None:
    if not console.is_terminal:
        return
    console.say(f"spool  {crew.folder.path}")
    for sink in crew.sinks:
        console.say(f"to     {sink.identity}")
    who = holder(crew.folder)
    if who:
        console.say(f"asking {who} to make room")
    console.flush()


def _say_lead(crew: Crew, console: Console) -> None:
    """Say that it works; in a journal in one line, on a terminal after what `_say_start` has said."""
    if console.is_terminal:
        console.say(f"delivering as pid {os.getpid()}; Ctrl-C stops it")
    else:
        names = ", ".join(sink.identity for sink in crew.sinks)
        console.say(f"delivering {crew.folder.path} to {names}")
    console.flush()


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Have SIGTERM and SIGINT ask to stop, instead of stopping in the middle of something."""
    stops: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stops.append(number)

    # On Windows a service wrapper, or Ctrl-Break, sends SIGBREAK instead of SIGTERM.
    numbers = {signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGBREAK", signal.SIGTERM)}
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield lambda: bool(stops)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


COMMAND: Final = Command(
    name="deliver",
    summary="deliver as a process of its own",
    description=(
        "Deliver what the application spools, as a process of its own; a worker that delivers hands over within "
        "seconds. With --drain: deliver what waits, and end. --spool with --sink stand in for a configuration."
    ),
    exits="0 stopped, or drained; 1 something still waits, or another process delivers",
    examples=(
        "tocsin deliver --config tocsin.toml",
        "tocsin deliver --drain --spool DIR --sink file:out.jsonl?from=now",
    ),
    add_options=_add_options,
    run=_run,
)
