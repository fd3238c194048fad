"""A path goes in; what the file holds leaves if it is a file of bounded size that can be trusted, else None.

Nothing here waits: a named pipe in the place of a file is no file.
"""

from __future__ import annotations

import os
import stat

from tocsin import system

__all__ = ["owner_of", "read_bounded", "text_of"]


def read_bounded(path: str, max_bytes: int, *, is_head: bool = False) -> bytes | None:
    """Return a regular file's bytes; None where there is none or it is larger. ``is_head``: of a larger one the head.

    Never raises.
    """
    try:
        descriptor = system.open_file(path, os.O_RDONLY | system.NONBLOCK)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or (status.st_size > max_bytes and not is_head):
            return None
        return _read(descriptor, max_bytes)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def text_of(path: str, max_bytes: int) -> str:
    """Return a regular file's text without white space around it; "" where there is none."""
    data = read_bounded(path, max_bytes)
    return "" if data is None else os.fsdecode(data).strip()


def owner_of(path: str) -> int | None:
    """Return the number of the user a path belongs to, None where that can't be said."""
    try:
        return os.stat(path).st_uid if system.HAS_MODES else None  # noqa: PTH116 - plain texts, as all paths here
    except (OSError, ValueError):
        return None


def _read(descriptor: int, max_bytes: int) -> bytes:
    parts = []
    left = max_bytes
    while left > 0 and (part := os.read(descriptor, min(left, 1_048_576))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
