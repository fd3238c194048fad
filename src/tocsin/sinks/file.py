"""Entries go in, JSON lines leave into a file that rotates by size and is opened anew when somebody moved it."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from tocsin import system
from tocsin.config.setting import Setting, boolean, count, size_mb, text
from tocsin.event.errors import ConfigError
from tocsin.sinks.base import Accepted, Entry, Outcome, Recovered, SinkContext, Unavailable
from tocsin.sinks.readback import backup, position_at, read_back
from tocsin.sinks.url import parameters, split

__all__ = ["FileSink"]

_REMEDIES: Final = {
    errno.ENOSPC: "free space on that disk",
    errno.EDQUOT: "raise the quota, or name a path elsewhere",
    errno.EROFS: "name a path on a disk that can be written to",
    errno.EACCES: "give this user the right to write there, or name another path",
    errno.EPERM: "give this user the right to write there, or name another path",
    errno.ENOENT: "create the folder, owned by the user that delivers",
    errno.ENOTDIR: "name a path below a folder",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTSUP: "name a regular file",
}
_FLAGS: Final = os.O_RDWR | os.O_APPEND | system.NONBLOCK  # a pipe by mistake must not block

# Of file:///C:/logs/shop.jsonl, which on Windows is C:/logs/shop.jsonl.
_LEADING_SLASH: Final = re.compile(r"^/(?=[A-Za-z]:)" if os.name == "nt" else r"(?!)")


def _mode(value: Any) -> int:
    """Parse permissions as people write them, in octal."""
    try:
        bits = int(value, 8) if isinstance(value, str) else -1
    except ValueError:
        bits = -1
    if not 0o600 <= bits <= 0o666 or bits & 0o111 or bits & 0o600 != 0o600:
        raise ValueError('must be permissions such as "0600" or "0640"')
    return bits


class FileSink:
    """Write every event and count as one JSON object per line, for other tools to read.

    The lines of a batch go out by one append; a batch that only half fits on the disk is taken back.
    """

    type: ClassVar[str] = "file"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("path", text, "", "the file; its folder must exist", type_name="path", is_required=True),
        Setting("max_mb", size_mb, 100, "past this the file becomes a backup", unit="MB", type_name="number"),
        Setting("backups", count, 5, "how many backups are kept, `.1` the newest", type_name="whole number"),
        Setting("mode", _mode, 0o600, "permissions of new files, in octal", type_name='octal, such as "0640"'),
        Setting("fsync", boolean, False, "whether each batch is forced to the disk", type_name="boolean"),
    )
    idempotency: ClassVar[str] = (
        "never; what the file holds is read back at start. Each line has its `origin`, which no other has."
    )
    is_local: ClassVar[bool] = True

    def __init__(self, path: str, *, max_bytes: int, backups: int, mode: int = 0o600, is_synced: bool = False) -> None:
        self._path = Path(os.path.realpath(path))
        self._max_bytes = max_bytes
        self._backups = backups
        self._mode = mode
        self._is_synced = is_synced
        self._fd: int | None = None
        self._torn: tuple[int, int] | None = None  # (from, to) of half a batch that could not be taken back yet

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> FileSink:
        """Build it from validated options; opens nothing."""
        return cls(
            options["path"],
            max_bytes=int(options["max_mb"] * 1_048_576),
            backups=options["backups"],
            mode=options["mode"],
            is_synced=options["fsync"],
        )

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``file:events.jsonl?max_mb=10`` or ``file:///var/log/shop.jsonl`` into options."""
        parts = split(url)
        if parts.netloc not in ("", "localhost"):
            raise ConfigError("a file URL has no host: write file:name, or file:/folder/name")
        return {"path": _LEADING_SLASH.sub("", unquote(parts.path)), **parameters(parts.query)}

    @property
    def identity(self) -> str:
        """Return ``file:`` and the absolute path, symbolic links resolved."""
        return f"file:{self._path}"

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Append the entries' lines, all or none. Never raises for what a disk can do."""
        if not entries:
            return Accepted(str(self._path))
        batch = b"".join([entry.line + b"\n" for entry in entries])
        note = ""
        try:
            self._take_back()
            fd = self._current()
            size = os.fstat(fd).st_size
            if size and size + len(batch) > self._max_bytes:
                note = self._rotate()
                fd = self._current()
            self._append(fd, batch)
        except OSError as fault:
            return self._unavailable(fault)
        return Accepted(f"{self._path}{note}")

    def position(self) -> dict[str, int] | None:
        """Return where the file that was last written to ends; None where there is none."""
        try:
            if self._fd is not None:
                return position_at(self._fd)
            with self._path.open("rb") as stream:
                return position_at(stream.fileno())
        except OSError:
            return None  # without a position everything is read back: slower, as right

    def recover(self, position: Mapping[str, int] | None) -> Recovered | Unavailable:
        """Return the origins that lie after a committed position, and cut a torn last line off."""
        self.close()
        try:
            return read_back(self._path, position)
        except OSError as fault:
            return self._unavailable(fault)

    def close(self) -> None:
        """Close the file."""
        fd, self._fd = self._fd, None
        self._torn = None
        if fd is not None:
            os.close(fd)

    def _current(self) -> int:
        """Return a descriptor of the file that the path names now: logrotate may have moved the one we have."""
        if self._fd is not None:
            if system.is_in_place(self._fd, self._path):
                return self._fd
            self.close()
        self._fd = self._opened()
        return self._fd

    def _opened(self) -> int:
        try:
            fd = system.open_file(self._path, _FLAGS | os.O_CREAT | os.O_EXCL, self._mode)
            system.set_mode(fd, self._mode)  # whatever the umask; an existing file keeps what its owner gave it
        except FileExistsError:
            fd = system.open_file(self._path, _FLAGS)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.ENOTSUP, "not a regular file")
        return fd

    def _append(self, fd: int, batch: bytes) -> None:
        start = os.fstat(fd).st_size
        if start and system.read_at(fd, 1, start - 1) != b"\n":
            batch = b"\n" + batch  # somebody's half line must not spoil ours
        rest = memoryview(batch)
        try:
            while rest:
                rest = rest[os.write(fd, rest) :]
            if self._is_synced:
                os.fsync(fd)
        except OSError:
            self._torn = (start, start + len(batch) - len(rest))
            self._take_back()
            raise

    def _take_back(self) -> None:
        """Cut off what there is of a batch that did not fit, else it would be there twice after the retry."""
        if self._torn is None or self._fd is None:
            return
        start, end = self._torn
        # Another process (`tocsin check`) may have appended meanwhile: its line is worth more than our half one.
        if os.fstat(self._fd).st_size == end:
            os.ftruncate(self._fd, start)
        self._torn = None

    def _rotate(self) -> str:
        """Turn the file into backup 1, 1 into 2 and so on; return why not, where the folder forbids it."""
        self.close()
        try:
            numbers = range(1, self._backups + 1)
            # Up to the first gap, which a kill between two renames leaves: nothing beyond it has to move.
            last = next((number for number in numbers if not backup(self._path, number).exists()), self._backups)
            for number in range(last, 0, -1):
                newer = backup(self._path, number - 1) if number > 1 else self._path
                newer.replace(backup(self._path, number))
            if self._backups == 0:
                self._path.unlink()
        except OSError as fault:
            # Events are worth more than a size: it grows on, and says so.
            return f"; can't be rotated: {fault.strerror}"
        return ""

    def _unavailable(self, fault: OSError) -> Unavailable:
        reason = fault.strerror or type(fault).__name__
        remedy = _REMEDIES.get(fault.errno or 0, "see to that disk")
        return Unavailable(f"{self._path}: {reason}", remedy)
