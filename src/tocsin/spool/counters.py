"""A file of counter cells: increments go in from one process, cumulative values leave for the leader.

Cells hold only occurrences without a record; they never go down, are never reset and never reused. SIGKILL can't change
what is in a shared mapping: the page is the kernel's.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import threading
from pathlib import Path
from typing import Final

from tocsin import system
from tocsin.event.limits import COUNTER_SLOTS
from tocsin.spool.tallies import CELLS

__all__ = ["FIRST_FAULT_CELL", "TOTAL_CELLS", "CellsReader", "Counters"]

_MAGIC: Final = struct.Struct("<8sII48x")  # 64 bytes, so that the cells are aligned
_NAME: Final = b"tocsincn"
_FORMAT: Final = 1
FIRST_FAULT_CELL: Final = CELLS
TOTAL_CELLS: Final = CELLS + COUNTER_SLOTS
_BYTES: Final = _MAGIC.size + 8 * TOTAL_CELLS


class Counters:
    """Write one process's cells through a shared mapping.

    ``cells[i] += 1`` on a ``memoryview.cast('Q')`` is one aligned 8-byte load and store, with no point between them
    at which CPython with a GIL switches threads or runs a signal handler (measured exact from 6 threads on 3.11 to
    3.13). `struct.pack_into` zeroes first and can lose the count. Without a GIL a lock is tried, not waited for.
    """

    def __init__(self, path: Path) -> None:
        """Create the file at ``path``, its space allocated. Raises OSError (ENOSPC and others)."""
        fd = system.open_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | system.NOFOLLOW)
        try:
            system.allocate(fd, _BYTES)
            os.lseek(fd, 0, os.SEEK_SET)
            os.write(fd, _MAGIC.pack(_NAME, _FORMAT, TOTAL_CELLS))
            self._map = mmap.mmap(fd, _BYTES)
        finally:
            os.close(fd)
        self.cells = memoryview(self._map)[_MAGIC.size :].cast("Q")
        has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
        self._lock = None if has_gil else threading.Lock()

    def increment(self, cell: int, by: int = 1) -> bool:
        """Add to a cell; return False where that can't be done exactly just now (no GIL, lock taken)."""
        if self._lock is None:
            self.cells[cell] += by
            return True
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self.cells[cell] += by
        finally:
            self._lock.release()
        return True


class CellsReader:
    """Read another process's cells, cheaply while nothing changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._raw = b""
        self._cells: dict[int, int] = {}

    def read(self) -> dict[int, int]:
        """Return the cells that are not zero, by number; a foreign or missing file has none. Raises OSError.

        The file is read twice: a value is believed only where the next reading does not undercut it, so that one
        seen in the middle of its change can at worst be late, never too high.
        """
        try:
            fd = system.open_file(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return self._cells
        try:
            first = system.read_mapped(fd, _BYTES)
            if first == self._raw:
                return self._cells
            second = system.read_mapped(fd, _BYTES)
        finally:
            os.close(fd)
        usable = (min(len(first), len(second)) - _MAGIC.size) // 8
        if usable <= 0 or _MAGIC.unpack_from(first)[:2] != (_NAME, _FORMAT):
            return self._cells
        end = _MAGIC.size + 8 * usable
        before = memoryview(first)[_MAGIC.size : end].cast("Q").tolist()
        after = memoryview(second)[_MAGIC.size : end].cast("Q").tolist()
        self._cells = {cell: value for cell, value in enumerate(before) if value and value <= after[cell]}
        self._raw = first if first == second else b""
        return self._cells
