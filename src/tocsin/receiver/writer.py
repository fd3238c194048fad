"""A receiver's end of a spool: records go in; they are whole, or not there at all, and on the disk when asked for.

Intake's records may be torn by a kill: the header alone tells an occurrence that nobody would tell again. A receiver's
sender does tell it again, so here a record must not count before it is whole: its body is written first, its header
last, and what a kill leaves is cut off at the next start.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tocsin.event.errors import StoreError
from tocsin.spool import format as segment_format
from tocsin.spool.generation import Generation
from tocsin.spool.memory import Occurrence
from tocsin.spool.writer import Writer

__all__ = ["ReceiverWriter"]


class ReceiverWriter(Writer):
    """Write records of one application and release. One thread at a time."""

    _unsynced: tuple[Generation, ...] = ()
    _why = ""

    def put(self, occurrence: Occurrence, count: int, type_: int = segment_format.EVENT) -> tuple[int, int]:
        """Write one record that stands for ``count`` occurrences; return (generation, where it ends).

        Raises StoreError, OSError: then nothing was written.
        """
        self._look_at_files()
        generation = self._writable()
        if generation is None or generation.size_bytes >= self._segment_bytes:
            raise StoreError(self._why or f"the spool {self.folder.path} can't be written just now")
        if self._is_full():
            raise StoreError(
                f"the spool {self.folder.path} has reached spool_max_mb; nothing is taken until it is less"
            )
        if self._pending_tallies:
            self._write_pending(generation)
        data = segment_format.pack(
            type_,
            occurrence.body,
            kind=occurrence.kind,
            levelno=occurrence.levelno,
            fault=next(generation.faults),
            number=occurrence.number,
            count=count,
            fingerprint=occurrence.fingerprint,
            time=occurrence.time,
        )
        self._write_whole(generation, data)
        return generation.path.generation, generation.size_bytes

    def sync(self) -> None:
        """Force what was written to the disk. Raises OSError: it may be asked for again."""
        for generation in self._unsynced:
            os.fdatasync(generation.fd)
        self._unsynced = ()

    def _write_whole(self, generation: Generation, data: bytes) -> None:
        start, head = generation.size_bytes, segment_format.HEADER_BYTES
        try:
            _pwrite(generation.fd, data[head:], start + head)
            _pwrite(generation.fd, data[:head], start)
        except OSError:
            os.ftruncate(generation.fd, start)
            raise
        generation.size_bytes = start + len(data)
        if generation not in self._unsynced:
            self._unsynced += (generation,)

    def _open_next(self) -> Generation:
        import fcntl  # not on Windows, where help must be shown all the same

        generation = super()._open_next()
        # Appending is for many writers of one file; this one has a single writer, who says where.
        fcntl.fcntl(generation.fd, fcntl.F_SETFL, fcntl.fcntl(generation.fd, fcntl.F_GETFL) & ~os.O_APPEND)
        _sync_folder(self.folder.path)
        return generation

    def _tell_unwritable(self, fault: Exception) -> None:
        self._why = str(fault) if isinstance(fault, StoreError) else f"{self.folder.path} can't be written: {fault}"


def _pwrite(fd: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[written:]
        offset += written


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
