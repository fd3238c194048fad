"""Leading in turn: a way to make a Leader goes in; it is stepped whenever this process holds the leader lock.

`Term` is the working life of a delivering thread or of `tocsin deliver`. A worker's thread yields the lock when a
process of its own wishes for it: the documentation recommends one, since requests then share no GIL with delivery.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tocsin.complaints import complain
from tocsin.event.errors import TocsinError
from tocsin.spool.folder import Folder
from tocsin.spool.locks import FileLock, is_held

if TYPE_CHECKING:
    from tocsin.delivery.leader import Leader

__all__ = ["DEDICATED", "Term"]

DEDICATED: Final = "tocsin deliver"  # what the leader lock of a process of its own says

_WISH_LOOK_S: Final = 1.0
_FAILED_PAUSE_S: Final = 5.0  # after a first failure, such as a database that is away; then twice as long each time
_FAILED_PAUSE_MAX_S: Final = 60.0
_YIELDED_PAUSE_S: Final = 60.0  # to a newer version; if it is gone by then, this one leads again


class Term:
    """Try for the lock, lead while holding it, give it up when asked. One thread uses a Term.

    ``is_dedicated``: `tocsin deliver`, for which others make room.
    """

    def __init__(self, folder: Folder, new_leader: Callable[[], Leader], *, is_dedicated: bool) -> None:
        self.folder = folder
        self.leader: Leader | None = None
        self._new_leader = new_leader
        self._is_dedicated = is_dedicated
        self._lock = FileLock(folder.leader_lock)
        self._wish = FileLock(folder.leader_wish)
        self._looked_at = 0.0
        self._failed_at = -_FAILED_PAUSE_MAX_S
        self._failures = 0
        self._failed_pause_s = 0.0
        self._yielded_at = -_YIELDED_PAUSE_S

    def step(self) -> bool:
        """Do one step if this process leads or can begin to; return whether there was anything to do."""
        try:
            if self._must_yield() or (self.leader is not None and not self._lock.is_in_place):
                self.end()
                return False
            if self.leader is None and not self._begin():
                return False
            worked = self.leader is not None and self.leader.step()
            self._failures = 0
            if self.leader is not None and self.leader.must_yield:
                self._yielded_at = time.monotonic()
                self.end()
            return worked
        except (OSError, TocsinError) as fault:
            complain("delivery", f"delivery failed, will be tried again: {fault}")
        except Exception as fault:  # noqa: BLE001 - a fault of ours must not end delivery for good
            complain("delivery", f"delivery failed, will be tried again: {type(fault).__name__}", fault)
        self._failed_at = time.monotonic()
        pause_s = min(_FAILED_PAUSE_S * 2**self._failures, _FAILED_PAUSE_MAX_S)
        self._failed_pause_s = pause_s * (0.5 + random.random() / 2)  # so that many leaders don't come back at once
        self._failures = min(self._failures + 1, 10)
        self.end()
        return False

    def end(self) -> None:
        """Stop leading and give the lock up."""
        leader, self.leader = self.leader, None
        try:
            if leader is not None:
                leader.close()
        except Exception as fault:  # noqa: BLE001 - a sink's close may be anybody's code
            complain("delivery", f"a sink could not be closed: {type(fault).__name__}", fault)
        self._lock.release()
        self._wish.release()

    def _begin(self) -> bool:
        now = time.monotonic()
        if now - self._failed_at < self._failed_pause_s or now - self._yielded_at < _YIELDED_PAUSE_S:
            return False
        if self._is_dedicated:
            self.folder.prepare()
            self._wish.acquire()
        elif not self.folder.path.is_dir():
            return False  # a worker makes the folder with its first event, and tells if it can't
        if not self._lock.acquire():
            return False
        self._wish.release()
        self._lock.write(f"{os.getpid()} {DEDICATED if self._is_dedicated else 'a worker'}\n")
        self.leader = self._new_leader()
        return True

    def _must_yield(self) -> bool:
        """Tell whether to leave the lock to a dedicated process that waits for it."""
        if self._is_dedicated or time.monotonic() - self._looked_at < _WISH_LOOK_S:
            return False
        self._looked_at = time.monotonic()
        return is_held(self.folder.leader_wish)
