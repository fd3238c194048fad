"""A time goes in; what is older, what exceeds the bounds, and spools that are gone for good leave the shared state."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

from tocsin.event import limits
from tocsin.routing.postgresql.cursors import ADD_LOSS, CursorTables
from tocsin.routing.rows import to_us
from tocsin.routing.state import LEDGER, Purged

__all__ = ["RetentionTables"]

_OF_SPOOL: Final = ("consumers", "notes", "cursors", "losses", "spools")
# Newest first, summed up: what lies behind the bound goes.
_BODIES_OVER: Final = (
    "SELECT at FROM (SELECT at, sum(octet_length(body)) OVER (ORDER BY at DESC) AS total FROM tocsin_state_bodies"
    " WHERE scope = %s) AS kept WHERE total > %s ORDER BY at DESC LIMIT 1"
)


class RetentionTables(CursorTables):
    """Keep the shared tables within their bounds. One leader does it for all, every SHARED_PURGE_S."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self._purged_at: float | None = None  # monotonic
        super().__init__(*args, **named)

    def purge(self, before: datetime) -> Purged:
        """Drop samples and client hashes older than ``before``, and what exceeds the bounds.

        Nothing is done where this or another leader has done it a moment ago.
        """
        moment = time.monotonic()
        if self._purged_at is not None and moment - self._purged_at < limits.SHARED_PURGE_S:
            return Purged()
        with self.transaction():
            self._lock()
            self._run(
                "UPDATE tocsin_state_spools SET seen_at = clock_timestamp() WHERE scope = %s AND spool = %s",
                (self._scope, self._spool),
            )
            is_due = self._run(
                "UPDATE tocsin_state_scopes SET purged_at = clock_timestamp() WHERE scope = %s AND (purged_at IS NULL"
                " OR purged_at < clock_timestamp() - %s * interval '1 second') RETURNING 1",
                (self._scope, limits.SHARED_PURGE_S / 2),
            )
            purged = self._purge_all(before) if is_due else Purged()
        self._purged_at = moment
        return purged

    def spools(self) -> int:
        """Return how many spools share the state, by the leaders seen within keep_days."""
        count: int = self._row("SELECT count(*) FROM tocsin_state_spools WHERE scope = %s", (self._scope,))[0]
        return count

    def _purge_all(self, before: datetime) -> Purged:
        self._purge_spools(before)
        gone = self._run(
            "WITH gone AS (DELETE FROM tocsin_state_samples WHERE scope = %s AND (at < %s OR at < (SELECT at"
            " FROM tocsin_state_samples WHERE scope = %s ORDER BY at DESC LIMIT 1 OFFSET %s)) RETURNING 1)"
            " SELECT count(*) FROM gone",
            (self._scope, to_us(before), self._scope, limits.SAMPLES - 1),
        )[0][0]
        over = self._row(_BODIES_OVER, (self._scope, limits.SHARED_EVENTS_BYTES))
        oldest = max(to_us(before), 0 if over is None else over[0] + 1)
        self._run("DELETE FROM tocsin_state_bodies WHERE scope = %s AND at < %s", (self._scope, oldest))
        self._run("DELETE FROM tocsin_state_clients WHERE scope = %s AND day < %s", (self._scope, before.toordinal()))
        self._run(
            "DELETE FROM tocsin_state_aliases WHERE scope = %s AND sort = 'back' AND since < %s",
            (self._scope, to_us(before)),
        )
        return Purged(samples=gone, issues=self._purge_issues())

    def _purge_issues(self) -> int:
        surplus = self._run(
            "SELECT fingerprint, count FROM tocsin_state_issues WHERE scope = %s ORDER BY last_seen DESC OFFSET %s",
            (self._scope, limits.ISSUES),
        )
        # Without a sink that tells there is nothing that could go untold.
        sinks = self._row(
            "SELECT count(*) FROM tocsin_state_sinks WHERE scope = %s AND pace IS NOT NULL", (self._scope,)
        )[0]
        for fingerprint, count in surplus:
            key = (self._scope, fingerprint)
            told, least = self._row(
                "SELECT count(*), min(count) FROM tocsin_state_told WHERE scope = %s AND fingerprint = %s", key
            )
            untold = count - (least if told >= sinks and told else 0) if sinks else 0
            if untold > 0:
                self.add_loss("issues_forgotten", untold)
            for table in ("issues", "told", "clients", "samples", "bodies"):
                self._run(f"DELETE FROM tocsin_state_{table} WHERE scope = %s AND fingerprint = %s", key)
            self._run("DELETE FROM tocsin_state_aliases WHERE scope = %s AND issue = %s", key)
        return len(surplus)

    def _purge_spools(self, before: datetime) -> None:
        """Forget spools whose leaders were not seen for so long, but not what was lost there."""
        gone = self._run(
            "SELECT spool FROM tocsin_state_spools WHERE scope = %s AND spool <> %s AND seen_at < %s",
            (self._scope, self._spool, before),
        )
        for (spool,) in gone:
            key = (self._scope, spool)
            had = self._run(
                "SELECT consumer FROM tocsin_state_consumers WHERE scope = %s AND spool = %s AND consumer <> %s",
                (*key, LEDGER),
            )
            losses = self._run("SELECT reason, n FROM tocsin_state_losses WHERE scope = %s AND spool = %s", key)
            for reason, n in losses:
                self._run(ADD_LOSS, (self._scope, "", reason, n))
            for table in _OF_SPOOL:
                self._run(f"DELETE FROM tocsin_state_{table} WHERE scope = %s AND spool = %s", key)
            for (consumer,) in had:
                self._forget_unwanted(consumer)
