"""What each sink was told, its pace and its pending notice go in and come back: the router's part of the file."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from tocsin.routing.issues import Issue
from tocsin.routing.sqlite.connection import Connection
from tocsin.routing.sqlite.issues import ISSUE_COLUMNS, issue_of
from tocsin.routing.sqlite.schema import from_us, to_us
from tocsin.routing.state import Pace, Pending, Told
from tocsin.routing.stored import dump_pace, dump_pending, load_pace, load_pending

__all__ = ["TellingTables"]

_TOLD_COLUMNS: Final = "told.fingerprint, told.count, told.episode, told.episode_count, told.at, told.comeback_at"
_SELECT_UNTOLD: Final = (
    f"SELECT {ISSUE_COLUMNS}, {_TOLD_COLUMNS} FROM issues"
    " LEFT JOIN told ON told.identity = ? AND told.fingerprint = issues.fingerprint"
    " WHERE issues.revision > ? AND (told.count < issues.count"
    " OR (told.count IS NULL AND issues.last_seen >= ?))"
)
_WIDTH: Final = len(_TOLD_COLUMNS.split(","))


class TellingTables(Connection):
    """Keep what was told to whom. The methods are those of the State protocol."""

    def revision(self) -> int:
        """Return a number that has grown whenever any issue has changed."""
        if self._new_revision is not None:
            return self._new_revision
        value: int = self._row("SELECT value FROM revision")[0]
        return value

    def untold(
        self, identity: str, *, since: datetime, after_revision: int = 0
    ) -> tuple[tuple[Issue, Told | None], ...]:
        """Return the issues with occurrences that the sink was not told, changed after a revision."""
        rows = self._rows(_SELECT_UNTOLD, (identity, after_revision, to_us(since)))
        return tuple((issue_of(row), _told_of(row[-_WIDTH:])) for row in rows)

    def told(self, identity: str, fingerprint: str) -> Told | None:
        """Return what the sink was last told of an issue."""
        row = self._row(
            f"SELECT {_TOLD_COLUMNS} FROM told WHERE identity = ? AND fingerprint = ?", (identity, fingerprint)
        )
        return None if row is None else _told_of(row)

    def save_told(self, identity: str, told: Told) -> None:
        """Replace what the sink was last told of an issue."""
        comeback_us = None if told.comeback_at is None else to_us(told.comeback_at)
        self._run(
            "INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?, ?, ?, ?)",
            (identity, told.fingerprint, told.count, told.episode, told.episode_count, to_us(told.at), comeback_us),
        )

    def pace(self, identity: str) -> Pace:
        """Return how fast the sink was told; an empty Pace for a new one."""
        row = self._row("SELECT pace FROM paces WHERE identity = ?", (identity,))
        return Pace() if row is None else load_pace(row[0])

    def save_pace(self, identity: str, pace: Pace) -> None:
        """Replace the sink's pace."""
        self._run("INSERT OR REPLACE INTO paces VALUES (?, ?)", (identity, dump_pace(pace)))

    def pending(self, identity: str) -> Pending | None:
        """Return the notice that the sink has still to accept."""
        row = self._row("SELECT pending FROM pending WHERE identity = ?", (identity,))
        return None if row is None else load_pending(row[0])

    def save_pending(self, identity: str, pending: Pending | None) -> None:
        """Replace or (None) drop the notice that the sink has still to accept."""
        if pending is None:
            self._run("DELETE FROM pending WHERE identity = ?", (identity,))
        else:
            self._run("INSERT OR REPLACE INTO pending VALUES (?, ?)", (identity, dump_pending(pending)))


def _told_of(row: Any) -> Told | None:
    if row[0] is None:
        return None
    comeback_at = None if row[5] is None else from_us(row[5])
    return Told(row[0], row[1], row[2], row[3], from_us(row[4]), comeback_at)
