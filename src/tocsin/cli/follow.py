"""A spool goes in; its last records, and then every new one with the counts, leave in the order they happened."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tocsin import system
from tocsin.delivery.sightings import Sighting, read_on
from tocsin.event import limits
from tocsin.routing.state import Cursor
from tocsin.sinks.base import Origin
from tocsin.spool import format as segment_format
from tocsin.spool.folder import Folder
from tocsin.spool.reader import GenerationReader, SpoolReader

__all__ = ["Follower", "Loss", "Seen"]

_WINDOW_BYTES: Final = 262_144
_COUNTS_S: Final = 1.0  # a storm is one line a second per fault, not thousands


@dataclass(frozen=True, slots=True)
class Seen:
    """Be one or more occurrences that a generation tells of."""

    reader: GenerationReader
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Loss:
    """Be reports that a process gave up, for a reason."""

    reader: GenerationReader
    reason: str
    number: int
    origin: Origin


class Follower:
    """Read a spool on from now, without a state and beside any leader."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._spool = SpoolReader(folder)
        self._cursors: dict[tuple[str, int], Cursor] = {}
        self._counted_at = time.monotonic()
        for reader in self._spool.generations():
            cells = reader.cells()  # first: what is counted between the two looks is shown, not passed over
            self._cursors[reader.key] = Cursor(_whole(reader), cells)

    def last(
        self, number: int | None, takes: Callable[[Sighting], bool] = lambda sighting: True, since: float | None = None
    ) -> list[Seen]:
        """Return the last ``number`` events (None: all) spooled before now that are wanted, the oldest first.

        ``since`` is a time in seconds since 1970 before which nothing is wanted.
        """
        found: list[Seen] = []
        for reader in self._spool.generations() if number is None or number > 0 else ():
            end = self._cursors[reader.key].offset if reader.key in self._cursors else 0
            found += [Seen(reader, sighting) for sighting in _last_of(reader, end, number, takes, since)]
            found.sort(key=_at)
            if number is not None:
                del found[:-number]
        return found

    def new(self) -> Iterator[Seen | Loss]:
        """Yield what came since the last call: of each round by all processes what happened first, first."""
        is_count_due = time.monotonic() - self._counted_at >= _COUNTS_S
        readers = self._spool.generations()
        present = {reader.key for reader in readers}
        # What is not there any more never comes back; a folder that was made anew has other names.
        self._cursors = {key: cursor for key, cursor in self._cursors.items() if key in present}
        while readers:
            found: list[Seen] = []
            losses: list[Loss] = []
            readers = [reader for reader in readers if self._read(reader, is_count_due, found, losses)]
            yield from sorted(found, key=_at)
            yield from losses
        if is_count_due:
            self._counted_at = time.monotonic()

    def _read(self, reader: GenerationReader, with_counts: bool, found: list[Seen], losses: list[Loss]) -> bool:
        """Read a slice on; return whether there was anything."""
        # A generation that wasn't there before is new altogether.
        cursor = self._cursors.get(reader.key, Cursor())
        reading = read_on(reader, cursor, limits.SLICE_BYTES, with_counts=with_counts)
        if reading.cursor == cursor:
            return False
        self._cursors[reader.key] = reading.cursor
        found += [Seen(reader, sighting) for sighting in reading.sightings]
        losses += [Loss(reader, *loss) for loss in reading.losses]
        return True


def _at(seen: Seen) -> tuple[bool, float]:
    """Sort counts behind what they count: a cell says how often, not when."""
    return seen.sighting.origin.offset is None, seen.sighting.header.time


def _whole(reader: GenerationReader) -> int:
    """Return where the whole records end: half a record is still to come."""
    size = reader.size_bytes()
    start = max(0, size - _WINDOW_BYTES - limits.EVENT_BYTES)
    ends = [record.end for record in _records(reader, start, size) if record.header is not None]
    return ends[-1] if ends else size


def _last_of(
    reader: GenerationReader, end: int, number: int | None, takes: Callable[[Sighting], bool], since: float | None
) -> list[Sighting]:
    """Return the last wanted events before ``end``; the window is doubled until they are in it."""
    window = _WINDOW_BYTES
    while True:
        start = max(0, end - window)
        events = [
            Sighting(record.header, Origin(*reader.key, offset=record.offset), 1, record.body or None)
            for record in _records(reader, start, end)
            if record.header is not None and record.header.type == segment_format.EVENT
        ]
        # Of one process what was spooled earlier happened earlier, but for clocks that are set.
        is_enough = since is not None and bool(events) and events[0].header.time < since
        found = [sighting for sighting in events if takes(sighting)]
        if start == 0 or is_enough or (number is not None and len(found) >= number):
            return found if number is None else found[-number:]
        window *= 2


def _records(reader: GenerationReader, start: int, end: int) -> list[segment_format.Record]:
    # Begins in the middle of a record: the format resynchronises on the next one.
    try:
        with os.fdopen(system.open_file(reader.path.events, os.O_RDONLY), "rb", buffering=0) as file:
            data = system.read_at(file.fileno(), end - start, start)
    except FileNotFoundError:
        return []
    return list(segment_format.records(data, start, is_final=False))
