"""Locks that die with their process: a path goes in, held or not held leaves.

What a lock is differs between systems: see `system/posix.py` and `system/windows.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

from tocsin import system

__all__ = ["FileLock", "is_held"]


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
        """Take the lock; return False where another process holds it. Raises OSError."""
        if self.is_held:
            return True
        if is_held(self.path):
            return False
        fd = system.open_file(self.path, os.O_RDWR | os.O_CREAT | system.NOFOLLOW)
        try:
            is_taken = system.lock(fd)
        except BaseException:
            os.close(fd)
            raise
        if not is_taken:
            os.close(fd)
            return False
        self._fd, self._pid = fd, os.getpid()
        return True

    @property
    def is_in_place(self) -> bool:
        """Tell whether the file that is locked is still the one at the path: somebody may have removed the folder."""
        return self._fd is not None and system.is_in_place(self._fd, self.path)

    def write(self, text: str) -> None:
        """Replace the file's content, which tells people who holds it."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.write(self._fd, text.encode())

    def release(self) -> None:
        """Give the lock up; in a forked child only the inherited descriptor is closed."""
        if self._fd is None:
            return
        if self.is_held:
            system.close_locked(self._fd)
        else:
            os.close(self._fd)
        self._fd = None


def is_held(path: Path) -> bool:
    """Tell whether a living process holds the lock on ``path``; takes nothing, creates nothing."""
    return system.is_locked(path)
