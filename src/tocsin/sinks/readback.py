"""A file of JSON lines, its backups and a committed position go in; the origins that lie after it leave."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tocsin import system
from tocsin.sinks.base import Origin, Recovered

__all__ = ["backup", "cut_torn_line", "position_at", "read_back"]

_TAIL_BYTES: Final = 64
_CHUNK_BYTES: Final = 65_536


def backup(path: Path, number: int) -> Path:
    """Return the path of a numbered backup; 1 is the newest."""
    return path.with_name(f"{path.name}.{number}")


def position_at(fd: int) -> dict[str, int]:
    """Return where an open file ends: inode, device, size and a checksum of its last bytes.

    The checksum is what makes it safe: an inode number is given to another file as soon as the first is gone.
    """
    status = os.fstat(fd)
    return {
        "inode": status.st_ino,
        "dev": status.st_dev,
        "size": status.st_size,
        "tail": _tail(fd, status.st_size),
    }


def read_back(path: Path, position: Mapping[str, int] | None) -> Recovered:
    """Cut a torn last line off the current file and return what lies after ``position``; None: everything.

    Reading too much is harmless, since a cursor is never moved back; so wherever the position's file can't be
    found (compressed, removed, truncated), all files are read. Raises OSError.
    """
    torn_bytes = cut_torn_line(path)
    found: dict[tuple[str, int, int | None], Origin] = {}
    for file, start in _after(path, position):
        for line in _lines(file, start):
            origin = _origin(line)
            if origin is not None:
                _keep_furthest(found, origin)
    return Recovered(tuple(found.values()), torn_bytes)


def cut_torn_line(path: Path) -> int:
    """Cut an incomplete last line off, if it is one of ours; return how many bytes that were."""
    try:
        fd = system.open_file(path, os.O_RDWR | system.NONBLOCK)
    except FileNotFoundError:
        return 0
    try:
        size = os.fstat(fd).st_size
        end = _end_of_last_line(fd, size)
        # Every line of ours begins with a brace; zeros are what a power cut leaves. The end of anything else is
        # somebody's text in a file that was named by mistake, and not ours to cut.
        if end == size or system.read_at(fd, 1, end) not in (b"{", b"\0"):
            return 0
        os.ftruncate(fd, end)
        return size - end
    finally:
        os.close(fd)


def _after(path: Path, position: Mapping[str, int] | None) -> list[tuple[Path, int]]:
    """Return the files to read, oldest first, each with the offset to start at."""
    ours = [file for file in (*_backups(path), path) if file.is_file()]
    if position is None:
        return [(file, 0) for file in ours]
    size = position.get("size", 0)
    for index, file in enumerate(ours):
        if _is_at(file, position):
            return [(file, size), *((newer, 0) for newer in ours[index + 1 :])]
    # logrotate gave it a name of its own (dateext): the rest of it, and all of ours.
    others = (file for file in path.parent.glob(f"{_escaped(path.name)}*") if file not in ours)
    moved = [(file, size) for file in others if _is_at(file, position)]
    return [*moved, *((file, 0) for file in ours)]


def _backups(path: Path) -> list[Path]:
    # Looked up rather than counted: there may be gaps, and more than the setting allows by now.
    form = re.compile(re.escape(path.name) + r"\.([1-9][0-9]*)")
    matches = (form.fullmatch(entry.name) for entry in os.scandir(path.parent))
    return [backup(path, number) for number in sorted((int(match[1]) for match in matches if match), reverse=True)]


def _is_at(file: Path, position: Mapping[str, int]) -> bool:
    # Without the device: its number changes when the machine starts anew, the inode's does not.
    try:
        if file.stat().st_ino != position.get("inode") or not file.is_file():
            return False
        with file.open("rb") as stream:
            size = position.get("size", 0)
            fd = stream.fileno()
            return os.fstat(fd).st_size >= size and _tail(fd, size) == position.get("tail")
    except FileNotFoundError:
        return False


def _tail(fd: int, size: int) -> int:
    start = max(size - _TAIL_BYTES, 0)
    return zlib.crc32(system.read_at(fd, size - start, start))


def _end_of_last_line(fd: int, size: int) -> int:
    end = size
    while end > 0:
        start = max(end - _CHUNK_BYTES, 0)
        newline = system.read_at(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _lines(file: Path, start: int) -> Iterator[bytes]:
    with file.open("rb") as stream:
        stream.seek(start)
        yield from stream


def _origin(line: bytes) -> Origin | None:
    """Return the origin of a complete line of ours; None for anything else that stands in the file."""
    try:
        members: Any = json.loads(line)["origin"]
        origin = Origin(
            members["process"],
            members["generation"],
            members.get("offset"),
            members.get("slot"),
            members.get("count"),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    numbers = (origin.generation, origin.count if origin.offset is None else origin.offset)
    is_whole = isinstance(origin.process, str) and all(isinstance(number, int) for number in numbers)
    return origin if is_whole and isinstance(origin.slot, int | None) else None


def _keep_furthest(found: dict[tuple[str, int, int | None], Origin], origin: Origin) -> None:
    # Only the furthest of each: a cursor needs no more, and a year of lines would fill the memory.
    key = (origin.process, origin.generation, origin.slot)
    before = found.get(key)
    if before is None or _distance(origin) > _distance(before):
        found[key] = origin


def _distance(origin: Origin) -> int:
    return (origin.count if origin.offset is None else origin.offset) or 0


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
