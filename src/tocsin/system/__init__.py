"""What operating systems do each in their own way: files shared between processes, locks, users. One file for each.

Both files have the same functions; everything else in tocsin is written once, for POSIX systems and Windows.
"""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    from tocsin.system.windows import (
        HAS_MODES,
        NOFOLLOW,
        NONBLOCK,
        allocate,
        close_locked,
        file_system,
        is_in_place,
        is_locked,
        is_read_only,
        is_removable,
        is_removed,
        let_faults_through,
        lock,
        make_folder,
        open_file,
        remove,
        set_mode,
        sync_data,
        user_id,
        write_at,
        write_promptly,
    )
else:
    from tocsin.system.posix import (
        HAS_MODES,
        NOFOLLOW,
        NONBLOCK,
        allocate,
        close_locked,
        file_system,
        is_in_place,
        is_locked,
        is_read_only,
        is_removable,
        is_removed,
        let_faults_through,
        lock,
        make_folder,
        open_file,
        remove,
        set_mode,
        sync_data,
        user_id,
        write_at,
        write_promptly,
    )

__all__ = [
    "HAS_MODES",
    "NOFOLLOW",
    "NONBLOCK",
    "allocate",
    "close_locked",
    "file_system",
    "is_in_place",
    "is_locked",
    "is_read_only",
    "is_removable",
    "is_removed",
    "let_faults_through",
    "lock",
    "make_folder",
    "open_file",
    "read_at",
    "remove",
    "set_mode",
    "sync_data",
    "user_id",
    "write_at",
    "write_promptly",
]


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Return at most ``size`` bytes from ``offset`` on. Moves the position: for descriptors that one thread reads."""
    os.lseek(fd, offset, os.SEEK_SET)  # Windows has no pread
    return os.read(fd, size)
