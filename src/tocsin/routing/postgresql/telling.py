"""What each sink was told, its pace and its pending notice go in and come back; and the right to send it.

`pace`, `pending` and `revision` are asked for at every look of every leader, four times a second. So they are
answered from memory, until the scope's two numbers, looked at every SHARED_LOOK_S, say that somebody changed them.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

from tocsin.event import limits
from tocsin.routing.issues import Issue
from tocsin.routing.postgresql.connection import Connection
from tocsin.routing.postgresql.issues import ISSUE_SELECT
from tocsin.routing.rows import TOLD_COLUMNS, issue_of, to_us, told_of, told_values
from tocsin.routing.state import Pace, Pending, Told
from tocsin.routing.stored import dump_pace, dump_pending, load_pace, load_pending

__all__ = ["TellingTables"]

_TOLD: Final = ", ".join(f"told.{name}" for name in TOLD_COLUMNS)
_SELECT_UNTOLD: Final = (
    f"SELECT {ISSUE_SELECT}, {_TOLD} FROM tocsin_state_issues AS issues LEFT JOIN tocsin_state_told AS told"
    " ON told.scope = issues.scope AND told.identity = %s AND told.fingerprint = issues.fingerprint"
    " WHERE issues.scope = %s AND issues.revision > %s AND (told.count < issues.count"
    " OR (told.count IS NULL AND issues.last_seen >= %s) OR (%s AND told.closed_episode < told.episode))"
)
_SAVE_TOLD: Final = (
    f"INSERT INTO tocsin_state_told (scope, identity, {', '.join(TOLD_COLUMNS)})"
    f" VALUES ({', '.join(['%s'] * (len(TOLD_COLUMNS) + 2))}) ON CONFLICT (scope, identity, fingerprint) DO UPDATE SET"
    f" {', '.join(f'{name} = excluded.{name}' for name in TOLD_COLUMNS[1:])}"
)
# So that the event a notice shows stays until the next one, though it is no longer the first nor the latest.
_PIN: Final = (
    "INSERT INTO tocsin_state_bodies"
    " SELECT scope, fingerprint, %s, process, generation, position, at, episode, body FROM tocsin_state_bodies"
    " WHERE scope = %s AND fingerprint = %s AND process = %s AND generation = %s AND position = %s LIMIT 1"
    " ON CONFLICT (scope, fingerprint, role) DO UPDATE SET process = excluded.process,"
    " generation = excluded.generation, position = excluded.position, at = excluded.at,"
    " episode = excluded.episode, body = excluded.body"
)


class TellingTables(Connection):
    """Keep what was told to whom. The methods are those of the State protocol."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self._sinks: dict[str, tuple[Pace, Pending | None]] = {}  # as they were when …
        self._sinks_telling = -1  # … the scope's number was this
        self._refused_at: dict[str, float] = {}  # monotonic: when a sink was seen to be claimed by another leader
        super().__init__(*args, **named)

    def revision(self) -> int:
        """Return a number that has grown whenever any issue has changed."""
        return self._looked()[0]

    def untold(
        self, identity: str, *, since: datetime, after_revision: int = 0, with_open: bool = False
    ) -> tuple[tuple[Issue, Told | None], ...]:
        """Return the issues with occurrences that the sink was not told, changed after a revision."""
        rows = self._rows(_SELECT_UNTOLD, (identity, self._scope, after_revision, to_us(since), with_open))
        return tuple((issue_of(row), told_of(row[-len(TOLD_COLUMNS) :])) for row in rows)

    def told(self, identity: str, fingerprint: str) -> Told | None:
        """Return what the sink was last told of an issue."""
        row = self._row(
            f"SELECT {_TOLD} FROM tocsin_state_told AS told WHERE scope = %s AND identity = %s AND fingerprint = %s",
            (self._scope, identity, fingerprint),
        )
        return None if row is None else told_of(row)

    def save_told(self, identity: str, told: Told) -> None:
        """Replace what the sink was last told of an issue."""
        with self.transaction():
            self._note_telling()
            self._run(_SAVE_TOLD, (self._scope, identity, *told_values(told)))

    def pace(self, identity: str) -> Pace:
        """Return how fast the sink was told; an empty Pace for a new one."""
        return self._sink(identity)[0]

    def save_pace(self, identity: str, pace: Pace) -> None:
        """Replace the sink's pace."""
        self._save_sink(identity, "pace", dump_pace(pace))

    def pending(self, identity: str) -> Pending | None:
        """Return the notice that the sink has still to accept."""
        return self._sink(identity)[1]

    def save_pending(self, identity: str, pending: Pending | None) -> None:
        """Replace or (None) drop the notice that the sink has still to accept.

        Whoever saves one has claimed it, and dropping it ends the claim.
        """
        with self.transaction():
            self._save_sink(identity, "pending", None if pending is None else dump_pending(pending))
            self._hold(identity, "" if pending is None else self._holder)
            if pending is not None:
                for fingerprint, ref in pending.samples.items():
                    place = (ref.process, ref.generation, ref.offset)
                    self._run(_PIN, (f"told {identity}", self._scope, fingerprint, *place))

    def claim(self, identity: str) -> bool:
        """Take or renew the right to decide and send for a sink; False while another leader has it.

        Claimed is what is pending: without a notice nobody has to wait. The database's clock says when a claim ends.
        """
        refused_at = self._refused_at.get(identity)
        if refused_at is not None and time.monotonic() - refused_at < limits.SHARED_LOOK_S:
            return False
        with self.transaction():
            self._lock()
            # While the server was down no claim could be renewed: after that, who holds one has the time to come back.
            row = self._row(
                "SELECT pending IS NOT NULL, holder, clock_timestamp()"
                " < greatest(held_until, pg_postmaster_start_time() + %s * interval '1 second')"
                " FROM tocsin_state_sinks WHERE scope = %s AND identity = %s",
                (limits.CLAIM_S, self._scope, identity),
            )
            is_pending, holder, is_held = row or (False, "", False)
            if is_pending and is_held and holder != self._holder:
                self._refused_at[identity] = time.monotonic()
                return False
            self._refused_at.pop(identity, None)
            if is_pending:
                self._hold(identity, self._holder)
        return True

    def _hold(self, identity: str, holder: str) -> None:
        self._run(
            "UPDATE tocsin_state_sinks SET holder = %s, held_until = clock_timestamp() + %s * interval '1 second'"
            " WHERE scope = %s AND identity = %s",
            (holder, limits.CLAIM_S, self._scope, identity),
        )

    def _sink(self, identity: str) -> tuple[Pace, Pending | None]:
        if self._depth:
            self._lock()  # who reads it here is about to change it
            return self._read_sink(identity)
        telling = self._looked()[1]
        if telling != self._sinks_telling:
            self._sinks, self._sinks_telling = {}, telling
        if identity not in self._sinks:
            self._sinks[identity] = self._read_sink(identity)
        return self._sinks[identity]

    def _read_sink(self, identity: str) -> tuple[Pace, Pending | None]:
        row = self._row(
            "SELECT pace, pending FROM tocsin_state_sinks WHERE scope = %s AND identity = %s", (self._scope, identity)
        )
        pace, pending = row or (None, None)
        return Pace() if pace is None else load_pace(pace), None if pending is None else load_pending(pending)

    def _save_sink(self, identity: str, column: str, value: str | None) -> None:
        with self.transaction():
            self._note_telling()
            self._run(
                f"INSERT INTO tocsin_state_sinks (scope, identity, {column}) VALUES (%s, %s, %s)"
                f" ON CONFLICT (scope, identity) DO UPDATE SET {column} = excluded.{column}",
                (self._scope, identity, value),
            )
