"""How far each sender has come: origins go in; whether they were there before leaves. Kept in a file of SQLite.

A sender's leader hands over each generation in order, so of each (process, generation, slot or none) only the furthest
has to be remembered. What was noted since the last `save` is found again in the spools; so is saved along with it how
far those were read.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.sinks.base import Origin

__all__ = ["Place", "Positions"]

Place: TypeAlias = tuple[str, str, int]  # a room, and of its spool a process and a generation
_Key: TypeAlias = tuple[str, int, int]

_NO_SLOT: Final = -1
_CACHED: Final = 20_000
_DAY_S: Final = 86_400.0
_SCHEMA: Final = """
create table if not exists furthest (
    process text, generation integer, slot integer, position integer not null, at real not null,
    primary key (process, generation, slot)) without rowid;
create table if not exists read (
    room text, process text, generation integer, offset integer not null, primary key (room, process, generation)
    ) without rowid;
"""


class Positions:
    """Remember positions; not thread-safe, but it may be used by one thread after another."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises StoreError."""
        self._path = path
        self._known: dict[_Key, int] = {}
        self._changed: set[_Key] = set()
        try:
            self._db = _opened(path)
        except sqlite3.Error as fault:
            raise StoreError(f"{path} can't be used: {fault}; move it away, then what comes twice is kept") from fault

    def new_part(self, origin: Origin) -> int | None:
        """Return 0 for what was there before, None for what is new altogether, else the new part of a count."""
        before = self._furthest(_key(origin))
        if origin.slot is None:
            return None if before is None or (origin.offset or 0) > before else 0
        return None if before is None else max((origin.count or 0) - before, 0)

    def note(self, origin: Origin) -> None:
        """Remember that it is there."""
        key = _key(origin)
        position = (origin.offset if origin.slot is None else origin.count) or 0
        before = self._furthest(key)
        if before is None or position > before:
            self._known[key] = position
            self._changed.add(key)

    def read_to(self, place: Place) -> int:
        """Return how far a generation of our own had been read at the last `save`."""
        row = self._db.execute(
            "select offset from read where room = ? and process = ? and generation = ?", place
        ).fetchone()
        return int(row[0]) if row else 0

    def save(self, read: Mapping[Place, int]) -> None:
        """Save what was noted, and up to where our own generations hold nothing else. Raises StoreError."""
        now = time.time()
        rows = [(*key, self._known[key], now) for key in self._changed]
        try:
            with self._db:
                self._db.execute("begin immediate")
                self._db.executemany("insert or replace into furthest values (?, ?, ?, ?, ?)", rows)
                places = [(*place, offset) for place, offset in read.items()]
                self._db.executemany("insert or replace into read values (?, ?, ?, ?)", places)
        except sqlite3.Error as fault:
            raise StoreError(f"{self._path} can't be written: {fault}") from fault
        self._changed.clear()
        if len(self._known) > _CACHED:
            self._known.clear()

    def purge(self, present: set[Place]) -> None:
        """Forget senders that were silent for RECEIVER_POSITIONS_DAYS, and generations of ours that are gone."""
        try:
            with self._db:
                self._db.execute("begin immediate")
                oldest = time.time() - limits.RECEIVER_POSITIONS_DAYS * _DAY_S
                self._db.execute("delete from furthest where at < ?", (oldest,))
                places = list(self._db.execute("select room, process, generation from read"))
                self._db.executemany(
                    "delete from read where room = ? and process = ? and generation = ?",
                    [place for place in places if place not in present],
                )
        except sqlite3.Error as fault:
            raise StoreError(f"{self._path} can't be written: {fault}") from fault

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _furthest(self, key: _Key) -> int | None:
        if key in self._known:
            return self._known[key]
        try:
            row = self._db.execute(
                "select position from furthest where process = ? and generation = ? and slot = ?", key
            ).fetchone()
        except sqlite3.Error as fault:
            raise StoreError(f"{self._path} can't be read: {fault}") from fault
        if row is None:
            return None
        self._known[key] = int(row[0])
        return self._known[key]


def _key(origin: Origin) -> _Key:
    return origin.process, origin.generation, _NO_SLOT if origin.slot is None else origin.slot


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=normal")
        db.executescript(_SCHEMA)
    except BaseException:
        db.close()
        raise
    return db
