"""What each sink was told, its pace and its pending notice go in and come back: the router's part of the file."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tocsin.routing.issues import Issue
from tocsin.routing.rows import TOLD_COLUMNS, issue_of, to_us, told_of, told_values
from tocsin.routing.sqlite.connection import Connection
from tocsin.routing.sqlite.issues import ISSUE_SELECT
from tocsin.routing.state import Pace, Pending, Told
from tocsin.routing.stored import dump_pace, dump_pending, load_pace, load_pending

__all__ = ["TellingTables"]

_TOLD: Final = ", ".join(f"told.{name}" for name in TOLD_COLUMNS)
_SELECT_UNTOLD: Final = (
    f"SELECT {ISSUE_SELECT}, {_TOLD} FROM issues"
    " LEFT JOIN told ON told.identity = ? AND told.fingerprint = issues.fingerprint"
    " WHERE issues.revision > ? AND (told.count < issues.count"
    " OR (told.count IS NULL AND issues.last_seen >= ?)"
    " OR (? AND told.closed_episode < told.episode))"
)


class TellingTables(Connection):
    """Keep what was told to whom. The methods are those of the State protocol."""

    def revision(self) -> int:
        """Return a number that has grown whenever any issue has changed."""
        if self._new_revision is not None:
            return self._new_revision
        value: int = self._row("SELECT value FROM revision")[0]
        return value

    def untold(
        self, identity: str, *, since: datetime, after_revision: int = 0, with_open: bool = False
    ) -> tuple[tuple[Issue, Told | None], ...]:
        """Return the issues with occurrences that the sink was not told, changed after a revision.

        ``with_open``: also those whose episode was told and whose end was not.
        """
        select = self._of_its_version(_SELECT_UNTOLD)
        rows = self._rows(select, (identity, after_revision, to_us(since), int(with_open)))
        return tuple((issue_of(row), told_of(row[-len(TOLD_COLUMNS) :])) for row in rows)

    def told(self, identity: str, fingerprint: str) -> Told | None:
        """Return what the sink was last told of an issue."""
        select = self._of_its_version(f"SELECT {_TOLD} FROM told WHERE identity = ? AND fingerprint = ?")
        row = self._row(select, (identity, fingerprint))
        return None if row is None else told_of(row)

    def save_told(self, identity: str, told: Told) -> None:
        """Replace what the sink was last told of an issue."""
        self._run("INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (identity, *told_values(told)))

    def _of_its_version(self, select: str) -> str:
        # Version 1, as a command finds it before the first delivery, knew no ends: none is owed.
        return select if self._version > 1 else select.replace("told.closed_episode", "told.episode")

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
