"""A path goes in, an open, checked SQLite file with transactions leaves; foreign errors become StoreError."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tocsin import system
from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.routing.sqlite.schema import MIGRATIONS, SCHEMA, VERSION

__all__ = ["Connection"]

_MEMORY: Final = ":memory:"
_BUSY_TIMEOUT_S: Final = 5.0
_JOURNAL_BYTES: Final = 1_048_576
_CHECKPOINT_PAGES: Final = 256  # of 4 kB: a storm costs 1 MB of disk for the log
_SHARED_BYTES: Final = 32_768  # what SQLite maps of the -shm file at least

# Beside a write-ahead log SQLite maps a file, which all readers share. Where the disk is full and each write takes new
# space (btrfs, ZFS, APFS, whatever lies below an overlay), a store into a mapping ends the process by SIGBUS: with the
# leader's thread a worker of the application. These write in place; everywhere else but on Windows the
# journal is one without.
_IN_PLACE: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs", "ramfs", "f2fs", "jfs"})


class Connection:
    """Hold the file open. One thread at a time; different ones over time are fine. Not to be used after a fork."""

    def __init__(
        self, path: Path | str, *, read_only: bool = False, silence_s: float = limits.EPISODE_SILENCE_S
    ) -> None:
        self.path: Final = str(path)
        self._silence_s: Final = silence_s
        self._depth = 0
        self._used_revision = 0  # the highest ever given out here, even by what was rolled back
        self._new_revision: int | None = None  # of the open transaction
        self._version = VERSION  # of the file; a reader may meet one that no leader has brought up to date yet
        self._sqlite = _connect(self.path, read_only)
        try:
            self._prepare(read_only)
        except BaseException:
            self._sqlite.close()
            raise

    def close(self) -> None:
        """Release the file. May be called twice."""
        self._sqlite.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that is done inside at once, or nothing if it raises. A nested one joins the outer."""
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        self._make_room()
        # IMMEDIATE takes the write lock at once: a command that mutes waits here, not halfway.
        self._run("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
            if self._new_revision is not None:
                self._run("UPDATE revision SET value = ?", (self._new_revision,))
            self._run("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._depth = 0
            self._new_revision = None

    def _roll_back(self) -> None:
        try:
            if self._sqlite.in_transaction:
                self._sqlite.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the reason is on its way already; SQLite drops what was not committed by itself

    def _next_revision(self) -> int:
        """Return a revision for one change of an issue; only inside a transaction.

        Numbers of a transaction that was rolled back are not used again, as someone may have looked.
        """
        if self._new_revision is None:
            stored: int = self._run("SELECT value FROM revision").fetchone()[0]
            self._new_revision = max(stored, self._used_revision)
        self._new_revision += 1
        self._used_revision = self._new_revision
        return self._new_revision

    def _run(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._sqlite.execute(sql, values)
        except sqlite3.Error as fault:
            raise _translated(fault, self.path) from fault

    def _make_room(self) -> None:
        """Give the -shm file its size again where somebody truncated it: SQLite's next look at it would be SIGBUS.

        What is zero there SQLite makes anew out of the log.
        """
        shared = f"{self.path}-shm"
        try:
            if os.stat(shared).st_size < _SHARED_BYTES:  # noqa: PTH116 - each look at the state comes by here
                os.truncate(shared, _SHARED_BYTES)
        except OSError:
            return  # there is none, or the disk says no: then so it will to SQLite

    def _is_in_place(self) -> bool:
        if self.path == _MEMORY or not system.HAS_MODES:  # Windows has no SIGBUS
            return True
        return system.file_system(Path(self.path).parent) in _IN_PLACE

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        if not self._depth:
            self._make_room()
        try:
            return self._sqlite.execute(sql, values).fetchall()
        except sqlite3.Error as fault:
            raise _translated(fault, self.path) from fault

    def _row(self, sql: str, values: Sequence[Any] = ()) -> Any:
        rows = self._rows(sql, values)
        return rows[0] if rows else None

    def _prepare(self, read_only: bool) -> None:
        version = self._row("PRAGMA user_version")[0]
        if version > VERSION:
            raise StoreError(
                f"the state {self.path} was written by a newer tocsin (format {version}, this one knows"
                f" {VERSION}): run the newer version, or start with another spool"
            )
        if read_only:
            if version == 0:
                raise StoreError(f"the state {self.path} is empty: nothing has been delivered from here yet")
            self._version = version
            return
        self._run(f"PRAGMA journal_mode = {'WAL' if self._is_in_place() else 'TRUNCATE'}")
        self._run("PRAGMA synchronous = NORMAL")  # survives any kill of the process; see the spool's promise
        self._run(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        self._run(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
        with self.transaction():
            version = self._row("PRAGMA user_version")[0]
            if version < VERSION:
                steps = (
                    SCHEMA if version == 0 else [each for old in range(version, VERSION) for each in MIGRATIONS[old]]
                )
                for statement in steps:
                    self._run(statement)
                self._run(f"PRAGMA user_version = {VERSION}")


def _connect(path: str, read_only: bool) -> sqlite3.Connection:
    if read_only and path != _MEMORY and not Path(path).is_file():
        raise StoreError(f"there is no state at {path}: nothing has been delivered from here yet")
    try:
        if path != _MEMORY and not read_only:
            # SQLite gives its -wal and -shm files the mode of the file, so they are private as well.
            os.close(system.open_file(path, os.O_CREAT | os.O_RDWR))
        uri = f"file:{quote(str(Path(path).absolute()))}?mode=ro" if read_only else path
        return sqlite3.connect(
            uri, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=read_only
        )
    except (OSError, sqlite3.Error) as fault:
        raise StoreError(f"the state {path} can't be opened: {fault}; check that the folder exists and"
                         " that you may write there") from fault  # fmt: skip


def _translated(fault: sqlite3.Error, path: str) -> StoreError:
    name = getattr(fault, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        remedy = (
            "it is damaged: stop what delivers, move the file away with its -wal and -shm, and start again;"
            " what the spool still holds is then delivered once more"
        )
    elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        remedy = "another process holds it: try again, and see that one process only delivers from this spool"
    elif name.startswith("SQLITE_FULL"):
        remedy = "the disk is full: make room"
    elif name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        remedy = "check the rights of the file and its folder"
    elif name.startswith("SQLITE_IOERR"):
        remedy = "check the disk and its free space"
    else:
        remedy = "see the log for what came before"
    return StoreError(f"the state {path}: {fault}; {remedy}")
