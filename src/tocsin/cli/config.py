"""`tocsin config`: a configuration goes in; each effective value and its source, the levels and the spool leave."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from typing import Final, get_args

from tocsin.cli.command import Command, with_place
from tocsin.cli.console import BOLD, Console
from tocsin.cli.place import load_settings, settings_place
from tocsin.config.load import DEFAULT_FILE
from tocsin.config.loggers import unheard_loggers
from tocsin.config.settings import Settings
from tocsin.config.show import lines, masked_url, rows
from tocsin.config.values import level_name
from tocsin.event.errors import StoreError
from tocsin.event.model import Kind
from tocsin.handlers import LogHandler
from tocsin.sinks.base import SinkContext
from tocsin.sinks.registry import BuiltSink, build
from tocsin.sinks.shown import sink_shown

__all__ = ["COMMAND"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object per setting")
    with_place(parser, has_spool=False)


def _run(options: argparse.Namespace, console: Console) -> int:
    settings = load_settings(options, console.environ)
    shown = rows(settings, sink_shown)
    if options.json:
        for row in shown:
            console.say_json({"name": row.name, "value": row.value, "source": row.source})
    else:
        for line in lines(shown):
            console.say(line)
    built, faults = build(settings.sinks, SinkContext(settings.application, settings.environment, settings.host))
    if not options.json:
        _say_spool(settings, console)
        _say_levels(settings, built, console)
    # In production these were refused already; the other modes have no sinks, but may become production.
    for warning in (*faults, *_warnings(settings, built)):
        console.note(f"warning: {warning}")
    return 0


def _say_spool(settings: Settings, console: Console) -> None:
    console.say()
    try:
        found = settings_place(settings, console.environ)
    except StoreError as fault:
        console.say(f"{console.paint(BOLD, 'Spool')}  {fault}")
        return
    there = "" if os.access(found.path, os.F_OK) else "; not there yet"
    console.say(f"{console.paint(BOLD, 'Spool')}  {found.path}  ({found.reason}{there})")


def _say_levels(settings: Settings, built: Sequence[BuiltSink], console: Console) -> None:
    """Show both levels side by side: the handler's gates what comes in, a sink's what goes there."""
    console.say()
    console.say(console.paint(BOLD, "Levels"))
    console.say(f"  records come in from {level_name(settings.level)} on")
    for name, number in settings.loggers.items():
        console.say(f"    from the logger {name} from {level_name(number)} on")
    for sink in built:
        level = f"from {level_name(sink.levelno)} on" if sink.levelno else "all that came in"
        kinds = "" if sink.kinds == frozenset(get_args(Kind)) else f", {' and '.join(sorted(sink.kinds))} only"
        loggers = f", of the loggers {', '.join(sink.loggers)} only" if sink.loggers else ""
        console.say(f"  {masked_url(sink.identity)} gets {level}{kinds}{loggers}")


def _warnings(settings: Settings, built: Sequence[BuiltSink]) -> Iterator[str]:
    if settings.mode != "production":
        yield f"mode is {settings.mode}: nothing is delivered"
    elif not settings.sinks:
        yield "no sinks: reports are counted and kept in the spool, and nobody is told"
    intake = min([settings.level, *settings.loggers.values()])
    for sink in built:
        if 0 < sink.levelno < intake:
            wanted, got = level_name(sink.levelno), level_name(intake)
            yield f"{sink.identity} wants {wanted}, but nothing below {got} comes in; lower `level`"
    for name in unheard_loggers(lambda handler: isinstance(handler, LogHandler)):
        yield f"the logger {name} has propagate=False: its records don't reach tocsin; give it a tocsin.LogHandler"


COMMAND: Final = Command(
    name="config",
    summary="the effective settings and where each comes from",
    description=(
        "Show each effective setting with its source, the spool's folder, and both levels: what comes in, and what "
        "each sink gets. Secrets are masked. All faults are told at once."
    ),
    exits="0 it is valid",
    examples=(f"tocsin config --config {DEFAULT_FILE}",),
    add_options=_add_options,
    run=_run,
)
