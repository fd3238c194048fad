"""A long answer goes in; it leaves by the user's pager where stdout is a terminal too low for it, else as it is."""

from __future__ import annotations

import shlex
import shutil
import subprocess

from tocsin.cli.console import Console

__all__ = ["say_paged"]


def say_paged(text: str, console: Console, *, is_wanted: bool = True) -> None:
    """Say ``text``, by ``PAGER`` (less, if that is not set) where it is longer than the terminal is high.

    An empty ``PAGER`` means none. Raises BrokenPipeError where nobody reads any more.
    """
    command = shlex.split(console.environ.get("PAGER", "less")) if is_wanted and console.is_terminal else []
    program = shutil.which(command[0]) if command else None
    if program is None or text.count("\n") + 1 < shutil.get_terminal_size().lines:
        console.say(text)
        return
    console.flush()
    # As git has it: colours pass, and what it showed stays on the screen.
    environ = {**console.environ, "LESS": console.environ.get("LESS", "FRX")}
    pager = subprocess.Popen([program, *command[1:]], stdin=subprocess.PIPE, env=environ)
    try:
        pager.communicate((text + "\n").encode("utf-8", "backslashreplace"))
    except KeyboardInterrupt:
        pass  # it is the pager's, and means no more than its `q`
    finally:
        _wait(pager)


def _wait(pager: subprocess.Popen[bytes]) -> None:
    while pager.poll() is None:
        try:
            pager.wait()
        except KeyboardInterrupt:
            continue  # as long as it has the terminal, nobody else may write there
