"""The end of a process: all that delivers in it goes in; what can be delivered in the time left leaves, all at once."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from tocsin.complaints import complain
from tocsin.delivery.host import Host
from tocsin.event import limits
from tocsin.spool.folder import Folder
from tocsin.spool.writer import Writer

if TYPE_CHECKING:
    from tocsin.delivery.inline import Inline
    from tocsin.delivery.wish import Wish

__all__ = ["Leaving", "leave", "leave_later", "stay"]

_LOOK_S: Final = 0.02
_LAST_STEP_S: Final = 0.3  # of the time there is, for threads to end after their present step

_leaving: list[Leaving] = []  # in the order of their first events
_hooked: list[int] = []


@dataclass(frozen=True, slots=True, eq=False)
class Leaving:
    """Be one spool of a process and the thread that delivers it. ``writer`` returns None before a first event.

    With ``inline`` there is no thread: what no report has delivered yet is delivered now.
    """

    host: Host
    folder: Folder
    writer: Callable[[], Writer | None]
    inline: Inline | None = None

    def is_to_hurry(self) -> bool:
        """Tell whether this process delivers, and nobody else is left to."""
        writer = self.writer()
        if writer is None or not self.host.is_running or not self.is_through() or not self.folder.path.is_dir():
            return False  # without a folder no process has reported anything
        from tocsin.spool.reader import SpoolReader  # a worker that doesn't deliver has no other use for it

        return not SpoolReader(self.folder).has_living(but=writer.process)

    def settle(self, end: float) -> bool:
        """Deliver until the monotonic time ``end``, where that was not done yet and is done by calls that wait."""
        if self.inline is None or self.inline.is_settled or not self.is_through():
            return False
        return self.inline.deliver(max(end - time.monotonic(), _LOOK_S))

    def is_through(self) -> bool:
        """Keep nothing in memory that could be written; tell whether that is so."""
        writer = self.writer()
        if writer is None:
            return True
        writer.retry_pending()
        return not writer.pending() and not writer.is_behind


def leave_later(leaving: Leaving) -> None:
    """Have `leave` called with this one at the interpreter's exit, besides others."""
    _leaving.append(leaving)
    if not _hooked:
        _hooked.append(1)
        atexit.register(_leave_all)


def stay(leaving: Leaving) -> None:
    """Undo `leave_later`."""
    if leaving in _leaving:
        _leaving.remove(leaving)
    if not _leaving and _hooked:
        _hooked.clear()
        atexit.unregister(_leave_all)


def leave(leaving: list[Leaving]) -> None:
    """Deliver what nobody else is left to deliver, for EXIT_DELAY_S in all, and end the threads. Spooling goes on."""
    from tocsin.delivery.wish import Wish

    end = time.monotonic() + limits.EXIT_DELAY_S - _LAST_STEP_S
    with ExitStack() as stack:
        wishes = [Wish(each.folder) for each in leaving if _try(each.is_to_hurry)]
        asked = [wish for wish in wishes if _try(partial(_ask, stack, wish))]
        for each in leaving:
            _try(partial(each.settle, end))
        while asked and time.monotonic() < end:
            asked = [wish for wish in asked if not _try(wish.is_granted)]
            if asked:
                time.sleep(_LOOK_S)
    for each in leaving:
        each.host.ask_to_stop()
    end = time.monotonic() + _LAST_STEP_S
    for each in leaving:
        each.host.stop(max(end - time.monotonic(), 0.0))
        _try(each.is_through)


def _ask(stack: ExitStack, wish: Wish) -> bool:
    """Leave a wish for as long as the stack is open. Raises OSError: nobody is to answer for that spool."""
    stack.enter_context(wish)
    return True


def _leave_all() -> None:
    """Leave, but for what a forked child has of its parent: gunicorn runs a master's exit handlers in every worker."""
    own = [each for each in _leaving if (writer := each.writer()) is not None and writer.pid == os.getpid()]
    _leaving.clear()
    leave(own)


def _try(look: Callable[[], bool]) -> bool:
    try:
        return look()
    except Exception as fault:  # noqa: BLE001 - what is spooled goes out by another process; the exit goes on
        complain("exit", f"delivery could not be ended: {type(fault).__name__}", fault)
        return False
