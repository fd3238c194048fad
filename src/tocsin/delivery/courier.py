"""How this process delivers: a spool and the setting `delivery` go in; a thread, calls that wait, or neither leave."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tocsin.complaints import complain
from tocsin.delivery.host import Host, is_before_fork
from tocsin.delivery.inline import Inline
from tocsin.delivery.leaving import Leaving, leave_later, stay
from tocsin.delivery.moment import is_moment
from tocsin.delivery.term import Term
from tocsin.event import limits
from tocsin.spool.folder import Folder

if TYPE_CHECKING:
    from tocsin.delivery.leader import Leader
    from tocsin.spool.writer import Writer

__all__ = ["Courier"]

_LOOK_S: Final = 0.02


class Courier:
    """Deliver what this process spools, or wait for the process that does. Every method may be called by any thread."""

    def __init__(
        self,
        folder: Folder,
        kind: str,
        *,
        new_leader: Callable[[Callable[[], None]], Leader],
        writer: Callable[[], Writer | None],
        figures: Callable[[], object],
    ) -> None:
        """``kind`` is the setting `delivery`, or "" where nothing is delivered at all.

        ``new_leader`` is given what to call between slices; ``writer`` returns None before a first event; ``figures``
        differ once something was reported.
        """
        self._folder = folder
        self._kind = kind
        self._writer = writer
        self._new_leader = new_leader
        self._host = Host(self._new_term, self._retry_pending)
        self._inline = Inline(folder, self._new_term, figures) if kind == "inline" else None
        self._leaving = Leaving(self._host, folder, writer, self._inline)

    @property
    def is_running(self) -> bool:
        """Tell whether a thread of this process delivers, or would where no other leads."""
        return self._host.is_running

    @property
    def is_leading(self) -> bool:
        """Tell whether this process leads just now."""
        return self._host.is_leading

    def leave_later(self) -> None:
        """Have what is left delivered at the interpreter's exit."""
        leave_later(self._leaving)

    def start(self) -> bool:
        """Begin at a process's first event or request; return False where that is too early, so ask again."""
        if self._kind != "thread":
            return True
        if is_before_fork():
            return False
        self._host.start()
        return True

    def captured(self) -> None:
        """Deliver at once what was just spooled, if that is how this process delivers. Never raises."""
        if self._inline is not None and not self._inline.is_pausing and is_moment(sys._getframe(1)):
            self._inline.deliver(limits.INLINE_S)

    def settle(self) -> None:
        """Deliver all there is, counts too, at the end of some work, likewise."""
        self._retry_pending()
        self.captured()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything spooled so far is delivered, by whatever process leads; return whether it is."""
        if not self._kind:
            return True
        writer = self._writer()
        if writer is not None:
            writer.retry_pending()
            if writer.pending():
                return False
        if self._inline is not None:
            return self._inline.deliver(timeout_s)
        if writer is None or not self._folder.path.is_dir():
            return True  # no process has reported anything yet
        return self._wait(timeout_s)

    def end(self, timeout_s: float) -> None:
        """Deliver what can be delivered within ``timeout_s``, and stop."""
        end = time.monotonic() + timeout_s
        if self._host.is_running or (self._inline is not None and not self._inline.is_settled and timeout_s > 0):
            self.flush(timeout_s)
        self._host.stop(max(0.1, end - time.monotonic()))

    def stay(self) -> None:
        """Undo `leave_later`."""
        stay(self._leaving)

    def _wait(self, timeout_s: float) -> bool:
        from tocsin.delivery.wish import Wish

        end = time.monotonic() + timeout_s
        try:
            with Wish(self._folder) as wish:
                while time.monotonic() < end:
                    if wish.is_granted():
                        return True
                    time.sleep(_LOOK_S)
        except OSError as fault:
            complain("flush", f"the spool can't be written: {fault}")
        return False

    def _new_term(self) -> Term:
        pause = self._host.pause if self._inline is None else _go_on
        return Term(self._folder, lambda: self._new_leader(pause), is_dedicated=False)

    def _retry_pending(self) -> None:
        writer = self._writer()
        if writer is not None:
            writer.retry_pending()


def _go_on() -> None:
    """Make no pause: whoever reported something waits."""
