"""What is only counted, by reason: the fixed cells at the head of every counter file."""

from __future__ import annotations

from typing import Final

__all__ = ["CELLS", "COUNTED", "LOSSES", "ORPHANED", "TALLIES"]

CELLS: Final = 32  # reserved; the order below is part of the format, names are only ever appended

TALLIES: Final = (
    "unwritable",  # events that could not be spooled when they happened (disk full, read-only …)
    "recovered",  # of these: written to the spool later
    "pending_overflow",  # of these: dropped because memory held PENDING_EVENTS already
    "internal",  # occurrences that tocsin failed to capture through a fault of its own
    "hook_dropped",  # before_spool returned None
    "ignored",  # by the setting `ignore`
    "disconnects",  # clients that went away
    "bad_hosts",  # requests with a Host header the application refuses
    "spool_full",  # reports given up because spool_max_mb was reached; their occurrences are counted
    "cut",  # reports shortened to EVENT_BYTES
)

# Tallies that mean a report was given up; the others tell of what was left out on purpose or mended.
LOSSES: Final = frozenset({"pending_overflow", "internal", "spool_full"})

# Losses of a report only: the occurrence is counted under its fingerprint all the same.
COUNTED: Final = frozenset({"spool_full"})

# The leader's own: occurrences in a cell whose fault's record was destroyed, so that nobody knows whose they are.
ORPHANED: Final = "orphaned"
