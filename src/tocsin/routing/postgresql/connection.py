"""A URL and a scope go in; an open, checked database with transactions leaves; foreign errors become StoreError."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.routing.postgresql.engine import new_engine
from tocsin.routing.postgresql.faults import translated
from tocsin.routing.postgresql.schema import COMPATIBLE, MIGRATIONS, SCHEMA, VERSION

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["Connection", "Scope", "storable"]

_OLDEST_SERVER: Final = 120_000  # as server_version_num
# Not to_regclass: it answers from a cache that doesn't see what was committed while the lock was waited for.
_IS_MADE: Final = (
    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'tocsin_state_version'"
    " AND pg_catalog.pg_table_is_visible(oid))"
)
_MAKING: Final = 0x746F6373  # the advisory lock of whoever makes or migrates the tables: "tocs"


@dataclass(frozen=True, slots=True)
class Scope:
    """Say who shares, and which spool this is; ``holder`` names this process among all that may send."""

    application: str
    environment: str
    spool: str = ""
    host: str = ""
    holder: str = field(default="", repr=False)


class Connection:
    """Hold one connection. One thread at a time; different ones over time are fine. Not to be used after a fork."""

    def __init__(
        self, url: str, scope: Scope, *, read_only: bool = False, silence_s: float = limits.EPISODE_SILENCE_S
    ) -> None:
        self._silence_s: Final = silence_s
        self._spool: Final = scope.spool
        self._holder: Final = scope.holder
        self._depth = 0
        self._has_begun = False  # the open transaction, by a first statement
        self._used_revision = 0  # the highest ever given out here, even by what was rolled back
        self._new_revision: int | None = None  # of the open transaction, once it has locked the scope
        self._telling = 0
        self._has_told = False
        self._seen: tuple[int, int] | None = None  # revision and telling, as last looked at …
        self._seen_at = 0.0  # … by the monotonic clock
        self._database: sqlalchemy.Connection | None = None
        self._is_closed = False
        engine = new_engine(url, read_only=read_only)
        self._engine, self._error, self.name, self._secret = engine.connects, engine.raises, engine.name, engine.secret
        self._tables_version = VERSION  # a reader may meet tables that no leader has brought up to date yet
        self.clock_offset_s = 0.0  # how far the database's clock is ahead of this host's
        try:
            self._prepare(read_only)
            self._scope = self._scope_of(scope, read_only)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the connection. May be called twice."""
        database, self._database = self._database, None
        self._is_closed = True
        if database is not None:
            try:
                database.close()
            except self._error:
                pass  # it was broken already

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
        self._depth = 1
        try:
            yield
            self._before_commit()
            if self._has_begun:
                self._execute("COMMIT")
            self._after_commit()
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._depth = 0
            self._has_begun = False
            self._new_revision = None
            self._has_told = False

    def _before_commit(self) -> None:
        self._flush()
        if self._new_revision is not None:
            self._telling += self._has_told
            self._execute(
                "UPDATE tocsin_state_scopes SET revision = %s, telling = %s WHERE scope = %s",
                (self._new_revision, self._telling, self._scope),
            )

    def _after_commit(self) -> None:
        if self._new_revision is not None:
            self._seen, self._seen_at = (self._new_revision, self._telling), time.monotonic()

    def _roll_back(self) -> None:
        self._forget_unwritten()
        try:
            if self._has_begun and self._database is not None:
                self._database.exec_driver_sql("ROLLBACK")
        except self._error:
            self._drop()  # the reason is on its way already; the server drops what was not committed by itself

    def _flush(self) -> None:
        """Write what was gathered in memory, so that a read of this transaction sees it."""

    def _forget_unwritten(self) -> None:
        """Drop what was gathered in memory."""

    # -- the scope -------------------------------------------------------------------------------------------
    def _lock(self) -> int:
        """Lock the scope until the transaction ends, as whoever writes anything shared does first; return its revision.

        The row itself is the lock: an advisory lock would need numbers that no other application uses.
        """
        if self._new_revision is None:
            rows = self._execute(
                "SELECT revision, telling FROM tocsin_state_scopes WHERE scope = %s FOR UPDATE", (self._scope,)
            )
            if not rows:
                raise StoreError(f"the shared state {self.name} has lost its tables' rows: it was emptied; start again")
            # A number of a transaction that was rolled back is not used again, as someone may have looked.
            self._new_revision = max(rows[0][0], self._used_revision)
            self._telling = rows[0][1]
        return self._new_revision

    def _next_revision(self) -> int:
        """Return a revision for one change of an issue; only inside a transaction."""
        self._used_revision = self._new_revision = self._lock() + 1
        return self._new_revision

    def _note_telling(self) -> None:
        """Lock the scope, and have all leaders look anew at what sinks have still to accept, and at their paces."""
        self._lock()
        self._has_told = True

    def _looked(self) -> tuple[int, int]:
        """Return (revision, telling). What others did is seen within SHARED_LOOK_S, inside a transaction at once."""
        if self._depth:
            self._flush()
            if self._new_revision is not None:
                return self._new_revision, self._telling + self._has_told
        elif self._seen is not None and time.monotonic() - self._seen_at < limits.SHARED_LOOK_S:
            return self._seen
        row = self._row("SELECT revision, telling FROM tocsin_state_scopes WHERE scope = %s", (self._scope,))
        found = (0, 0) if row is None else (row[0], row[1])
        if not self._depth:
            self._seen, self._seen_at = found, time.monotonic()
        return found

    # -- statements ------------------------------------------------------------------------------------------
    def _run(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Execute a statement of a transaction; return its rows."""
        self._flush()
        return self._execute(sql, tuple(values))

    def _run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self._execute(sql, [tuple(row) for row in rows])

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Read, inside of a transaction or outside."""
        if self._depth:
            return self._run(sql, values)
        return self._execute(sql, tuple(values), is_repeatable=True)

    def _row(self, sql: str, values: Sequence[Any] = ()) -> Any:
        rows = self._rows(sql, values)
        return rows[0] if rows else None

    def _execute(self, sql: str, values: Any = (), *, is_repeatable: bool = False) -> list[Any]:
        """Return the rows. ``is_repeatable``: one try more, as a firewall or a restart may have cut an idle session."""
        if self._depth and not self._has_begun:
            self._begin()
        was_open = self._database is not None
        try:
            result = self._opened().exec_driver_sql(sql, values or None)
            return list(result.fetchall()) if result.returns_rows else []
        except self._error as fault:
            is_cut = bool(getattr(fault, "connection_invalidated", False))
            if is_cut:
                self._drop()
            if is_cut and was_open and is_repeatable:
                return self._execute(sql, values)
            raise translated(fault, self.name, self._secret) from fault

    def _begin(self) -> None:
        depth, self._depth = self._depth, 0
        try:
            # Each statement then sees what was committed before it, so what is read under the lock is up to date.
            self._execute("BEGIN ISOLATION LEVEL READ COMMITTED", is_repeatable=True)
        finally:
            self._depth = depth
        self._has_begun = True

    def _opened(self) -> sqlalchemy.Connection:
        if self._is_closed:
            raise StoreError(f"the shared state {self.name} was closed")
        if self._database is None and self._has_begun:
            raise StoreError(f"the shared state {self.name}: the transaction was cut off; tried again by itself")
        if self._database is None:
            self._database = self._engine.connect()
        return self._database

    def _drop(self) -> None:
        database, self._database = self._database, None
        self._seen = None
        if database is not None:
            try:
                database.close()
            except self._error:
                pass  # it is broken: that is why

    # -- opening ---------------------------------------------------------------------------------------------
    def _prepare(self, read_only: bool) -> None:
        number, encoding, is_made, clock = self._rows(
            "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),"
            f" ({_IS_MADE}), extract(epoch FROM clock_timestamp())::float8"
        )[0]
        self.clock_offset_s = clock - time.time()
        if number < _OLDEST_SERVER:
            raise StoreError(f"the shared state {self.name} is on PostgreSQL {number // 10_000}: 12 or newer is needed")
        if encoding != "UTF8":
            raise StoreError(f"the shared state {self.name} is encoded in {encoding}: create it with ENCODING 'UTF8'")
        if not is_made and read_only:
            raise StoreError(f"the shared state {self.name} has no tables yet: they are made at the first delivery")
        version = self._version() if is_made else 0
        if read_only:
            self._tables_version = version
        elif version < VERSION:
            self._migrate()

    def _version(self) -> int:
        version, compatible = self._rows("SELECT version, compatible FROM tocsin_state_version")[0]
        if compatible > VERSION:
            raise StoreError(
                f"the shared state {self.name} was written by a newer tocsin (format {version}, this one knows"
                f" {VERSION}): run the newer version everywhere"
            )
        return int(version)

    def _migrate(self) -> None:
        """Make the tables or bring them up to date: one process does it, the others wait for it."""
        with self.transaction():
            self._execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
            is_made = self._execute(_IS_MADE)[0][0]
            version = self._version() if is_made else 0
            steps = SCHEMA if not version else [each for old in range(version, VERSION) for each in MIGRATIONS[old]]
            for statement in steps:
                self._execute(statement)
            if version and version < VERSION:
                self._execute("UPDATE tocsin_state_version SET version = %s, compatible = %s", (VERSION, COMPATIBLE))

    def _scope_of(self, scope: Scope, read_only: bool) -> int:
        key = (storable(scope.application), storable(scope.environment))
        find = "SELECT scope FROM tocsin_state_scopes WHERE application = %s AND environment = %s"
        row = self._row(find, key)
        if row is None and read_only:
            return 0  # nothing was ever delivered: there is no such row anywhere
        with self.transaction() if not read_only else _nothing():
            if row is None:
                self._execute(
                    "INSERT INTO tocsin_state_scopes (application, environment) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                    key,
                )
                row = self._row(find, key)
            if not read_only and self._spool:
                self._execute(
                    "INSERT INTO tocsin_state_spools VALUES (%s, %s, %s, clock_timestamp())"
                    " ON CONFLICT (scope, spool) DO UPDATE SET host = excluded.host, seen_at = excluded.seen_at",
                    (row[0], self._spool, storable(scope.host)),
                )
        return int(row[0])


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def storable(text: str) -> str:
    """Return a text that PostgreSQL takes: it has no NUL and no lone surrogate."""
    if text.isascii():
        return text.replace("\0", "\ufffd")
    return text.replace("\0", "\ufffd").encode("utf-8", "backslashreplace").decode("utf-8")
