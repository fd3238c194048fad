"""Retention: generations that nothing can be added to go in; those that are due leave the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from tocsin import system
from tocsin.complaints import complain
from tocsin.event import limits
from tocsin.routing.state import State
from tocsin.spool.folder import Folder
from tocsin.spool.locks import is_held
from tocsin.spool.reader import GenerationReader

__all__ = ["Retention"]

_DAY_S = 86_400.0


class Retention:
    """Keep the spool within ``keep_days`` and ``max_bytes``.

    A generation goes when nothing can be added to it, every consumer has it, and it is older than ``keep_days``; at
    that age it goes even if undelivered, and past ``max_bytes`` the oldest go first, delivered ones before others.
    What goes undelivered is a loss with a reason.
    """

    def __init__(self, folder: Folder, state: State, *, keep_days: float, max_bytes: int) -> None:
        self._folder = folder
        self._state = state
        self._keep_s = keep_days * _DAY_S
        self._max_bytes = max_bytes

    def sweep(
        self,
        readers: Sequence[GenerationReader],
        waiting: Callable[[GenerationReader], int],
        now: datetime,
        wall: datetime,
    ) -> list[tuple[str, int]]:
        """Remove what is due; return the keys of what went. ``waiting`` tells occurrences nobody has delivered yet.

        Ages are those at ``now``; ``wall`` is what the clock says, which may have leapt.
        """
        gone = []
        # On Windows a virus scanner may hold a file. What can't go is left alone: its cursors must not go before it.
        final = [reader for reader in readers if reader.is_final and system.is_removable(reader.path.events)]
        for reader in final:
            _bring_back(reader.path.events, wall)
            if _age_s(reader.path.events, now) > self._keep_s:
                self._remove(reader, waiting(reader), "expired")
                gone.append(reader.key)
        rest = [reader for reader in final if reader.key not in gone]
        size = self._folder.event_bytes()
        # What was delivered goes early, so that there is room for what comes before the next sweep.
        for is_waiting, bound in ((False, self._max_bytes * 7 // 8), (True, self._max_bytes)):
            for reader in rest:
                if size <= bound:
                    break
                number = waiting(reader)
                if bool(number) == is_waiting and reader.key not in gone:
                    size -= reader.size_bytes() + _size(reader.path.counts)
                    self._remove(reader, number, "spool_max_mb")
                    gone.append(reader.key)
        self._remove_dead_locks(now)
        self._state.purge(now - timedelta(seconds=self._keep_s))
        return gone

    def _remove(self, reader: GenerationReader, waiting: int, reason: str) -> None:
        with self._state.transaction():
            if waiting:
                self._state.add_loss(reason, waiting)
            self._state.forget_generation(*reader.key)
        system.remove(reader.path.events)  # first: without a segment there is no generation
        system.remove(reader.path.counts)
        if waiting:
            complain("retention", f"{waiting} occurrences were given up undelivered ({reason})")

    def _remove_dead_locks(self, now: datetime) -> None:
        """Live files of dead processes without generations go; a crash can leave counters without a segment."""
        present = {path.process for path in self._folder.generations()}
        for process in self._folder.processes() - present:
            live = self._folder.live(process)
            if not is_held(live) and _age_s(live, now) > _DAY_S:
                system.remove(live)
        for crash in self._folder.path.glob("*.crash"):
            if not self._folder.flight(crash.stem).exists() and _age_s(crash, now) > _DAY_S:
                system.remove(crash)
        for pattern in ("*.hurry", "*.counts", ".*.counts", ".*.events", ".*.live", ".*.flight"):
            for path in self._folder.path.glob(pattern):
                if path.name.lstrip(".")[:18] not in present and _age_s(path, now) > _DAY_S:
                    system.remove(path)


def _age_s(path: Path, now: datetime) -> float:
    try:
        return now.timestamp() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _bring_back(path: Path, wall: datetime) -> None:
    """Have a segment of a time that is still to come, written before the clock was set back, age from now on."""
    if _age_s(path, wall) < -limits.CLOCK_LEAP_S:
        try:
            os.utime(path, (wall.timestamp(), wall.timestamp()))
        except OSError:
            pass  # gone, or another's: it goes by its size in the end


def _size(path: Path) -> int:
    try:
        return int(path.stat().st_size)
    except FileNotFoundError:
        return 0
