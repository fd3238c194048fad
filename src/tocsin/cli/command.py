"""What a command is: its words and options go in; a parser, a help of one screen and a run leave."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from tocsin.cli.console import Console
from tocsin.event.errors import ConfigError

__all__ = ["Command", "CommandParser", "duration", "with_place"]

_COLUMNS: Final = 79
_TERM_COLUMNS: Final = 15


@dataclass(frozen=True, slots=True)
class Command:
    """Be one command. ``exits`` documents its exit codes but for 2, unless it means more than usage there.

    ``run`` returns the exit code; what it raises of tocsin's errors becomes a line on stderr.
    """

    name: str
    summary: str  # one phrase in the list of commands
    description: str
    exits: str
    examples: tuple[str, ...]
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Console], int]

    def parser(self) -> CommandParser:
        """Return a new parser of its arguments."""
        parser = CommandParser(self)
        self.add_options(parser)
        return parser


class CommandParser(argparse.ArgumentParser):
    """Parse one command's arguments. Its help is the same on every Python, so that the reference can hold it."""

    def __init__(self, command: Command) -> None:
        super().__init__(prog=f"tocsin {command.name}", add_help=False, allow_abbrev=False)
        self._command = command
        self.add_argument("-h", "--help", action="help", help="show this")

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError: `main` tells it like any other."""
        raise ConfigError(f"{message}; see {self.prog} --help")

    def format_help(self) -> str:
        """Return usage, what it does, a table of its options, exit codes and examples."""
        command = self._command
        operands = [f" {_term(action)}" for action in self._actions if not action.option_strings]
        parts = [f"usage: {self.prog}{''.join(operands)} [options]\n", *_wrapped(command.description), ""]
        for action in self._ordered():
            first, *more = textwrap.wrap(action.help or "", _COLUMNS - _TERM_COLUMNS - 3)
            parts.append(f"  {_term(action):<{_TERM_COLUMNS}} {first}")
            parts.extend(" " * (_TERM_COLUMNS + 3) + line for line in more)
        usage = "" if "2 " in command.exits else ", 2 usage or configuration"
        parts += ["", *_wrapped(f"Exit code: {command.exits}{usage}.")]
        parts += [f"{'Example:' if not index else '':<9}{text}" for index, text in enumerate(command.examples)]
        return "\n".join(parts) + "\n"

    def _ordered(self) -> Iterator[argparse.Action]:
        """Yield what is explained: operands first, ``--help`` last."""
        yield from (action for action in self._actions if not action.option_strings)
        yield from (action for action in self._actions if action.option_strings and action.dest != "help")
        yield from (action for action in self._actions if action.dest == "help")


def with_place(parser: argparse.ArgumentParser, *, has_spool: bool = True) -> None:
    """Add ``--config`` and, for what works on a spool alone, ``--spool``."""
    parser.add_argument("--config", metavar="FILE", help="the configuration; else TOCSIN_CONFIG or TOCSIN_*")
    if has_spool:
        parser.add_argument("--spool", metavar="DIR", help="the spool's folder, instead of a configuration")


def duration(text: str) -> float:
    """Parse a duration above 0 in seconds, for argparse."""
    from tocsin.config.setting import duration_s

    try:
        seconds = duration_s(text)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{text!r} {fault}") from None
    if not 0 < seconds <= 3_660 * 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0 and at most ten years")
    return seconds


def _term(action: argparse.Action) -> str:
    value = str(action.metavar or "")
    if not action.option_strings:
        return value or action.dest.upper()
    return ", ".join(action.option_strings) + (f" {value}" if action.nargs != 0 and value else "")


def _wrapped(text: str) -> list[str]:
    return [line for paragraph in text.split("\n") for line in textwrap.wrap(paragraph, _COLUMNS)]
