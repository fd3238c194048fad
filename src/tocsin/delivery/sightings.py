"""Reading on from a cursor: a generation and a cursor go in; what is new in it and the cursor after it leave.

Every consumer (the ledger of issues, each per-occurrence sink) reads by this, so all count alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tocsin.routing.state import Cursor
from tocsin.sinks.base import Origin
from tocsin.spool import format as segment_format
from tocsin.spool.counters import FIRST_FAULT_CELL
from tocsin.spool.format import Header
from tocsin.spool.reader import GenerationReader
from tocsin.spool.tallies import LOSSES, ORPHANED, TALLIES

__all__ = ["START", "Reading", "Sighting", "read_on"]

START = Cursor(0, {})


@dataclass(frozen=True, slots=True)
class Sighting:
    """Be one or more occurrences of a fault. ``body`` is the wire event, None where there is no report.

    For a count, ``header`` and ``body`` are those of the fault's first record in the generation.
    """

    header: Header
    origin: Origin
    occurrences: int
    body: bytes | None

    @property
    def is_count(self) -> bool:
        """Tell whether it stands for occurrences without a report of their own."""
        return self.origin.offset is None or self.header.type == segment_format.COUNT


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold what one step read. ``losses`` are (reason, number, origin); ``garbage`` counts stretches of no record."""

    sightings: tuple[Sighting, ...] = ()
    cursor: Cursor = START
    losses: tuple[tuple[str, int, Origin], ...] = ()
    garbage: int = 0
    tallies: dict[str, int] = field(default_factory=dict)  # cumulative, by reason


def read_on(reader: GenerationReader, cursor: Cursor, max_bytes: int, *, with_counts: bool) -> Reading:
    """Return what lies behind ``cursor``: records first, counts only once every record was read.

    A count is never read before the record that says what it counts.
    """
    found = reader.records(cursor.offset, max_bytes)
    sightings: list[Sighting] = []
    garbage = 0
    for record in found:
        header = record.header
        if header is None:
            garbage += 1
        elif header.type == segment_format.EVENT:
            origin = Origin(*reader.key, offset=record.offset)
            sightings.append(Sighting(header, origin, header.count, record.body or None))
        elif header.type == segment_format.COUNT:
            first = reader.fault(header.fault)
            body = None if first is None else reader.body(first[1]) or None
            sightings.append(Sighting(header, Origin(*reader.key, offset=record.offset), header.count, body))
    offset = found[-1].end if found else cursor.offset
    if found or not with_counts:
        return Reading(tuple(sightings), Cursor(offset, cursor.counts), garbage=garbage)
    return _read_counts(reader, cursor)


def _read_counts(reader: GenerationReader, cursor: Cursor) -> Reading:
    cells = reader.cells()
    counts = dict(cursor.counts)
    sightings, losses, tallies = [], [], {}
    for cell, value in cells.items():
        if cell < len(TALLIES):
            tallies[TALLIES[cell]] = value
        first = reader.fault(cell - FIRST_FAULT_CELL) if cell >= FIRST_FAULT_CELL else None
        is_orphaned = first is None and cell >= FIRST_FAULT_CELL and reader.is_final and not reader.why_unread
        if is_orphaned:  # whose count it is was destroyed; that it is missing is told
            tallies[ORPHANED] = tallies.get(ORPHANED, 0) + value
        delta = value - counts.get(cell, 0)
        if delta <= 0:
            continue
        origin = Origin(*reader.key, slot=cell, count=value)
        if cell < FIRST_FAULT_CELL:
            counts[cell] = value
            if cell < len(TALLIES) and TALLIES[cell] in LOSSES:
                losses.append((TALLIES[cell], delta, origin))
            continue
        if is_orphaned:
            counts[cell] = value
            losses.append((ORPHANED, delta, origin))
            continue
        if first is None or first[1] >= cursor.offset:
            continue  # its record is still to be read
        counts[cell] = value
        sightings.append(Sighting(first[0], origin, delta, reader.body(first[1]) or None))
    return Reading(tuple(sightings), Cursor(cursor.offset, counts), tuple(losses), tallies=tallies)
