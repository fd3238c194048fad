"""A file sink's files and what is to be forgotten go in; they leave without it, rotated and compressed ones too.

A file that may still grow is written over in place, a line at a time and each by one write of as many bytes as it had,
so whoever appends to it goes on, and a kill leaves each line as it was or forgotten. A compressed one is replaced.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tocsin import system
from tocsin.cli.forgetting.blank import padded
from tocsin.cli.forgetting.spool import Taken
from tocsin.cli.forgetting.whom import Whom

__all__ = ["forget_in_file", "holds"]

_CHUNK_BYTES: Final = 1_048_576
_OVERLAP_BYTES: Final = 4_096  # longer than anything that is looked for


def forget_in_file(path: Path, whom: Whom, taken: Taken, *, is_dry: bool) -> None:
    """Take lines out of a file. Raises OSError."""
    before = taken.reports
    if path.suffix == ".gz":
        _forget_zipped(path, whom, taken, is_dry=is_dry)
    else:
        _forget_plain(path, whom, taken, is_dry=is_dry)
    taken.files += taken.reports > before


def holds(path: Path, whom: Whom) -> bool:
    """Tell whether a file's bytes hold what was to be forgotten. Raises OSError."""
    before = b""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            if whom.is_in(before + data):
                return True
            before = (before + data)[-_OVERLAP_BYTES:]
    return False


def _forget_plain(path: Path, whom: Whom, taken: Taken, *, is_dry: bool) -> None:
    fd = system.open_file(path, (os.O_RDONLY if is_dry else os.O_RDWR) | system.NOFOLLOW | system.NONBLOCK)
    try:
        status, before = os.fstat(fd), taken.reports
        for offset, line in _lines(fd):
            shorter = _without(line, whom, taken)
            if shorter is not None and not is_dry:
                system.write_at(fd, shorter, offset)
        if taken.reports > before and not is_dry:
            system.sync_data(fd)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # by its age it is rotated and removed
    finally:
        os.close(fd)


def _forget_zipped(path: Path, whom: Whom, taken: Taken, *, is_dry: bool) -> None:
    hidden = path.with_name(f".{path.name}.forget")
    before, status = taken.reports, path.stat()
    try:
        with gzip.open(path, "rb") as source, gzip.open(os.devnull if is_dry else hidden, "wb") as target:
            for line in source:
                shorter = _without(line.rstrip(b"\n"), whom, taken)
                target.write(line if shorter is None else shorter + b"\n")
        if taken.reports > before and not is_dry:
            shutil.copymode(path, hidden)
            os.utime(hidden, ns=(status.st_atime_ns, status.st_mtime_ns))
            made = hidden.stat()
            if system.HAS_MODES and (status.st_uid, status.st_gid) != (made.st_uid, made.st_gid):
                os.chown(hidden, status.st_uid, status.st_gid)
            hidden.replace(path)
    except EOFError as fault:
        raise OSError(5, "it is only half compressed", str(path)) from fault
    finally:
        hidden.unlink(missing_ok=True)


def _without(line: bytes, whom: Whom, taken: Taken) -> bytes | None:
    """Return what is to stand in place of a line, as long as it; None where it stays, as does what is none of ours."""
    try:
        members: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, dict) or "fingerprint" not in members or not whom.takes(members):
        return None
    taken.note(members)
    return padded(members, whom.without, len(line))


def _lines(fd: int) -> Iterator[tuple[int, bytes]]:
    """Yield every whole line with its offset, without its end."""
    offset, rest = 0, b""
    while data := system.read_at(fd, _CHUNK_BYTES, offset + len(rest)):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield offset, line
            offset += len(line) + 1
