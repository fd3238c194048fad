"""A wish for haste: whoever waits for delivery leaves a file; whoever leads delivers all at once, and removes it.

A file, since the leader may be any process of the host. Whoever waits keeps touching it, so that one left by a process
which died waiting is told from one that is still meant.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from tocsin import system
from tocsin.event import limits
from tocsin.spool.folder import Folder

__all__ = ["Wish", "wishes"]


class Wish:
    """Be one wish for the length of a context. Entering raises OSError where the spool can't be written."""

    def __init__(self, folder: Folder) -> None:
        self._path = folder.path / f"{os.getpid()}-{secrets.token_hex(4)}.hurry"

    def __enter__(self) -> Wish:
        os.close(system.open_file(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        return self

    def __exit__(self, *_: object) -> None:
        system.remove(self._path)

    def is_granted(self) -> bool:
        """Tell whether everything that was spooled before the wish is delivered."""
        try:
            os.utime(self._path)
        except FileNotFoundError:
            return True
        except PermissionError:
            return False  # Windows: the leader has it in hand just now; asked again, it is gone
        return False


def wishes(folder: Folder) -> list[Path]:
    """Return the wishes that somebody still waits for."""
    found = []
    for path in folder.path.glob("*.hurry"):
        try:
            if abs(time.time() - path.stat().st_mtime) < limits.HURRY_S:
                found.append(path)
        except FileNotFoundError:
            continue
    return found
