"""`tocsin ddl`: a configuration goes in; the statements that make its databases' tables leave."""

from __future__ import annotations

import argparse
from typing import Final, Protocol, runtime_checkable

from tocsin.cli.command import Command, with_place
from tocsin.cli.console import Console
from tocsin.cli.destinations import build_sinks
from tocsin.cli.place import load_settings
from tocsin.config.load import DEFAULT_FILE
from tocsin.event.errors import ConfigError
from tocsin.routing.opening import state_ddl

__all__ = ["COMMAND"]


@runtime_checkable
class _HasTables(Protocol):
    """A sink that keeps tables; a user's own may."""

    def ddl(self) -> str: ...


def _add_options(parser: argparse.ArgumentParser) -> None:
    with_place(parser, has_spool=False)


def _run(options: argparse.Namespace, console: Console) -> int:
    settings = load_settings(options, console.environ)
    texts = [built.sink.ddl() for built in build_sinks(settings) if isinstance(built.sink, _HasTables)]
    if settings.state:
        texts.append(state_ddl())
    if not texts:
        raise ConfigError("nothing here keeps tables: no sink is of type 'database', and `state` is not set")
    for text in texts:
        console.say(text)
    return 0


COMMAND: Final = Command(
    name="ddl",
    summary="the SQL that makes the tables of database sinks and `state`",
    description=(
        "Print the statements that make the tables of every sink of type `database`, and of a shared `state`, for an "
        "administrator to apply where tocsin's own user may not. Connects to nothing, and holds no password."
    ),
    exits="0 printed",
    examples=(f"tocsin ddl --config {DEFAULT_FILE} | psql shop",),
    add_options=_add_options,
    run=_run,
)
