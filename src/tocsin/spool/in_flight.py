"""The requests and tasks a process is in: each begins and ends here; what it died in is left in its flight file.

A slot of fixed size for each, written by one `pwrite` when it begins and cleared by another when it ends. (A store into
a mapping would be cheaper, and SIGBUS when somebody truncates the file.) The file is locked as long as its process
lives: whoever finds it without that lock has found a death.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tocsin import system
from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.spool.about import about_from
from tocsin.system.native import native

__all__ = ["FlightFile", "FlightLog", "Note", "read_flight", "read_flight_about"]

# magic, format, length of the about, the slots' offset, how many, whether it ended, whether a SIGABRT was handled
_HEAD: Final = struct.Struct("<8sIIIIBB")
_NAME: Final = b"tocsinfl"
_FORMAT: Final = 1
_ENDED_AT: Final = 24
_ABORT_HANDLED_AT: Final = 25
_ABOUT_AT: Final = 64
_BLOCK: Final = 512
_MOST_ABOUT_BYTES: Final = 65_536

_SLOT: Final = struct.Struct("<BxHIdQ")  # in use, length, CRC of time, thread and text, seconds since 1970, thread
_CHECKED: Final = struct.Struct("<dQ")
_TEXT_BYTES: Final = limits.FLIGHT_SLOT_BYTES - _SLOT.size
_FREE: Final = b"\0"

_own: dict[Path, int] = {}  # those of this process, and its pid: opened a second time, they would lose their lock


@dataclass(frozen=True, slots=True)
class Note:
    """Be one request or task that was under way. ``thread`` is the system's number for its thread.

    ``words`` are masked: of a request ("request", method, path, thread's name), of a task ("task", name, by, id).
    """

    since: float
    thread: int
    words: tuple[str, ...]


class FlightLog:
    """Write one process's flight file. Thread-safe without a lock: each slot has one owner at a time.

    Nothing raises once it is open: on a full disk a request goes unnoted.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], on_thread: Callable[[], None] = lambda: None) -> None:
        """Create the file, locked before it can be seen under its name. Raises OSError, StoreError.

        ``on_thread`` is called by each thread that something begins in, when it first does.
        """
        self.path = path
        self._fd = -1
        self._on_thread = on_thread
        self._threads: set[int] = set()
        said = json.dumps(dict(about)).encode()
        self._slots_at = -(-(_ABOUT_AT + len(said)) // _BLOCK) * _BLOCK
        self._free = list(range(limits.FLIGHT_SLOTS - 1, -1, -1))  # the lowest are taken first: the file stays small
        hidden = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.flight")
        self._fd = system.open_file(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | system.NOFOLLOW)
        if not system.lock(self._fd):
            raise StoreError(f"{hidden} is locked by another process")
        head = _HEAD.pack(_NAME, _FORMAT, len(said), self._slots_at, limits.FLIGHT_SLOTS, 0, 0)
        data = head.ljust(_ABOUT_AT, b"\0") + said
        if system.write_at(self._fd, data, 0) < len(data):
            raise OSError(28, "No space left on device")
        _own[path] = os.getpid()
        hidden.rename(path)

    def __del__(self) -> None:
        if self._fd >= 0:
            _own.pop(self.path, None)
            system.close_locked(self._fd)

    def begin(self, *words: str) -> int:
        """Note what begins in this thread, in masked words; return its slot, -1 where none is left."""
        try:
            slot = self._free.pop()
        except IndexError:
            return -1
        thread = native("_thread", "get_ident")()
        if thread not in self._threads:
            self._meet(thread)
        # A NUL divides words; one of a request's path must not begin another.
        text = "\0".join(word.replace("\0", "?") for word in words).encode("utf-8", "replace")[:_TEXT_BYTES]
        since = time.time()
        check = zlib.crc32(text, zlib.crc32(_CHECKED.pack(since, thread)))
        try:
            system.write_at(
                self._fd,
                _SLOT.pack(1, len(text), check, since, thread) + text,
                self._slots_at + slot * limits.FLIGHT_SLOT_BYTES,
            )
        except OSError:
            pass  # a full disk: the request goes on
        return slot

    def _meet(self, thread: int) -> None:
        if len(self._threads) >= limits.FLIGHT_SLOTS:
            self._threads.clear()  # of threads that come and go
        self._threads.add(thread)
        self._on_thread()

    def end(self, slot: int) -> None:
        """Clear a slot that `begin` gave out; -1 is none."""
        if slot < 0:
            return
        try:
            system.write_at(self._fd, _FREE, self._slots_at + slot * limits.FLIGHT_SLOT_BYTES)
        except OSError:
            return  # taken once more, it would hide that; the slot is given up
        self._free.append(slot)

    def abort_handled(self) -> None:
        """Note that a handler of the application's or its server's took a SIGABRT: its dump tells of no death."""
        self._mark(_ABORT_HANDLED_AT)

    def ended(self) -> None:
        """Note that the process ends as it should, though its files stay."""
        self._mark(_ENDED_AT)

    def abandon(self) -> None:
        """Leave the file to the parent: in a forked child, which may still unwind what its parent noted."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _mark(self, at: int) -> None:
        try:
            system.write_at(self._fd, b"\1", at)
        except OSError:
            return


@dataclass(frozen=True, slots=True)
class FlightFile:
    """Hold what a flight file tells of its process. ``changed`` is when it was last written."""

    about: Mapping[str, Any]
    notes: tuple[Note, ...]
    is_ended: bool
    is_abort_handled: bool
    changed: float


def read_flight(path: Path) -> FlightFile | None:
    """Read a flight file; None where it is none of this format. Raises OSError.

    Not for one of this very process: to close it would give its lock up.
    """
    data, changed = _read(path, _MOST_ABOUT_BYTES + limits.FLIGHT_SLOTS * limits.FLIGHT_SLOT_BYTES)
    if len(data) < _HEAD.size:
        return None
    name, number, said, slots_at, slots, is_ended, is_abort_handled = _HEAD.unpack_from(data)
    if name != _NAME or number != _FORMAT:
        return None
    about = about_from(data[_ABOUT_AT : _ABOUT_AT + said])
    at = range(slots_at, min(len(data), slots_at + slots * limits.FLIGHT_SLOT_BYTES), limits.FLIGHT_SLOT_BYTES)
    found = (_note(data, offset) for offset in at)
    notes = tuple(sorted((note for note in found if note is not None), key=lambda note: note.since))
    return FlightFile(about, notes, bool(is_ended), bool(is_abort_handled), changed)


def read_flight_about(path: Path) -> Mapping[str, Any]:
    """Return only what a process said of itself; empty where it can't be read, and for this very process's own."""
    if _own.get(path) == os.getpid():
        return {}
    try:
        data, _ = _read(path, _ABOUT_AT + _MOST_ABOUT_BYTES)
    except OSError:
        return {}
    if len(data) < _HEAD.size:
        return {}
    name, number, said, *_ = _HEAD.unpack_from(data)
    return about_from(data[_ABOUT_AT : _ABOUT_AT + said]) if (name, number) == (_NAME, _FORMAT) else {}


def _read(path: Path, most: int) -> tuple[bytes, float]:
    fd = system.open_file(path, os.O_RDONLY | system.NOFOLLOW | system.NONBLOCK)
    try:
        return system.read_at(fd, most, 0), os.fstat(fd).st_mtime
    finally:
        os.close(fd)


def _note(data: bytes, at: int) -> Note | None:
    if data[at] != 1 or len(data) < at + _SLOT.size:
        return None
    _, size, check, since, thread = _SLOT.unpack_from(data, at)
    text = data[at + _SLOT.size : at + _SLOT.size + size]
    if zlib.crc32(text, zlib.crc32(_CHECKED.pack(since, thread))) != check:
        return None
    return Note(since, thread, tuple(text.decode("utf-8", "replace").split("\0")))
