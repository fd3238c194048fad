"""A file of counter cells: increments go in from one process, cumulative values leave for the leader.

Cells hold only occurrences without a record; they never go down, are never reset and never reused. SIGKILL can't take
back what was written: the page is the kernel's.
"""

from __future__ import annotations

import errno
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
_MOST: Final = 1 << 48  # a count past this is a flipped bit


class Counters:
    """Write one process's cells, each by one write of its 8 bytes.

    A store into a mapping would save 0.8 µs, and end the *application* by SIGBUS when somebody truncates the file, or
    when the disk is full where every write takes new space (btrfs, ZFS: preallocation is no promise there). A write
    fails instead; and since the values are kept here too, what is missing in the file can be written later.

    There is no lock. ``cells[i] += 1`` on a ``memoryview`` of 8-byte cells is one load and store, with no point between
    them at which CPython with a GIL switches threads or runs a signal handler (measured exact from 6 threads on 3.11 to
    3.13); `struct.pack_into` zeroes first and can lose the count. And what is handed to the kernel is not a value but
    the cell itself, which it copies under the file's own lock: a thread that was late writes what is true by then.
    Without a GIL a lock is tried, not waited for.
    """

    _fd = -1  # until it is open, also where a signal handler's exception ends the attempt

    def __init__(self, path: Path) -> None:
        """Create the file at ``path``, its space allocated. Raises OSError (ENOSPC and others)."""
        has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
        self._lock = None if has_gil else threading.Lock()
        self.is_behind = False  # something is kept here that the file lacks
        self.cells = memoryview(bytearray(8 * TOTAL_CELLS)).cast("Q")
        self._fd = _made(path)
        _write(self._fd, memoryview(_MAGIC.pack(_NAME, _FORMAT, TOTAL_CELLS)), 0)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def increment(self, cell: int, by: int = 1) -> bool:
        """Add to a cell; return False where that can't be done exactly just now (no GIL, lock taken).

        On a disk that takes nothing, what was added is kept here until `mend` can write it.
        """
        if self._lock is None:
            self._add(cell, by)
            return True
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._add(cell, by)
        finally:
            self._lock.release()
        return True

    def mend(self, path: Path) -> bool:
        """Write everything where something is missing; return whether somebody had truncated or removed the file.

        Nothing is lost by it: cells are cumulative, and who reads knows what it has read. Raises OSError where they
        can't be written still.
        """
        is_there = system.is_in_place(self._fd, path)
        is_whole = is_there and os.fstat(self._fd).st_size >= _BYTES
        if not is_whole or self.is_behind:
            self.is_behind = False
            try:
                if not is_there:
                    self._replace(path)
                self._fill(self._fd)
            except OSError:
                self.is_behind = True
                raise
        return not is_whole

    def _replace(self, path: Path) -> None:
        hidden = path.with_name(f".{path.name}")
        hidden.unlink(missing_ok=True)
        fd = _made(hidden)
        try:
            self._fill(fd)
            hidden.replace(path)
            os.dup2(fd, self._fd, inheritable=False)  # under the same number: other threads are writing to it
        finally:
            os.close(fd)

    def _fill(self, fd: int) -> None:
        _write(fd, self.cells.cast("B"), _MAGIC.size)
        _write(fd, memoryview(_MAGIC.pack(_NAME, _FORMAT, TOTAL_CELLS)), 0)  # last: now it counts again

    def _add(self, cell: int, by: int) -> None:
        self.cells[cell] += by
        try:
            _write(self._fd, self.cells[cell : cell + 1], _MAGIC.size + 8 * cell)
        except OSError:
            self.is_behind = True


def _made(path: Path) -> int:
    """Return a descriptor of a new file with its space allocated."""
    fd = system.open_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | system.NOFOLLOW)
    try:
        system.allocate(fd, _BYTES)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _write(fd: int, data: memoryview, offset: int) -> None:
    if system.write_at(fd, data, offset) < data.nbytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


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
            first = system.read_at(fd, _BYTES, 0)
            if first == self._raw:
                return self._cells
            second = system.read_at(fd, _BYTES, 0)
        finally:
            os.close(fd)
        usable = (min(len(first), len(second)) - _MAGIC.size) // 8
        if usable <= 0 or not _is_ours(first):
            return self._cells
        # Few cells are used, the first ones: to go through the zeros behind them took most of a look at a dead process.
        used = -(-(len(first.rstrip(b"\0")) - _MAGIC.size) // 8)
        end = _MAGIC.size + 8 * max(min(usable, used), 0)
        before = memoryview(first)[_MAGIC.size : end].cast("Q").tolist()
        after = memoryview(second)[_MAGIC.size : end].cast("Q").tolist()
        self._cells = {cell: value for cell, value in enumerate(before) if 0 < value <= min(after[cell], _MOST)}
        self._raw = first if first == second else b""
        return self._cells


def _is_ours(data: bytes) -> bool:
    """Tell whether cells follow, by two of three signs: a bit that flipped in one of them must not cost all counts."""
    name, number, cells = _MAGIC.unpack_from(data)
    return [name == _NAME, number == _FORMAT, cells == TOTAL_CELLS].count(True) >= 2
