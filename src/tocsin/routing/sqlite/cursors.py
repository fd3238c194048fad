"""Consumers, cursors, notes and losses go in and come back: the leader's part of the state file."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from tocsin.routing.rows import from_us, latest_rules, to_us
from tocsin.routing.sqlite.connection import Connection
from tocsin.routing.sqlite.schema import ADD_LOSS
from tocsin.routing.state import IDENTITY_NOTE, RULES_NOTE, Cursor

__all__ = ["CursorTables"]

_OF_CONSUMER: Final = (("consumers", "consumer"), ("notes", "consumer"), ("cursors", "consumer"),
                       ("told", "identity"), ("paces", "identity"), ("pending", "identity"))  # fmt: skip


class CursorTables(Connection):
    """Keep how far each consumer has read, and what was lost. The methods are those of the State protocol."""

    def own_identity(self) -> str:
        """Return 32 hex digits that no other state has."""
        with self.transaction():
            kept = self.note(IDENTITY_NOTE).get("id")
            if kept is None:
                kept = secrets.token_hex(16)
                self.save_note(IDENTITY_NOTE, {"id": kept})
        return str(kept)

    def rules_since(self, rules: str, at: datetime) -> datetime:
        """Return when the application's own rules were first seen."""
        with self.transaction():
            note = self.note(RULES_NOTE)
            if rules not in note:
                self.save_note(RULES_NOTE, latest_rules({**note, rules: to_us(at)}))
            return from_us(note.get(rules, to_us(at)))

    def consumers(self) -> tuple[str, ...]:
        """Return the names of all consumers, sorted."""
        return tuple(name for (name,) in self._rows("SELECT consumer FROM consumers ORDER BY consumer"))

    def consumer_since(self, consumer: str) -> datetime | None:
        """Return when the consumer was added, None if it is unknown."""
        row = self._row("SELECT since FROM consumers WHERE consumer = ?", (consumer,))
        return None if row is None else from_us(row[0])

    def add_consumer(self, consumer: str, at: datetime) -> None:
        """Remember a consumer; one that is known keeps its time."""
        self._run("INSERT OR IGNORE INTO consumers VALUES (?, ?)", (consumer, to_us(at)))

    def forget_consumer(self, consumer: str) -> None:
        """Drop a consumer with its cursors, its note and everything that it was told."""
        with self.transaction():
            for table, column in _OF_CONSUMER:
                self._run(f"DELETE FROM {table} WHERE {column} = ?", (consumer,))

    def cursor(self, consumer: str, process: str, generation: int) -> Cursor | None:
        """Return how far the consumer has read, None if it never has."""
        row = self._row(
            "SELECT position, counts FROM cursors WHERE consumer = ? AND process = ? AND generation = ?",
            (consumer, process, generation),
        )
        if row is None:
            return None
        return Cursor(row[0], {int(slot): count for slot, count in json.loads(row[1]).items()})

    def save_cursor(self, consumer: str, process: str, generation: int, cursor: Cursor) -> None:
        """Replace the consumer's cursor in this generation."""
        counts = json.dumps(dict(cursor.counts), separators=(",", ":")) if cursor.counts else "{}"
        self._run(
            "INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?, ?)",
            (consumer, process, generation, cursor.offset, counts),
        )

    def forget_generation(self, process: str, generation: int) -> None:
        """Drop all cursors and samples of a generation; its losses stay in the totals."""
        key = (process, generation)
        with self.transaction():
            for reason, n in self._rows("SELECT reason, n FROM losses WHERE process = ? AND generation = ?", key):
                self.add_loss(reason, n)
            for table in ("losses", "cursors", "samples"):
                self._run(f"DELETE FROM {table} WHERE process = ? AND generation = ?", key)

    def note(self, consumer: str) -> dict[str, Any]:
        """Return the consumer's free JSON object, empty if there is none."""
        row = self._row("SELECT note FROM notes WHERE consumer = ?", (consumer,))
        note: dict[str, Any] = {} if row is None else json.loads(row[0])
        return note

    def save_note(self, consumer: str, note: Mapping[str, Any]) -> None:
        """Replace the consumer's free JSON object."""
        self._run("INSERT OR REPLACE INTO notes VALUES (?, ?)", (consumer, json.dumps(dict(note))))

    def save_losses(self, process: str, generation: int, losses: Mapping[str, int]) -> None:
        """Remember a generation's cumulative losses by reason; they never go down."""
        with self.transaction():
            for reason, n in losses.items():
                self._run(
                    "INSERT INTO losses VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (process, generation, reason) DO UPDATE SET n = max(n, excluded.n)",
                    (process, generation, reason, n),
                )

    def add_loss(self, reason: str, n: int) -> None:
        """Count a loss of the leader's own."""
        self._run(ADD_LOSS, (reason, n))

    def losses(self) -> dict[str, int]:
        """Return all losses by reason."""
        return dict(self._rows("SELECT reason, sum(n) FROM losses GROUP BY reason ORDER BY reason"))
