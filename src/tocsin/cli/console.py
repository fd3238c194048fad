"""What a command says goes in; it leaves on stdout and stderr, coloured where that is wanted."""

from __future__ import annotations

import json
import select
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

__all__ = ["BOLD", "CYAN", "DIM", "GREEN", "RED", "YELLOW", "Console"]

BOLD: Final = "1"
DIM: Final = "2"
RED: Final = "1;31"
GREEN: Final = "32"
YELLOW: Final = "33"
CYAN: Final = "36"


class Console:
    """Be a command's stdout, stderr, environment and clock.

    ``width`` is the terminal's, 0 where lines may be of any length. Colours are for terminals; ``NO_COLOR``
    (https://no-color.org) takes them away, ``FORCE_COLOR`` (https://force-color.org) has them in pipes and files too.
    """

    def __init__(self, environ: Mapping[str, str], out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.environ = environ
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self.is_terminal = self._out.isatty()
        is_able = self.is_terminal and environ.get("TERM") != "dumb"
        self.is_coloured = not environ.get("NO_COLOR") and (is_able or bool(environ.get("FORCE_COLOR")))
        self.width = shutil.get_terminal_size().columns if self.is_terminal else 0

    def now(self) -> datetime:
        """Return the present time, aware UTC."""
        return datetime.now(UTC)

    def say(self, text: str = "") -> None:
        """Write a line to stdout. Raises BrokenPipeError where nobody reads any more."""
        _write(self._out, f"{text}\n")

    def say_json(self, value: Any) -> None:
        """Write a value as one line of JSON."""
        self.say(json.dumps(value))

    def note(self, text: str) -> None:
        """Write what is no part of the answer to stderr, marked as ours."""
        _write(self._err, f"tocsin: {text}\n")
        self._err.flush()

    def flush(self) -> None:
        """Hand over what is buffered."""
        self._out.flush()

    def is_abandoned(self) -> bool:
        """Tell whether stdout is a pipe that nobody reads any more, without writing to it."""
        if self.is_terminal or not hasattr(select, "poll"):
            return False
        try:
            pipe = select.poll()
            pipe.register(self._out.fileno(), 0)
            # Of a file there is nothing to tell, and a socket or a pipe that is read has no events but those asked for.
            return any(events & (select.POLLERR | select.POLLNVAL) for _, events in pipe.poll(0))
        except (OSError, ValueError):  # io.UnsupportedOperation among them
            return False

    def paint(self, style: str, text: str) -> str:
        """Return ``text`` in a colour, or as it is."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.is_coloured and text else text


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:  # a terminal of another century: escapes are better than nothing
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
