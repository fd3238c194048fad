"""What our handlers of ordinary logging have in common: a record goes in; it reaches `emit`, and no lock is taken."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["Unlocked"]

_OURS: Final = ("tocsin.internal", "tocsin.report")


class Unlocked(logging.Handler):
    """Take records without the standard handler's lock, which a fork could leave locked; pass over tocsin's own."""

    is_tocsin = True  # how integrations, which lie below, tell it from handlers that write

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record; unlike the standard handler no lock is held."""
        try:
            if record.__dict__.get("tocsin_skip") is True or (type(record.name) is str and record.name in _OURS):
                return False
            verdict: object = self.filter(record)
            if not verdict:
                return False
            # Since Python 3.12 a filter may return another record in the place of the one it was given.
            self.emit(verdict if isinstance(verdict, logging.LogRecord) else record)
        except RecursionError:  # at this depth of the stack no call is left; further up there will be
            return False
        return True

    def createLock(self) -> None:
        """Have no lock: `logging` would register it for fork handling, and `handle` takes none."""
        self.lock = None
