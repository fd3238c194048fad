"""Locks that die with their process: a path goes in, held or not held leaves.

POSIX record locks (fcntl, IEEE Std 1003.1): not inherited over fork, unlike flock, whose lock lives on in every forked
child. Their trap is that closing *any* descriptor of the file gives the lock up, so a file held here is never opened
a second time by the same process: `is_held` looks the inode up first.
"""

from __future__ import annotations

import os
from pathlib import Path

from tocsin.event.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows: importing tocsin must work there, the spool says why it can't
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileLock", "is_held"]

_held: dict[tuple[int, int], int] = {}  # (device, inode) -> pid that holds it


class FileLock:
    """Hold an exclusive lock on a file of its own. Never blocks; not thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._pid = 0

    @property
    def is_held(self) -> bool:
        """Tell whether this process holds it; False in a forked child."""
        return self._fd is not None and self._pid == os.getpid()

    def acquire(self) -> bool:
        """Take the lock; return False where another process holds it. Raises StoreError, OSError."""
        if self.is_held:
            return True
        if fcntl is None:
            raise StoreError("the spool needs POSIX file locks, which this system does not have")
        if is_held(self.path):
            return False
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        status = os.fstat(fd)
        key = status.st_dev, status.st_ino
        _held[key] = os.getpid()  # before the lock is taken: a look at the file in between would give it up again
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException as fault:
            _held.pop(key, None)
            os.close(fd)
            if isinstance(fault, BlockingIOError):
                return False
            raise
        self._fd, self._pid = fd, os.getpid()
        return True

    @property
    def is_in_place(self) -> bool:
        """Tell whether the file that is locked is still the one at the path: somebody may have removed the folder."""
        try:
            return self._fd is not None and os.path.samestat(os.fstat(self._fd), self.path.stat())
        except FileNotFoundError:
            return False

    def write(self, text: str) -> None:
        """Replace the file's content, which tells people who holds it."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text.encode(), 0)

    def release(self) -> None:
        """Give the lock up; in a forked child only the inherited descriptor is closed."""
        if self._fd is None:
            return
        if self.is_held:
            status = os.fstat(self._fd)
            _held.pop((status.st_dev, status.st_ino), None)
        os.close(self._fd)
        self._fd = None


def is_held(path: Path) -> bool:
    """Tell whether a living process holds the lock on ``path``; takes nothing, creates nothing."""
    try:
        status = path.stat()
        if _held.get((status.st_dev, status.st_ino)) == os.getpid():
            return True
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        os.lockf(fd, os.F_TEST, 0)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
