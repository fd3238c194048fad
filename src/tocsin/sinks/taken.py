"""What a destination took of a batch that failed goes in; what is still to be sent of the next try leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tocsin.event.limits import BATCH_ENTRIES
from tocsin.sinks.base import Entry, Origin

__all__ = ["Taken"]


class Taken:
    """Remember the origins that were taken, of the latest few batches: a failed one is tried again as a whole."""

    def __init__(self) -> None:
        self._origins: dict[Origin, None] = {}

    def waiting(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the entries that are not known to have been taken, in order."""
        return [entry for entry in entries if entry.origin not in self._origins]

    def add(self, entries: Iterable[Entry]) -> None:
        """Remember entries that the destination has taken."""
        self._origins.update(dict.fromkeys(entry.origin for entry in entries))
        while len(self._origins) > 4 * BATCH_ENTRIES:
            del self._origins[next(iter(self._origins))]

    def forget(self, entries: Iterable[Entry]) -> None:
        """Forget entries whose batch is through: they won't come again."""
        for entry in entries:
            self._origins.pop(entry.origin, None)
