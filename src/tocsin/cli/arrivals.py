"""What a receiver takes goes in, from any thread; a line of each leaves on the console."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime
from typing import Final

from tocsin.cli.console import BOLD, CYAN, DIM, RED, YELLOW, Console
from tocsin.event import wire
from tocsin.receiver.arrival import Arrival
from tocsin.render import harmless
from tocsin.render.terminal import event_line

__all__ = ["Arrivals"]

_WAITING: Final = 1_000  # past it the oldest are not shown, and that is said
_STYLES: Final = {"traceback": RED, "error": RED, "warning": YELLOW}
_COLUMNS: Final = 160  # where stdout is no terminal


class Arrivals:
    """Hold what is to be shown until `show`, and wake whoever waits for something to do."""

    def __init__(self, console: Console, *, is_shown: bool) -> None:
        self._console = console
        self._is_shown = is_shown
        self._waiting: deque[Arrival] = deque(maxlen=_WAITING)
        self._number = 0
        self.woken = threading.Event()

    def add(self, arrival: Arrival) -> None:
        """Take one; any thread may call it."""
        if self._is_shown:
            self._waiting.append(arrival)
            self._number += 1
        self.woken.set()

    def show(self) -> None:
        """Write a line for each that was added since. One thread calls it. Raises BrokenPipeError."""
        number, self._number = self._number, 0
        shown = 0
        while self._waiting:
            self._console.say(_line(self._waiting.popleft(), self._console))
            shown += 1
        if number > shown:
            self._console.say(f"… and {number - shown:,} more, too many to be shown")
        if shown:
            self._console.flush()


def _line(arrival: Arrival, console: Console) -> str:
    where = harmless.line(f"{arrival.application}@{arrival.host or '?'}", 40)
    width = (console.width or _COLUMNS) - len(where) - 1
    members = arrival.members
    try:
        shown = event_line(wire.event_from(members), is_coloured=console.is_coloured, width=width)
    # A count, a loss, a report that was torn, a time that is none in this zone.
    except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        at = datetime.fromtimestamp(arrival.time).astimezone()
        exception = members.get("exception")
        what = exception.get("type") if isinstance(exception, dict) else None
        said = harmless.line(str(what or members.get("message") or members.get("reason") or arrival.kind), 200)
        mark = f"{harmless.line(str(members.get('error_id', '')), 11)} +{arrival.occurrences:,}"
        kind = console.paint(_STYLES[arrival.kind], "loss" if arrival.is_loss else arrival.kind)
        shown = f"{console.paint(DIM, f'{at:%H:%M:%S}')} {kind} {console.paint(BOLD, mark)} {said}"
    return f"{console.paint(CYAN, where)} {shown}"
