"""A shared state and what is to be forgotten go in; its rows leave without that, and its tables' files too.

What PostgreSQL wrote besides (its log, its backups, its replicas) is out of reach.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from tocsin.event.errors import StoreError
from tocsin.routing.forgetting import Forgetting, Gone, without_reasons, without_titles
from tocsin.routing.postgresql.connection import Connection, Scope, storable

__all__ = ["forget_in_postgresql"]

_TABLES: Final = ("bodies", "issues", "clients", "sinks", "notes")


def forget_in_postgresql(url: str, scope: Scope, what: Forgetting, *, is_dry: bool) -> tuple[Gone, str]:
    """Take it out of a shared state in one transaction; return what went, and what could not be wiped, else "".

    Raises StoreError.
    """
    database = _Database(url, scope, read_only=is_dry)
    try:
        return database.forget(what, is_dry=is_dry)
    finally:
        database.close()


class _Database(Connection):
    """Be a shared state that forgets."""

    def forget(self, what: Forgetting, *, is_dry: bool) -> tuple[Gone, str]:
        gone = Gone()
        if is_dry:
            self._changes(what, gone, is_dry=True)
            return gone, ""
        with self.transaction():
            self._note_telling()  # locks the scope, and has leaders look anew at what they have pending
            self._changes(what, gone, is_dry=False)
        return gone, self._wipe() if gone.total else ""

    def _changes(self, what: Forgetting, gone: Gone, *, is_dry: bool) -> None:
        self._bodies(what, gone, is_dry=is_dry)  # first: what they hold says more of what titles are to go
        self._issues(what, gone, is_dry=is_dry)
        for fingerprint, day, found in self._of_scope("SELECT fingerprint, day, hash FROM tocsin_state_clients"):
            if what.is_client(fingerprint, day, found):
                gone.clients += 1
                if not is_dry:
                    where = "scope = %s AND fingerprint = %s AND day = %s AND hash = %s"
                    self._run(f"DELETE FROM tocsin_state_clients WHERE {where}", (self._scope, fingerprint, day, found))
        for identity, pending in self._of_scope("SELECT identity, pending FROM tocsin_state_sinks"):
            kept = pending and without_titles(pending, what.without, what.is_title)
            if kept != pending:
                gone.notices += 1
                if not is_dry:
                    values = (kept, self._scope, identity)
                    self._run("UPDATE tocsin_state_sinks SET pending = %s WHERE scope = %s AND identity = %s", values)
        for spool, consumer, note in self._of_scope("SELECT spool, consumer, note FROM tocsin_state_notes"):
            kept = without_reasons(note, what.without)
            if kept != note:
                gone.reasons += 1
                if not is_dry:
                    where = "scope = %s AND spool = %s AND consumer = %s"
                    note_values = (kept, self._scope, spool, consumer)
                    self._run(f"UPDATE tocsin_state_notes SET note = %s WHERE {where}", note_values)

    def _issues(self, what: Forgetting, gone: Gone, *, is_dry: bool) -> None:
        for fingerprint, title, culprit in self._of_scope(
            "SELECT fingerprint, title, culprit FROM tocsin_state_issues"
        ):
            kept = what.title(fingerprint, title), what.without(culprit)
            if kept == (title, culprit):
                continue
            gone.titles += 1
            if not is_dry:
                values = (storable(kept[0]), storable(kept[1]), self._next_revision(), self._scope, fingerprint)
                self._run(
                    "UPDATE tocsin_state_issues SET title = %s, culprit = %s, revision = %s"
                    " WHERE scope = %s AND fingerprint = %s",
                    values,
                )

    def _bodies(self, what: Forgetting, gone: Gone, *, is_dry: bool) -> None:
        for fingerprint, role, packed in self._of_scope("SELECT fingerprint, role, body FROM tocsin_state_bodies"):
            try:
                kept = what.body(zlib.decompress(packed))
            except zlib.error as fault:
                raise StoreError(f"an event in the shared state {self.name} can't be read: {fault}") from fault
            if kept is None:
                continue
            gone.bodies += 1
            if not is_dry:
                self._run(
                    "UPDATE tocsin_state_bodies SET body = %s WHERE scope = %s AND fingerprint = %s AND role = %s",
                    (zlib.compress(kept, 1), self._scope, fingerprint, role),
                )

    def _of_scope(self, select: str) -> list[Any]:
        return self._rows(f"{select} WHERE scope = %s", (self._scope,))

    def _wipe(self) -> str:
        """Write the tables anew: what was updated stands in their files until its place is used again."""
        tables = ", ".join(f"tocsin_state_{name}" for name in _TABLES)
        try:
            self._execute(f"VACUUM (FULL) {tables}")
        except StoreError as fault:
            return f"old versions of rows are in the tables' files until their owner runs VACUUM FULL {tables}: {fault}"
        return ""
