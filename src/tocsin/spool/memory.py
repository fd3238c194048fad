"""What is kept in memory while the spool can't be written: occurrences go in, bounded; they leave in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from tocsin.event import limits
from tocsin.event.model import Kind
from tocsin.spool.brief_lock import BriefLock

__all__ = ["Memory", "Occurrence"]


class Occurrence(NamedTuple):
    """Be one occurrence to spool: what the record's header tells, and the wire event as body."""

    kind: Kind
    levelno: int
    number: int
    fingerprint: str
    time: float
    body: bytes


@dataclass(slots=True)
class _Kept:
    occurrence: Occurrence
    count: int  # 0: a report of an occurrence that is counted already


class Memory:
    """Keep at most PENDING_EVENTS reports, each with the number of occurrences it stands for. Thread-safe."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque()
        self._lock = BriefLock()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, occurrence: Occurrence, count: int) -> bool:
        """Keep a report; return False where memory is full."""
        if len(self._kept) >= limits.PENDING_EVENTS:
            return False
        self._kept.append(_Kept(occurrence, count))  # one step: also within whatever this thread was interrupted in
        return True

    def count(self, fingerprint: str) -> bool:
        """Count one more of a fault that is kept; return False where it isn't."""
        if not self._kept or not self._lock.acquire():
            return False
        try:
            for kept in self._kept.copy():
                if kept.occurrence.fingerprint == fingerprint:
                    kept.count += 1
                    return True
        finally:
            self._lock.release()
        return False

    def take(self) -> tuple[Occurrence, int] | None:
        """Take the oldest out; None where there is none."""
        if not self._kept or not self._lock.acquire():
            return None
        try:
            kept = self._kept.popleft() if self._kept else None
        finally:
            self._lock.release()
        return None if kept is None else (kept.occurrence, kept.count)

    def put_back(self, occurrence: Occurrence, count: int) -> None:
        """Undo `take`."""
        self._kept.appendleft(_Kept(occurrence, count))

    def occurrences(self) -> int:
        """Return how many occurrences or further reports are kept."""
        return sum(max(kept.count, 1) for kept in self._kept.copy())
