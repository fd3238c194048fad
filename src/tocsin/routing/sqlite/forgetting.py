"""A state file and what is to be forgotten go in; it leaves without that, in its free pages and its log too.

Not by the leader alone: SQLite takes one writer at a time, whoever that is, and a leader waits for it. What is written
here no leader has in memory.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from tocsin.event.errors import StoreError
from tocsin.routing.forgetting import Forgetting, Gone, without_reasons, without_titles
from tocsin.routing.sqlite.connection import Connection

__all__ = ["forget_in_sqlite"]

_WAIT_S: Final = 10.0  # for readers of the log
_LOOK_S: Final = 0.1


def forget_in_sqlite(path: Path, what: Forgetting, *, is_dry: bool) -> Gone:
    """Take it out of a state file in one transaction; return what went. Raises StoreError."""
    file = _File(path, read_only=is_dry)
    try:
        return file.forget(what, is_dry=is_dry)
    finally:
        file.close()


class _File(Connection):
    """Be a state file that forgets."""

    def forget(self, what: Forgetting, *, is_dry: bool) -> Gone:
        gone = Gone()
        if is_dry:
            self._changes(what, gone, is_dry=True)
            return gone
        self._run("PRAGMA secure_delete = ON")
        with self.transaction():
            self._changes(what, gone, is_dry=False)
        self._wipe()
        return gone

    def _changes(self, what: Forgetting, gone: Gone, *, is_dry: bool) -> None:
        for fingerprint, title, culprit in self._rows("SELECT fingerprint, title, culprit FROM issues"):
            kept = what.title(fingerprint, title), what.without(culprit)
            if kept != (title, culprit):
                gone.titles += 1
                if not is_dry:
                    values = (*kept, self._next_revision(), fingerprint)
                    self._run("UPDATE issues SET title = ?, culprit = ?, revision = ? WHERE fingerprint = ?", values)
        for row in self._rows("SELECT fingerprint, day, hash FROM clients"):
            if what.is_client(*row):
                gone.clients += 1
                if not is_dry:
                    self._run("DELETE FROM clients WHERE fingerprint = ? AND day = ? AND hash = ?", row)
        for identity, pending in self._rows("SELECT identity, pending FROM pending"):
            kept_pending = without_titles(pending, what.without, what.is_title)
            if kept_pending != pending:
                gone.notices += 1
                if not is_dry:
                    self._run("UPDATE pending SET pending = ? WHERE identity = ?", (kept_pending, identity))
        for consumer, note in self._rows("SELECT consumer, note FROM notes"):
            kept_note = without_reasons(note, what.without)
            if kept_note != note:
                gone.reasons += 1
                if not is_dry:
                    self._run("UPDATE notes SET note = ? WHERE consumer = ?", (kept_note, consumer))

    def _wipe(self) -> None:
        """Write the file anew and empty its log: what was deleted stands in free pages until they are used again."""
        end = time.monotonic() + _WAIT_S
        while True:
            try:
                self._run("VACUUM")
                row = self._row("PRAGMA wal_checkpoint(TRUNCATE)")
                if row is None or not row[0]:
                    return
            except StoreError as fault:
                if "locked" not in str(fault) and "busy" not in str(fault):
                    raise
            if time.monotonic() > end:
                raise StoreError(
                    f"the state {self.path} is without it, but its log can't be emptied while others read it: "
                    "run the same once more"
                )
            time.sleep(_LOOK_S)
