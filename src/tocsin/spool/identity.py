"""The spool's own name among all that share a state: a folder goes in, the same random text leaves."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from tocsin import system
from tocsin.event.errors import StoreError
from tocsin.spool.folder import Folder

__all__ = ["read_spool_id", "spool_id_path"]

_CHARS: Final = 32


def spool_id_path(folder: Folder) -> Path:
    """Return where the name is kept."""
    return folder.path / "spool.id"


def read_spool_id(folder: Folder, *, make: bool) -> str:
    """Return the name; with ``make`` it is made once, else "" where there is none. Raises StoreError.

    It is random and goes with the folder: a volume that comes back on another host keeps its cursors.
    """
    path = spool_id_path(folder)
    try:
        if make and not path.exists():
            _make(path)
        found = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as fault:
        raise StoreError(f"{path} can't be read or made: {fault}; see to the rights and the disk") from fault
    if len(found) != _CHARS or not found.isalnum():
        raise StoreError(f"{path} is damaged: it must hold {_CHARS} letters and digits; restore it from a backup")
    return found


def _make(path: Path) -> None:
    hidden = path.with_name(f".spool.id.{secrets.token_hex(4)}")
    fd = system.open_file(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.write(fd, secrets.token_hex(_CHARS // 2).encode("ascii"))
    finally:
        os.close(fd)
    hidden.rename(path)  # whole or not at all; only who holds the leader's lock makes it
