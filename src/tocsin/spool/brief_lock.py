"""A lock that is never waited for long: a thread asks, yes or no leaves."""

from __future__ import annotations

import threading
from typing import Final

__all__ = ["BriefLock"]

_WAIT_S: Final = 0.05


class BriefLock:
    """Keep threads apart for moments, and never deadlock.

    Its holder may be the very thread that a signal or a garbage collection interrupted, which can't wait for itself, or
    a thread that a fork left behind: so `acquire` waits at most 50 ms, for its own thread not at all, and may say no.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder = 0

    def acquire(self) -> bool:
        """Take the lock; return False where that can't be done in a moment."""
        if self._holder == threading.get_ident() or not self._lock.acquire(timeout=_WAIT_S):
            return False
        self._holder = threading.get_ident()
        return True

    def release(self) -> None:
        """Give the lock up."""
        self._holder = 0
        self._lock.release()
