"""The spool's own secret, which keys the hashes of clients: a folder goes in, the same random bytes leave."""

from __future__ import annotations

import os
import secrets
from typing import Final

from tocsin import system
from tocsin.event.errors import TocsinError
from tocsin.spool.folder import Folder

__all__ = ["read_salt"]

_BYTES: Final = 32


def read_salt(folder: Folder) -> bytes:
    """Return the salt, made by whichever process asks first; a fresh one where the spool can't be written."""
    path = folder.path / "salt"
    try:
        if not path.exists():
            folder.prepare()
            _make(path.with_name(f".salt.{secrets.token_hex(4)}"), path)
        return path.read_bytes()
    except (OSError, TocsinError):
        return secrets.token_bytes(_BYTES)


def _make(hidden: os.PathLike[str], path: os.PathLike[str]) -> None:
    fd = system.open_file(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.write(fd, secrets.token_bytes(_BYTES))
        os.link(hidden, path)  # of several processes the first wins
    except FileExistsError:
        return
    finally:
        os.close(fd)
        os.unlink(hidden)  # noqa: PTH108 - a path-like goes in
