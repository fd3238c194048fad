"""A spool goes in; its last records, and then every new one with the counts, leave in the order they are read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

from tocsin import system
from tocsin.delivery.sightings import Sighting, read_on
from tocsin.event import limits
from tocsin.routing.state import Cursor
from tocsin.sinks.base import Origin
from tocsin.spool import format as segment_format
from tocsin.spool.folder import Folder
from tocsin.spool.reader import GenerationReader, SpoolReader

__all__ = ["Follower"]

_WINDOW_BYTES: Final = 262_144
_COUNTS_S: Final = 1.0  # a storm is one line a second per fault, not thousands


class Follower:
    """Read a spool on from now, without a state and beside any leader."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._spool = SpoolReader(folder)
        self._cursors: dict[tuple[str, int], Cursor] = {}
        self._counted_at = time.monotonic()
        for reader in self._spool.generations():
            self._cursors[reader.key] = Cursor(_whole(reader), reader.cells())

    def last(self, number: int) -> list[tuple[GenerationReader, Sighting]]:
        """Return the last ``number`` events spooled before now, the oldest first."""
        found: list[tuple[GenerationReader, Sighting]] = []
        for reader in self._spool.generations():
            end = self._cursors[reader.key].offset if reader.key in self._cursors else 0
            found += [(reader, sighting) for sighting in _last_of(reader, end, number)]
        found.sort(key=lambda each: each[1].header.time)
        return found[-number:] if number else []

    def new(self) -> Iterator[tuple[GenerationReader, Sighting]]:
        """Yield what came since the last call."""
        is_count_due = time.monotonic() - self._counted_at >= _COUNTS_S
        for reader in self._spool.generations():
            # A generation that wasn't there before is new altogether.
            cursor = self._cursors.get(reader.key, Cursor())
            while True:
                reading = read_on(reader, cursor, limits.SLICE_BYTES, with_counts=is_count_due)
                if reading.cursor == cursor:
                    break
                cursor = self._cursors[reader.key] = reading.cursor
                for sighting in reading.sightings:
                    yield reader, sighting
        if is_count_due:
            self._counted_at = time.monotonic()


def _whole(reader: GenerationReader) -> int:
    """Return where the whole records end: half a record is still to come."""
    size = reader.size_bytes()
    start = max(0, size - _WINDOW_BYTES - limits.EVENT_BYTES)
    ends = [record.end for record in _records(reader, start, size) if record.header is not None]
    return ends[-1] if ends else size


def _last_of(reader: GenerationReader, end: int, number: int) -> list[Sighting]:
    """Return the last events before ``end``; the window is doubled until they are in it."""
    window = _WINDOW_BYTES
    while True:
        start = max(0, end - window)
        found = [
            Sighting(record.header, Origin(*reader.key, offset=record.offset), 1, record.body or None)
            for record in _records(reader, start, end)
            if record.header is not None and record.header.type == segment_format.EVENT
        ]
        if len(found) >= number or start == 0:
            return found[-number:] if number else []
        window *= 2


def _records(reader: GenerationReader, start: int, end: int) -> list[segment_format.Record]:
    # Begins in the middle of a record: the format resynchronises on the next one.
    try:
        with os.fdopen(system.open_file(reader.path.events, os.O_RDONLY), "rb", buffering=0) as file:
            data = system.read_at(file.fileno(), end - start, start)
    except FileNotFoundError:
        return []
    return list(segment_format.records(data, start, is_final=False))
