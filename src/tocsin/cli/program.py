"""The program `tocsin`: arguments go in; the right command runs, and every failure of it becomes a line and a code."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Final

from tocsin.cli.command import Command
from tocsin.cli.console import Console
from tocsin.complaints import LOGGER
from tocsin.event.errors import ConfigError, TocsinError

__all__ = ["COMMANDS", "command", "main", "overview"]

# Each is the name of its module; imported only when used, since `tocsin status` runs every minute.
COMMANDS: Final = (
    "check",
    "issues",
    "show",
    "explain",
    "mute",
    "tail",
    "status",
    "config",
    "ddl",
    "spool",
    "forget",
    "deliver",
    "receive",
    "stamp",
)

_OK: Final = 0
_WRONG: Final = 1
_USAGE: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 fine, 1 something is wrong, 2 usage or configuration.

    Never raises for what can be expected, and shows no traceback but under ``python -X dev``.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    console = Console(os.environ)
    if not (own := logging.getLogger(LOGGER)).handlers:
        own.addHandler(logging.NullHandler())  # complaints are on stderr already; logging would say them again there
    try:
        code = _run(arguments, console)
        console.flush()
        return code
    except BrokenPipeError:
        _drop_stdout()  # nobody reads any more, as with `| head`: that is no failure
        return _OK
    except KeyboardInterrupt:
        return 130
    except ConfigError as fault:
        for line in fault.faults:
            console.note(line)
        return _USAGE
    except TocsinError as fault:
        console.note(str(fault))
    except OSError as fault:
        console.note(f"{fault.strerror or type(fault).__name__}: {fault.filename or 'no file in particular'}")
    except Exception as fault:
        if sys.flags.dev_mode:
            raise
        console.note(
            f"this is a fault of tocsin: {type(fault).__name__}: {fault}; python -X dev -m tocsin.cli shows it"
        )
    return _WRONG


def command(name: str) -> Command:
    """Return one of `COMMANDS`."""
    found: Command = importlib.import_module(f"tocsin.cli.{name}").COMMAND
    return found


def overview() -> str:
    """Return the help of the program itself: the list of commands."""
    rows = "".join(f"  {name:<9}{command(name).summary}\n" for name in COMMANDS)
    return (
        "usage: tocsin COMMAND [options]\n\nWhat broke, and whether its reports arrive.\n\n"
        f"{rows}\ntocsin COMMAND --help explains each; tocsin --version says which this is.\n"
        "Without --config, TOCSIN_CONFIG names the file and TOCSIN_* variables count.\n"
    )


def _run(arguments: Sequence[str], console: Console) -> int:
    name = arguments[0] if arguments else ""
    if name in ("-h", "--help", "help", ""):
        console.say(overview().rstrip())
        return _OK if name else _USAGE
    if name in ("-V", "--version"):
        from tocsin import __version__

        console.say(f"tocsin {__version__}")
        return _OK
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(COMMANDS)}"
        raise ConfigError(f"there is no command {name!r}; {hint}")
    chosen = command(name)
    try:
        options = chosen.parser().parse_args(list(arguments[1:]))
    except SystemExit as end:  # --help
        return int(end.code or 0)
    return chosen.run(options, console)


def _drop_stdout() -> None:
    """Point stdout where the interpreter's last flush can't fail."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        return
