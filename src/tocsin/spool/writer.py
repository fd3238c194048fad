"""One process's end of the spool: records and increments go in; the kernel has them when the call returns.

Nothing is opened before the first event. A `Writer` belongs to the pid that made it; a forked child makes its own
(intake sees to that), so files, locks and counters are never shared between processes.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tocsin import system
from tocsin.complaints import complain, say
from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.spool import format as segment_format
from tocsin.spool.brief_lock import BriefLock
from tocsin.spool.counters import FIRST_FAULT_CELL, TOTAL_CELLS, Counters
from tocsin.spool.folder import Folder, GenerationPath
from tocsin.spool.generation import Generation, Place
from tocsin.spool.locks import FileLock
from tocsin.spool.memory import Memory, Occurrence
from tocsin.spool.ownership import require_own_application
from tocsin.spool.tallies import TALLIES
from tocsin.system.interrupts import let_through

__all__ = ["Writer"]

_RETRY_S: Final = 1.0
_MEND_S: Final = 1.0
_SIZE_LOOK_S: Final = 10.0
_CELL_OF: Final = {name: cell for cell, name in enumerate(TALLIES)}
_SEGMENTS: Final = 8
_MIN_SEGMENT_BYTES: Final = 65_536
_MAX_FAULT: Final = TOTAL_CELLS - FIRST_FAULT_CELL


class Writer:
    """Append records and increment counters of this process.

    Appending takes no lock: one `write` to a file opened with O_APPEND is not interleaved with another. The lock is
    for opening and changing generations; it is waited for only briefly, because its holder may be the very thread
    that a signal or a garbage collection interrupted.
    """

    def __init__(
        self,
        folder: Folder,
        *,
        about: Mapping[str, Any],
        max_bytes: int = limits.SPOOL_BYTES,
        is_synced: bool = False,
    ) -> None:
        self.folder = folder
        self.process = f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(3)}"
        self.pid = os.getpid()
        self._about = dict(about)
        self._max_bytes = max_bytes
        # Only whole segments can be removed, so a small spool has small ones.
        self._segment_bytes = min(limits.SEGMENT_BYTES, max(max_bytes // _SEGMENTS, _MIN_SEGMENT_BYTES))
        self._is_synced = is_synced
        self._lock = BriefLock()
        self._live: FileLock | None = None
        self._generation: Generation | None = None
        self._behind: list[Generation] = []  # of before, whose counters could not be written in full yet
        self._next_generation = 0
        self._retry_at = 0.0
        self._mend_at = 0.0
        self._memory = Memory()
        self._pending_tallies: dict[str, int] = {}
        self._is_told = False
        self._is_over = False
        self._size_looked_at = 0.0

    # -- what intake calls ---------------------------------------------------------------------------------

    @property
    def about(self) -> Mapping[str, Any]:
        """Return what the process says of itself at the head of each segment."""
        return self._about

    @property
    def generation(self) -> Generation | None:
        """Return the open generation; None before the first event and while the spool can't be written."""
        return self._generation

    @property
    def is_failing(self) -> bool:
        """Tell whether the spool could not be written lately; events are then kept in memory."""
        return self._is_told

    def append(self, occurrence: Occurrence, count: int = 1) -> Place | None:
        """Spool an occurrence; return where its fault is counted from now on, None if it is kept in memory.

        ``count`` above 1 spools that many occurrences without a report after it; 0 spools a report of one that is
        counted already. Never raises OSError.
        """
        self._look_at_files()
        generation = self._writable()
        if generation is not None:
            if self._memory:
                self._write_pending(generation)
            if self._is_full():
                occurrence = occurrence._replace(body=b"")
                self.tally("spool_full")
            place = self._write(generation, occurrence, min(count, 1))
            if place is not None:
                if count > 1:
                    self._append_count(generation, place, count - 1)
                return place
        self._keep(occurrence, count)
        return None

    def count(self, place: Place) -> bool:
        """Count one more occurrence of a known fault; return False where it has to be spooled to be counted.

        A fault has its place in one generation; in the next one it begins with a record again.
        """
        generation = self._generation
        if generation is None or generation.path.generation != place.generation:
            return False
        if place.fault < _MAX_FAULT and generation.counters.increment(FIRST_FAULT_CELL + place.fault):
            if generation.counters.is_behind:
                self._look_at_files()
            return True
        return self._append_count(generation, place, 1)

    def tally(self, reason: str, by: int = 1) -> None:
        """Count something under one of `TALLIES`, durably where a generation is open."""
        generation = self._generation
        if generation is None or not generation.counters.increment(_CELL_OF[reason], by):
            self._pending_tallies[reason] = self._pending_tallies.get(reason, 0) + by

    def retry_pending(self) -> None:
        """Write what memory keeps, if the spool can be written again; the delivery thread calls this now and then.

        Somebody may have removed the folder (a cleaner of temporary files): then the next event begins a new one.
        """
        if self.is_behind:
            self._mend_at = 0.0
        self._look_at_files()
        if self._memory or self._pending_tallies:
            generation = self._writable()
            if generation is not None:
                self._write_pending(generation)

    def _look_at_files(self) -> None:
        """Begin anew where somebody has removed, moved or truncated the files."""
        generation = self._generation
        if generation is None:
            return
        size_bytes = generation.size_bytes  # asked first: other threads append meanwhile
        if system.is_removed(generation.fd):
            self._leave(generation, f"the spool {self.folder.path} was removed; a new one is begun")
        elif os.fstat(generation.fd).st_size < size_bytes:
            # What is appended now would lie where readers have been already.
            self._leave(generation, f"{generation.path.events} was truncated by somebody; a new segment is begun")
        elif time.monotonic() >= self._mend_at:
            self._mend_at = time.monotonic() + _MEND_S
            self._behind = [old for old in self._behind if not old.mend() and old.counters.is_behind]
            if not system.is_in_place(generation.fd, generation.path.events):
                self._leave(generation, f"the spool {self.folder.path} was moved away; a new one is begun")
            elif self._live is not None and not self._live.is_in_place:  # this process passes for dead
                self._leave(generation, f"{self.folder.live(self.process)} was removed; a new segment is begun")
            elif generation.mend():
                text = f"{generation.path.counts} was truncated or removed by somebody; its counts were written again"
                complain("spool_truncated", text)

    def _see_off(self, generation: Generation) -> None:
        """Keep a generation of before until its counts are written, if that can be at all."""
        if generation.counters.is_behind and generation.path.counts.exists():
            generation.mend()
            if generation.counters.is_behind:
                self._behind.append(generation)

    def _leave(self, generation: Generation, why: str) -> None:
        complain("spool_left", why)
        if self._generation is generation:
            self._generation = None
            self._see_off(generation)
        live = self._live  # once: another thread may leave at the same moment
        if live is not None and not live.is_in_place:
            self._live = None
            live.release()

    @property
    def is_behind(self) -> bool:
        """Tell whether counts are kept here that could not be written yet."""
        generation = self._generation
        return bool(self._behind) or (generation is not None and generation.counters.is_behind)

    def pending(self) -> int:
        """Return how many occurrences are kept in memory because the spool can't be written."""
        return self._memory.occurrences()

    def tallies(self) -> dict[str, int]:
        """Return this process's tallies of the open generation and of memory."""
        totals = dict(self._pending_tallies)
        generation = self._generation
        if generation is not None:
            for name, cell in _CELL_OF.items():
                totals[name] = totals.get(name, 0) + generation.counters.cells[cell]
        return {name: value for name, value in totals.items() if value}

    def close(self) -> None:
        """Give the files up; what was spooled stays. The process counts as dead afterwards."""
        self._retry_at = 0.0
        self.retry_pending()
        if self._memory:
            self.tally("pending_overflow", lost := self.pending())
            complain("spool_lost", f"{lost} occurrences are lost: the spool {self.folder.path} can't be written")
        if self.is_behind:
            complain("spool_lost", f"counts are lost: the spool {self.folder.path} can't be written")
        self._generation = None
        if self._live is not None:
            self._live.release()
            self._live = None

    # -- generations ---------------------------------------------------------------------------------------

    def _writable(self) -> Generation | None:
        generation = self._generation
        if generation is not None and generation.size_bytes < self._segment_bytes:
            return generation
        if time.monotonic() < self._retry_at or not self._lock.acquire():
            return generation
        try:
            if self._generation is generation:
                self._generation = self._open_next()
                if generation is not None:
                    self._see_off(generation)
        except (OSError, StoreError) as fault:
            let_through(fault)
            self._retry_at = time.monotonic() + _RETRY_S
            self._tell_unwritable(fault)
        finally:
            self._lock.release()
        return self._generation

    def _open_next(self) -> Generation:
        if self._live is None:
            self.folder.prepare()
            require_own_application(self.folder, str(self._about.get("application", "")))
            self._live = self._publish_live()
        self._look_at_size()
        path = GenerationPath(self.folder.path, self.process, self._next_generation)
        counts, events = _hidden(path.counts), _hidden(path.events)
        for left_over in (counts, events):
            left_over.unlink(missing_ok=True)  # of an attempt that failed half-way
        counters = Counters(counts)
        fd = system.open_file(events, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        try:
            about = {**self._about, "format": segment_format.FORMAT, "pid": self.pid, "process": self.process}
            data = segment_format.pack(segment_format.PROCESS, json.dumps(about).encode(), time=time.time())
            if os.write(fd, data) != len(data):
                raise StoreError(f"the disk of the spool {self.folder.path} is full")
            counts.rename(path.counts)
            events.rename(path.events)  # last: a segment that can be seen has its counters
        except BaseException:
            os.close(fd)
            raise
        self._next_generation += 1
        return Generation(path, fd, counters, len(data))

    def _is_full(self) -> bool:
        if self._is_over and time.monotonic() - self._size_looked_at > _SIZE_LOOK_S:
            self._look_at_size()
        return self._is_over

    def _look_at_size(self) -> None:
        """Past spool_max_mb reports are given up, but every occurrence is still counted."""
        self._size_looked_at = time.monotonic()
        was_over, self._is_over = self._is_over, self.folder.event_bytes() > self._max_bytes
        if self._is_over and not was_over:
            complain("spool_full", f"the spool {self.folder.path} has reached spool_max_mb; only counts are kept")

    def _publish_live(self) -> FileLock:
        """Lock the live file under another name first: seen under its own, it is locked already."""
        target = self.folder.live(self.process)
        # Another name each time: an attempt that a signal handler's exception has ended may have left its file locked.
        hidden = FileLock(_hidden(target).with_suffix(f".{secrets.token_hex(4)}.live"))
        if not hidden.acquire():
            raise StoreError(f"{hidden.path} is locked by another process")
        hidden.write(f"{self.pid}\n")
        hidden.path.rename(target)
        hidden.path = target
        return hidden

    # -- records -------------------------------------------------------------------------------------------

    def _write(self, generation: Generation, occurrence: Occurrence, count: int = 1) -> Place | None:
        """Append an event that stands for ``count`` occurrences: 1, or 0 where it was counted already."""
        fault = next(generation.faults)
        data = segment_format.pack(
            segment_format.EVENT,
            occurrence.body,
            kind=occurrence.kind,
            levelno=occurrence.levelno,
            fault=fault,
            number=occurrence.number,
            count=count,
            fingerprint=occurrence.fingerprint,
            time=occurrence.time,
        )
        written = self._append(generation, data)
        if written < segment_format.HEADER_BYTES:
            return None
        if written < len(data):
            self._keep(occurrence, 0)  # the header is there, so the leader counts it; the report follows
        return Place(generation.path.generation, fault, occurrence.kind, occurrence.levelno, occurrence.fingerprint)

    def _append_count(self, generation: Generation, place: Place, count: int) -> bool:
        data = segment_format.pack(
            segment_format.COUNT,
            b"",
            kind=place.kind,
            levelno=place.levelno,
            fault=place.fault,
            count=count,
            fingerprint=place.fingerprint,
            time=time.time(),
        )
        return self._append(generation, data) >= segment_format.HEADER_BYTES

    def _append(self, generation: Generation, data: bytes) -> int:
        """Write at the end; return how many bytes the kernel took. A short write is a full disk."""
        try:
            written = os.write(generation.fd, data)
        except OSError as fault:
            let_through(fault)
            self._tell_unwritable(fault)
            return 0
        if self._is_synced:
            self._sync(generation)
        generation.size_bytes += written
        if written < len(data):
            self._tell_unwritable(OSError(28, "No space left on device"))
        elif self._is_told:
            self._is_told = False
            say(f"the spool {self.folder.path} can be written again")
        return written

    def _sync(self, generation: Generation) -> None:
        try:
            system.sync_data(generation.fd)
        except OSError as fault:  # it is written, and may yet reach the disk; to write it again would count it twice
            complain("fsync", f"the spool {self.folder.path} can't be forced to the disk: {fault}")

    # -- while the spool can't be written ------------------------------------------------------------------

    def _keep(self, occurrence: Occurrence, count: int) -> None:
        self.tally("unwritable", count)
        if not self._memory.keep(occurrence, count):
            self.tally("pending_overflow", max(count, 1))

    def keep_count(self, fingerprint: str) -> bool:
        """Count one more of a fault that is kept in memory; return False where it isn't."""
        if not self._memory.count(fingerprint):
            return False
        self.tally("unwritable")
        return True

    def _write_pending(self, generation: Generation) -> None:
        tallies, self._pending_tallies = self._pending_tallies, {}
        for reason, by in tallies.items():
            self.tally(reason, by)
        while (kept := self._memory.take()) is not None:
            occurrence, count = kept
            place = self._write(generation, occurrence, min(count, 1))
            if place is None:
                self._memory.put_back(occurrence, count)
                return
            if count > 1:
                self._append_count(generation, place, count - 1)
            self.tally("recovered", count)

    def _tell_unwritable(self, fault: Exception) -> None:
        if not self._is_told:
            self._is_told = True
            known = isinstance(fault, StoreError)
            what = str(fault) if known else f"the spool {self.folder.path} can't be written: {fault}"
            kept = f"reports are kept in memory (at most {limits.PENDING_EVENTS}) and shown here until it can be"
            complain("spool", f"{what}; {kept}")


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}")
