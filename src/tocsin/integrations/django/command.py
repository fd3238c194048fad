"""Management commands: a command line goes in; what nobody caught is reported with the command, and raised again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from django.core import management
from django.core.management.base import CommandError

from tocsin.capture.work import Work
from tocsin.complaints import complain
from tocsin.integrations.django.faults import present

__all__ = ["execute_from_command_line"]

# What serves requests, or waits for a person, is no work of its own.
_SERVERS: Final = frozenset({"runserver", "shell", "dbshell", "test", "testserver"})


def execute_from_command_line(argv: Sequence[str] | None = None) -> None:
    """Do as Django's function of this name, for ``manage.py``: run a command, reporting what it lets pass.

    A CommandError is an answer to whoever called, and not reported. Output and exit status stay as they are.
    """
    arguments = list(sys.argv if argv is None else argv)
    name = arguments[1] if len(arguments) > 1 else ""
    if name in _SERVERS or not name or name.startswith("-"):
        management.execute_from_command_line(arguments)
        return
    with Work(name, by="django") as work:
        try:
            management.execute_from_command_line(arguments)
        except CommandError:
            raise
        except Exception as fault:
            _report(fault, work)
            raise


def _report(fault: Exception, work: Work) -> None:
    intake = present()
    if intake is None:
        return
    try:
        intake.exception(fault, kind="traceback", via="django.command", environ=work.environ)
    except Exception as own:  # noqa: BLE001 - the command's exception wins over ours
        complain("django", "a failed command could not be reported", own)
