"""Consumers, cursors, notes and losses of one spool go in and come back: its leader's part of the shared state."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from tocsin.routing.postgresql.connection import Connection, storable
from tocsin.routing.rows import from_us, latest_rules, to_us
from tocsin.routing.state import IDENTITY_NOTE, LEDGER, RULES_NOTE, Cursor

__all__ = ["ADD_LOSS", "CursorTables"]

_OF_SPOOL: Final = ("tocsin_state_consumers", "tocsin_state_notes", "tocsin_state_cursors")
ADD_LOSS: Final = (
    "INSERT INTO tocsin_state_losses AS losses VALUES (%s, %s, '', 0, %s, %s)"
    " ON CONFLICT (scope, spool, process, generation, reason) DO UPDATE SET n = losses.n + excluded.n"
)


class CursorTables(Connection):
    """Keep how far each consumer of this spool has read, and what was lost. The methods are those of State."""

    def own_identity(self) -> str:
        """Return 32 hex digits that no other state has; the first of all spools that asks draws them."""
        key = (self._scope, "", IDENTITY_NOTE)  # of no spool, so that it goes with none
        find = "SELECT note FROM tocsin_state_notes WHERE scope = %s AND spool = %s AND consumer = %s"
        row = self._row(find, key)
        if row is None:
            drawn = json.dumps({"id": secrets.token_hex(16)})
            self._save("INSERT INTO tocsin_state_notes VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", (*key, drawn))
            row = self._row(find, key)
        return str(json.loads(row[0])["id"])

    def rules_since(self, rules: str, at: datetime) -> datetime:
        """Return when the application's own rules were first seen, by whichever spool's leader."""
        key = (self._scope, "", RULES_NOTE)
        with self.transaction():
            self._lock()
            row = self._row(
                "SELECT note FROM tocsin_state_notes WHERE scope = %s AND spool = %s AND consumer = %s", key
            )
            note = {} if row is None else json.loads(row[0])
            if rules not in note:
                text = json.dumps(latest_rules({**note, rules: to_us(at)}))
                self._run(
                    "INSERT INTO tocsin_state_notes VALUES (%s, %s, %s, %s)"
                    " ON CONFLICT (scope, spool, consumer) DO UPDATE SET note = excluded.note",
                    (*key, text),
                )
        return from_us(note.get(rules, to_us(at)))

    def has_peers(self) -> bool:
        """Tell whether another spool that shares the state has sinks in it already."""
        return bool(
            self._row(
                "SELECT EXISTS (SELECT 1 FROM tocsin_state_consumers"
                " WHERE scope = %s AND spool <> %s AND consumer <> %s)",
                (self._scope, self._spool, LEDGER),
            )[0]
        )

    def consumers(self) -> tuple[str, ...]:
        """Return the names of all consumers of this spool, sorted."""
        rows = self._rows(
            "SELECT consumer FROM tocsin_state_consumers WHERE scope = %s AND spool = %s", (self._scope, self._spool)
        )
        return tuple(sorted(name for (name,) in rows))

    def consumer_since(self, consumer: str) -> datetime | None:
        """Return when the consumer was first added, by whichever spool; None if this one doesn't know it."""
        row = self._row(
            "SELECT coalesce(sinks.since, own.since) FROM tocsin_state_consumers AS own"
            " LEFT JOIN tocsin_state_sinks AS sinks ON sinks.scope = own.scope AND sinks.identity = own.consumer"
            " WHERE own.scope = %s AND own.spool = %s AND own.consumer = %s",
            (self._scope, self._spool, consumer),
        )
        return None if row is None else from_us(row[0])

    def add_consumer(self, consumer: str, at: datetime) -> None:
        """Remember a consumer; one that is known, here or to another spool, keeps its time."""
        with self.transaction():
            self._lock()
            self._run(
                "INSERT INTO tocsin_state_consumers VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (self._scope, self._spool, consumer, to_us(at)),
            )
            if consumer != LEDGER:
                self._run(
                    "INSERT INTO tocsin_state_sinks AS sinks (scope, identity, since) VALUES (%s, %s, %s)"
                    " ON CONFLICT (scope, identity) DO UPDATE SET since = excluded.since WHERE sinks.since IS NULL",
                    (self._scope, consumer, to_us(at)),
                )

    def forget_consumer(self, consumer: str) -> None:
        """Drop a consumer of this spool; what it was told goes once no other spool has it.

        In a rolling deploy the pods of the old release still have it, and one that comes back is not told all anew.
        """
        with self.transaction():
            self._lock()
            for table in _OF_SPOOL:
                self._run(
                    f"DELETE FROM {table} WHERE scope = %s AND spool = %s AND consumer = %s",
                    (self._scope, self._spool, consumer),
                )
            self._forget_unwanted(consumer)

    def _forget_unwanted(self, identity: str) -> None:
        if self._row(
            "SELECT 1 FROM tocsin_state_consumers WHERE scope = %s AND consumer = %s LIMIT 1", (self._scope, identity)
        ):
            return
        self._note_telling()
        for table in ("tocsin_state_sinks", "tocsin_state_told"):
            self._run(f"DELETE FROM {table} WHERE scope = %s AND identity = %s", (self._scope, identity))
        self._run("DELETE FROM tocsin_state_bodies WHERE scope = %s AND role = %s", (self._scope, f"told {identity}"))

    def cursor(self, consumer: str, process: str, generation: int) -> Cursor | None:
        """Return how far the consumer has read, None if it never has."""
        row = self._row(
            "SELECT position, counts FROM tocsin_state_cursors"
            " WHERE scope = %s AND spool = %s AND consumer = %s AND process = %s AND generation = %s",
            (self._scope, self._spool, consumer, process, generation),
        )
        if row is None:
            return None
        return Cursor(row[0], {int(slot): count for slot, count in json.loads(row[1]).items()})

    def save_cursor(self, consumer: str, process: str, generation: int, cursor: Cursor) -> None:
        """Replace the consumer's cursor in this generation."""
        counts = json.dumps(dict(cursor.counts), separators=(",", ":")) if cursor.counts else "{}"
        self._save(
            "INSERT INTO tocsin_state_cursors VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (scope, spool, consumer, process, generation)"
            " DO UPDATE SET position = excluded.position, counts = excluded.counts",
            (self._scope, self._spool, consumer, process, generation, cursor.offset, counts),
        )

    def forget_generation(self, process: str, generation: int) -> None:
        """Drop all cursors and samples of a generation; its losses stay, and so do events that are kept here."""
        key = (self._scope, process, generation)
        of_spool = "scope = %s AND process = %s AND generation = %s AND spool = %s"
        with self.transaction():
            self._lock()
            losses = self._rows(f"SELECT reason, n FROM tocsin_state_losses WHERE {of_spool}", (*key, self._spool))
            for reason, n in losses:
                self.add_loss(reason, n)
            for table in ("tocsin_state_losses", "tocsin_state_cursors"):
                self._run(f"DELETE FROM {table} WHERE {of_spool}", (*key, self._spool))
            self._run(
                "DELETE FROM tocsin_state_samples AS samples WHERE scope = %s AND process = %s AND generation = %s"
                " AND NOT EXISTS (SELECT 1 FROM tocsin_state_bodies AS bodies WHERE bodies.scope = samples.scope"
                " AND bodies.process = samples.process AND bodies.generation = samples.generation"
                " AND bodies.position = samples.position)",
                key,
            )

    def note(self, consumer: str) -> dict[str, Any]:
        """Return the consumer's free JSON object, empty if there is none."""
        row = self._row(
            "SELECT note FROM tocsin_state_notes WHERE scope = %s AND spool = %s AND consumer = %s",
            (self._scope, self._spool, consumer),
        )
        note: dict[str, Any] = {} if row is None else json.loads(row[0])
        return note

    def save_note(self, consumer: str, note: Mapping[str, Any]) -> None:
        """Replace the consumer's free JSON object."""
        self._save(
            "INSERT INTO tocsin_state_notes VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (scope, spool, consumer) DO UPDATE SET note = excluded.note",
            (self._scope, self._spool, consumer, json.dumps(dict(note))),
        )

    def save_losses(self, process: str, generation: int, losses: Mapping[str, int]) -> None:
        """Remember a generation's cumulative losses by reason; they never go down."""
        with self.transaction():
            for reason, n in losses.items():
                self._run(
                    "INSERT INTO tocsin_state_losses AS losses VALUES (%s, %s, %s, %s, %s, %s)"
                    " ON CONFLICT (scope, spool, process, generation, reason)"
                    " DO UPDATE SET n = greatest(losses.n, excluded.n)",
                    (self._scope, self._spool, process, generation, reason, n),
                )

    def add_loss(self, reason: str, n: int) -> None:
        """Count a loss of this spool's leader."""
        self._save(ADD_LOSS, (self._scope, self._spool, storable(reason), n))

    def losses(self) -> dict[str, int]:
        """Return the losses of all spools by reason."""
        return {
            reason: int(n)
            for reason, n in self._rows(
                "SELECT reason, sum(n) FROM tocsin_state_losses WHERE scope = %s"
                ' GROUP BY reason ORDER BY reason COLLATE "C"',
                (self._scope,),
            )
        }

    def _save(self, sql: str, values: tuple[Any, ...]) -> None:
        # Not repeated by itself where the connection breaks: whether it was done can't be told.
        with self.transaction():
            self._run(sql, values)
