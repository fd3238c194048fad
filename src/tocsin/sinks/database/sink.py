"""Entries go in; rows of a database leave. An Outcome tells how it went, in words an operator can act on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tocsin.config.setting import Setting
from tocsin.event.calendar import Calendar
from tocsin.sinks.base import Accepted, Entry, Failed, Outcome, SinkContext, Unavailable
from tocsin.sinks.database import options as database_options
from tocsin.sinks.database.rows import Row, row_of
from tocsin.sinks.network import STEPS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tocsin.sinks.database.session import Sessions
    from tocsin.sinks.database.tables import Tables

__all__ = ["DatabaseSink"]

_TRIES: Final = 4  # at once, where another wrote the same or a table was lost
_PURGE_INTERVAL_S: Final = 3_600.0
_PURGE_BATCHES: Final = 10  # of deleted rows after one delivery; the rest waits for the next ones


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DatabaseSink:
    """Keep occurrences, or issues with their counts, in tables of PostgreSQL, MariaDB, MySQL or SQLite.

    A batch is one transaction on a connection of its own, never one of the application's.
    """

    type: ClassVar[str] = "database"
    settings: ClassVar[tuple[Setting, ...]] = database_options.SETTINGS
    idempotency: ClassVar[str] = "never: a row's key is its `origin`, and an issue counts only rows that are new."
    is_local: ClassVar[bool] = False  # SQLite waits as well, for whoever else writes to the file
    needs: ClassVar[str] = "SQLAlchemy>=2.0"

    def __init__(
        self,
        place: database_options.Place,
        plan: database_options.Plan,
        context: SinkContext,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._place = place
        self._plan = plan
        self._context = context
        self._clock = clock
        self._calendar = Calendar()
        self._sessions: Sessions | None = None
        self._tables: Tables | None = None
        self._is_prepared = False
        self._purged_at: float | None = None
        self._server = ""

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> DatabaseSink:
        """Build it from validated options; opens nothing. Raises ConfigError, also for a missing package."""
        return cls(database_options.place_of(options), database_options.plan_of(options), context)

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``postgresql+psycopg://user@host/db``, ``mysql+pymysql://…`` or ``sqlite:///file`` into options."""
        return database_options.from_url(url)

    @property
    def identity(self) -> str:
        """Return ``database:postgresql:db.example.org:5432/shop/tocsin_``, without user and password."""
        schema = f"{self._plan.schema}." if self._plan.schema else ""
        return f"database:{self._place.dialect}:{self._place.where}/{schema}{self._plan.prefix}"

    def ddl(self) -> str:
        """Return the statements that make its tables, for `tocsin ddl`. Connects to nothing."""
        from tocsin.sinks.database.tables import ddl

        return ddl(self._place, self._plan)

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Write all entries in one transaction, those that are there already left out."""
        rows = [row_of(entry, self._context, self._clock()) for entry in entries]
        self._calendar.now(self._clock())
        outcome: Outcome = Accepted()
        end = time.monotonic() + self._plan.timeout_s
        for _ in range(_TRIES):
            try:
                self._write(rows)
            except Failed as failed:
                return failed.outcome
            except Exception as fault:  # noqa: BLE001 - a driver is anybody's code, and raises more than DB-API's errors
                outcome, is_passing = self._judged(fault)
                if not is_passing or time.monotonic() > end:
                    return outcome
            else:
                return Accepted(self._server + self._purged())
        return outcome

    def close(self) -> None:
        """Forget the database; no connection is kept anyway."""
        sessions, self._sessions = self._sessions, None
        if sessions is not None:
            sessions.close()
        self._is_prepared = False

    def _write(self, rows: Sequence[Row]) -> None:
        from tocsin.sinks.database.store import prepare, write

        sessions, tables = self._opened()
        if not self._is_prepared:
            with sessions.transaction() as connection:
                prepare(connection, tables, self._plan)
                self._server = _server(connection, tables)
            self._is_prepared = True
        with sessions.transaction() as connection:
            write(connection, tables, rows)

    def _opened(self) -> tuple[Sessions, Tables]:
        from tocsin.sinks.database.session import Sessions
        from tocsin.sinks.database.tables import tables_of

        if self._tables is None:
            self._tables = tables_of(self._plan)
        if self._sessions is None:
            self._sessions = Sessions(self._place, self._plan.timeout_s, may_create=self._plan.may_create)
        return self._sessions, self._tables

    def _judged(self, fault: Exception) -> tuple[Outcome, bool]:
        """Return what a fault comes to and whether to try again at once; the tables are looked at before that."""
        if isinstance(fault, ImportError) and self._sessions is None:
            return Unavailable(f"SQLAlchemy can't be loaded: {fault}", "pip install 'SQLAlchemy>=2.0'"), False
        from tocsin.sinks.database.faults import verdict

        found = verdict(
            fault,
            self._place,
            self._context.mask,
            has_cut=self._sessions is not None and self._sessions.has_cut,
            waited_s=self._plan.timeout_s * STEPS,
        )
        self._is_prepared = False
        return found.outcome, found.is_passing

    def _purged(self) -> str:
        """Delete old rows now and then; return why not, where that fails: what was delivered is delivered."""
        from tocsin.sinks.database.store import purge

        now = time.monotonic()
        if self._purged_at is not None and now - self._purged_at < _PURGE_INTERVAL_S:
            return ""
        sessions, tables = self._opened()
        self._purged_at = now
        try:
            for _ in range(_PURGE_BATCHES):
                with sessions.transaction() as connection:
                    has_more = purge(connection, tables, self._plan, self._calendar.now(self._clock()))
                if not has_more:
                    return ""
            self._purged_at = None
        except Exception as fault:  # noqa: BLE001 - as in deliver; old rows can wait
            return f"; old rows can't be deleted: {getattr(self._judged(fault)[0], 'reason', '')}"
        return ""


def _server(connection: Connection, tables: Tables) -> str:
    """Return ``postgresql 15.18, tocsin_occurrences`` to show that it is the right one."""
    dialect = connection.dialect
    name = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    version = ".".join(map(str, (getattr(dialect, "server_version_info", None) or ())[:3]))
    names = [table.fullname for table in tables.all if table is not tables.version]
    return f"{name} {version}, {', '.join(names)}"
