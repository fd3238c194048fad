"""How often counts are read: a generation and the time go in; whether its counts are due leaves."""

from __future__ import annotations

from datetime import datetime

from tocsin.spool.reader import GenerationReader

__all__ = ["Pace"]


class Pace:
    """Let the counts of a living process be read at most every ``interval_s``: in a storm they grow all the time."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._read_at: dict[tuple[str, int], datetime] = {}

    def is_due(self, reader: GenerationReader, now: datetime, *, is_hurried: bool) -> bool:
        """Tell whether counts are to be read now; of the dead and in a hurry always."""
        read_at = self._read_at.get(reader.key)
        if is_hurried or reader.is_dead or read_at is None:
            return True
        return not 0 <= (now - read_at).total_seconds() < self._interval_s  # also where the clock was set back

    def note(self, reader: GenerationReader, now: datetime) -> None:
        """Remember that counts were read."""
        self._read_at[reader.key] = now

    def forget(self, key: tuple[str, int]) -> None:
        """Drop what is remembered of a generation that is gone."""
        self._read_at.pop(key, None)
