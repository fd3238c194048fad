"""The leader's end of the spool: files go in; occurrences, cumulative counts and the dead leave. Writes nothing.

A generation can be read by several consumers, each with an offset of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tocsin import system
from tocsin.complaints import complain
from tocsin.event import limits, wire
from tocsin.event.errors import DecodeError
from tocsin.event.model import Event
from tocsin.spool import format as segment_format
from tocsin.spool.about import read_about
from tocsin.spool.counters import CellsReader
from tocsin.spool.folder import Folder, GenerationPath
from tocsin.spool.format import Header, Record
from tocsin.spool.locks import is_held

__all__ = ["GenerationReader", "SpoolReader", "read_event"]

_CLOSED_GRACE_S: Final = 60.0  # a thread may have fetched a generation just before the next one was opened
_SETTLED_S: Final = 60.0


class GenerationReader:
    """Read one generation: records from an offset, cells, and the first record of a fault."""

    def __init__(self, path: GenerationPath) -> None:
        self.path = path
        self.is_dead = False  # its process is gone: nothing will be added
        self.closed_at: float | None = None  # monotonic, when a newer generation of its process was first seen
        self._cells = CellsReader(path.counts)
        self._faults: dict[int, Header] = {}
        self._fault_offsets: dict[int, int] = {}
        self._scanned_to = 0
        self._about: dict[str, Any] | None = None
        self._is_cut = False
        self._unreadable: tuple[Path, int] | None = None  # (file, offset) of the latest failure
        self.why_unread = ""

    @property
    def key(self) -> tuple[str, int]:
        """Return (process, generation)."""
        return self.path.process, self.path.generation

    @property
    def is_final(self) -> bool:
        """Tell whether nothing can be added any more."""
        return self.is_dead or (self.closed_at is not None and time.monotonic() - self.closed_at > _CLOSED_GRACE_S)

    @property
    def is_settled(self) -> bool:
        """Tell whether nobody has written to it for a while.

        A process whose live file somebody removed passes for dead until it notices.
        """
        try:
            changed = max(path.stat().st_mtime for path in (self.path.events, self.path.counts) if path.exists())
        except (FileNotFoundError, ValueError):
            return False
        return time.time() - changed > _SETTLED_S

    def size_bytes(self) -> int:
        """Return the segment's present size; 0 where it is gone."""
        try:
            return self.path.events.stat().st_size
        except FileNotFoundError:
            return 0

    def is_cut(self, offset: int) -> bool:
        """Tell whether the segment ends before ``offset``, where reading had been: somebody truncated it."""
        try:
            return self.path.events.stat().st_size < offset
        except FileNotFoundError:
            return False

    def counted_by(self, now: datetime) -> datetime:
        """Return when the counts were made, at the latest: of the dead, when their cells were last written."""
        if not self.is_dead:
            return now
        try:
            return min(now, datetime.fromtimestamp(self.path.counts.stat().st_mtime, UTC))
        except FileNotFoundError:
            return now

    def about(self) -> Mapping[str, Any]:
        """Return what the process wrote of itself: format, application, pid, sinks …; empty if unreadable."""
        if self._about is None:
            try:
                self._about = read_about(self.path.events)
            except OSError as fault:
                self._note_unreadable(self.path.events, fault, 0)
                return {}
        return self._about

    def records(self, offset: int, max_bytes: int = limits.SLICE_BYTES) -> list[Record]:
        """Return whole records from ``offset`` on, about ``max_bytes`` of them, at least one if there is one."""
        found = self._records(offset, max_bytes)
        if offset <= self._scanned_to:
            for record in found:
                self._note(record.header, record.offset)
                self._scanned_to = max(self._scanned_to, record.end)
        return found

    def cells(self) -> dict[int, int]:
        """Return the cells that are not zero; none where they can't be read."""
        try:
            return self._cells.read()
        except OSError as fault:
            self._note_unreadable(self.path.counts, fault, 0)
            return {}

    def fault(self, number: int) -> tuple[Header, int] | None:
        """Return (header, offset) of a fault's first record; reads on from where reading ended if need be."""
        while number not in self._faults:
            before = self._scanned_to
            self.records(before)
            if self._scanned_to == before:
                return None
        return self._faults[number], self._fault_offsets[number]

    def body(self, offset: int) -> bytes | None:
        """Return the body of the record at ``offset``; None where it is torn or gone."""
        found = self._records(offset, segment_format.HEADER_BYTES)
        return found[0].body if found and found[0].offset == offset else None

    def end_of(self, offset: int) -> int:
        """Return where the record at ``offset`` ends; ``offset`` itself where none begins there."""
        found = self._records(offset, segment_format.HEADER_BYTES)
        return found[0].end if found and found[0].offset == offset else offset

    def _note(self, header: Header | None, offset: int) -> None:
        if header is not None and header.type == segment_format.EVENT:
            self._faults.setdefault(header.fault, header)
            self._fault_offsets.setdefault(header.fault, offset)

    def _records(self, offset: int, max_bytes: int) -> list[Record]:
        try:
            with os.fdopen(system.open_file(self.path.events, os.O_RDONLY), "rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if size < offset and not self._is_cut:
                    self._is_cut = True
                    text = f"{self.path.events} was truncated by somebody: what was not delivered from it is lost"
                    complain(f"cut {self.path.events}", text)
                wanted = max_bytes
                while offset < size:
                    data = system.read_at(file.fileno(), wanted, offset)
                    is_end = offset + len(data) >= size
                    found = list(segment_format.records(data, offset, is_final=self.is_final and is_end))
                    if found or is_end or not data:
                        return found
                    wanted *= 4  # one record larger than a slice
        except FileNotFoundError:
            return []
        except OSError as fault:  # a bad sector, or somebody else's file: the other generations must not wait for it
            self._note_unreadable(self.path.events, fault, offset)
        return []

    def look(self) -> str:
        """Return why the generation is to be left out: it can't be read, or is another's under this name; "" for fine.

        What could not be read is tried once more.
        """
        own = self.about().get("process", self.path.process)
        if own != self.path.process:
            self.why_unread = f"{self.path.events} is a copy of a segment of {own}"
        elif self._unreadable is not None:
            path, offset = self._unreadable
            try:
                fd = system.open_file(path, os.O_RDONLY)
                try:
                    system.read_at(fd, 1, offset)
                finally:
                    os.close(fd)
            except OSError as fault:
                self._note_unreadable(path, fault, offset)
            else:
                self._unreadable, self.why_unread = None, ""
        return self.why_unread

    def _note_unreadable(self, path: Path, fault: OSError, offset: int) -> None:
        if isinstance(fault, FileNotFoundError):
            self._unreadable, self.why_unread = None, ""
            return
        self._unreadable = path, offset
        self.why_unread = f"{path} can't be read, so what it holds waits: {fault.strerror}"


class SpoolReader:
    """Keep a `GenerationReader` for every generation of a spool, and know which processes live."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._readers: dict[tuple[str, int], GenerationReader] = {}
        self.has_newer = False  # as last listed: a living process writes a format that this version can't read
        self.left_out: tuple[str, ...] = ()  # as last listed: which files can't be read or are copies, and why

    def generations(self, finished: Collection[tuple[str, int]] = ()) -> list[GenerationReader]:
        """Return the generations there are now, the oldest process first, that this version can read.

        What can't be read stays where it is, and keeps nothing else waiting. Of those that are ``finished``, and so of
        dead processes, no file is opened.
        """
        # Liveness is looked at before the files: what a process wrote before it died is then surely seen as such.
        unknown = self.folder.processes() - self._ended(finished)
        living = {process for process in unknown if is_held(self.folder.live(process))}
        paths = list(self.folder.generations())
        newest: dict[str, int] = {path.process: path.generation for path in paths}
        present = {}
        for path in paths:
            key = (path.process, path.generation)
            reader = self._readers.get(key) or GenerationReader(path)
            reader.is_dead = path.process not in living
            if reader.closed_at is None and path.generation < newest[path.process]:
                reader.closed_at = time.monotonic()
            present[key] = reader
        self._readers = present
        looked_at = {key: reader for key, reader in present.items() if key not in finished}
        newer = {key for key, each in looked_at.items() if each.about().get("format", 0) > segment_format.FORMAT}
        self.has_newer = any(not present[key].is_dead for key in newer)
        whys = {key: reader.look() for key, reader in looked_at.items()}
        self.left_out = tuple(filter(None, whys.values()))
        for why in self.left_out:
            complain(f"read {why}", why)
        return [reader for key, reader in present.items() if key not in newer and not whys.get(key)]

    def _ended(self, finished: Collection[tuple[str, int]]) -> set[str]:
        """Return the processes of which every generation is finished."""
        if not finished:
            return set()
        going_on = {path.process for path in self.folder.generations() if path[1:] not in finished}
        return {process for process, _ in finished} - going_on

    def has_living(self, but: str = "") -> bool:
        """Tell whether another process than ``but`` is alive on this spool."""
        return any(process != but and is_held(self.folder.live(process)) for process in self.folder.processes())


def read_event(folder: Folder, process: str, generation: int, offset: int) -> Event | None:
    """Return the event at a place in the spool; None where it is torn, gone or no event."""
    body = GenerationReader(GenerationPath(folder.path, process, generation)).body(offset)
    if body is None:
        return None
    try:
        return wire.decode(body)
    except DecodeError:
        return None
