"""Rows and a connection in a transaction go in; new rows are written, issues counted, old rows deleted.

Plain statements, the same for every database: what is there already is asked for first, since that is also what an
issue's count must not take twice. Whoever writes the same at the same time makes the transaction fail as a whole, and
the next attempt sees it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, bindparam, case, delete, func, insert, inspect, select, update
from sqlalchemy.exc import SQLAlchemyError

from tocsin.event.errors import DeliveryError
from tocsin.sinks.base import Failed, Unavailable
from tocsin.sinks.database.options import Plan
from tocsin.sinks.database.rows import CHARS, Addition, Row, additions
from tocsin.sinks.database.tables import VERSION, Tables

__all__ = ["DDL_REMEDY", "NotCreatedError", "prepare", "purge", "write"]

DDL_REMEDY: Final = "let somebody who may make tables apply what `tocsin ddl` prints"
_ORIGIN_DAYS: Final = 30  # an origin comes again from the spool (7 days) or the dead letters (14), or never
_MOST_DAYS: Final = 36_500  # a century: past it there may be no such date
_PURGED_ROWS: Final = 500
_LATEST: Final = ("kind", "level", "levelno")
_FILLED: Final = ("logger", "type", "message", "culprit")
_TIMES: Final = ("timestamp", "received_at", "first_seen", "last_seen")


class NotCreatedError(DeliveryError):
    """Say that tables are missing and could not be made; its cause is what the driver said."""


def prepare(connection: Connection, tables: Tables, plan: Plan) -> None:
    """Make the tables that are missing, where it may, and see that their version is ours.

    Raises Failed, and NotCreatedError.
    """
    inspector = inspect(connection)
    missing = [table for table in tables.all if not inspector.has_table(table.name, schema=table.schema)]
    if missing and not plan.may_create:
        remedy = f"{DDL_REMEDY}, or set create = true"
        raise Failed(Unavailable(f"the table {missing[0].fullname} is missing", remedy))
    if missing:
        try:
            tables.metadata.create_all(connection, tables=missing)
        except SQLAlchemyError as fault:
            raise NotCreatedError from fault
    found = connection.scalar(select(func.max(tables.version.c.version)))
    if found is None:
        connection.execute(insert(tables.version), {"version": VERSION})
    elif found != VERSION:
        # The numbers are ours; what else is in a table of that name could be anything.
        age, mend = ("newer", "upgrade tocsin here") if found > VERSION else ("older", "move them away by another name")
        reason = f"the tables {plan.prefix}… are of version {found}, and this tocsin knows {VERSION}: they are {age}"
        raise Failed(Unavailable(reason, f"{mend}, or choose another prefix"))


def write(connection: Connection, tables: Tables, rows: Sequence[Row]) -> int:
    """Write the rows that aren't there yet, add them to their issues, and return how many those were."""
    ledger = tables.ledger
    fresh = _fresh(connection, ledger, rows)
    if not fresh:
        return 0
    fresh.sort(key=lambda row: row.origin)
    columns = ledger.c.keys()
    is_aware = _is_aware(connection)
    connection.execute(
        insert(ledger), [_bound({name: row.values[name] for name in columns}, is_aware) for row in fresh]
    )
    if tables.issues is not None:
        for addition in additions(fresh):
            _add(connection, tables.issues, addition, is_aware)
    return len(fresh)


def purge(connection: Connection, tables: Tables, plan: Plan, now: datetime) -> bool:
    """Delete some rows past their time, by ``now`` and by the server's clock; return whether there may be more."""
    days = plan.keep_days if tables.has_occurrences else _ORIGIN_DAYS
    if not days:
        return False
    ledger = tables.ledger
    now = min(now, _server_time(connection) or now)  # one host's clock that has gone ahead must not empty the table
    before = _bound({"received_at": now - timedelta(days=min(days, _MOST_DAYS))}, _is_aware(connection))["received_at"]
    old = select(ledger.c.origin).where(ledger.c.received_at < before).limit(_PURGED_ROWS)
    origins = list(connection.scalars(old))
    if origins:
        connection.execute(delete(ledger).where(ledger.c.origin.in_(origins)))
    return len(origins) == _PURGED_ROWS


def _server_time(connection: Connection) -> datetime | None:
    """Return the server's time; None where the database is a file, and its clock ours."""
    if connection.dialect.name == "postgresql":
        aware: datetime | None = connection.scalar(select(func.now()))
        return aware
    if connection.dialect.name == "mysql":
        naive: datetime | None = connection.scalar(select(func.utc_timestamp()))
        return None if naive is None else naive.replace(tzinfo=UTC)
    return None


def _fresh(connection: Connection, ledger: Table, rows: Sequence[Row]) -> list[Row]:
    """Return the rows that aren't there yet; of a count that was there in part, the rest."""
    known = _known(connection, ledger, {row.origin for row in rows})
    fresh = []
    for row in rows:
        rest: Row | None = row
        while rest is not None and rest.origin in known:
            rest = rest.behind(known[rest.origin])
            if rest is not None and rest.origin not in known:
                known |= _known(connection, ledger, {rest.origin})
        if rest is not None:
            fresh.append(rest)
            known[rest.origin] = rest.counted_to
    return fresh


def _known(connection: Connection, ledger: Table, origins: Collection[str]) -> dict[str, int | None]:
    found = connection.execute(select(ledger.c.origin, ledger.c.counted_to).where(ledger.c.origin.in_(origins)))
    return {row.origin: row.counted_to for row in found}


def _add(connection: Connection, issues: Table, addition: Addition, is_aware: bool) -> None:
    values = _bound(_issue_values(addition), is_aware)
    done = connection.execute(_adding(issues), {f"new_{name}": value for name, value in values.items()})
    # A check asks whether counting works, and leaves no issue.
    if done.rowcount == 0 and addition.is_real:
        connection.execute(insert(issues), values)


def _issue_values(addition: Addition) -> dict[str, Any]:
    latest = addition.latest
    names = ("fingerprint", "application", "environment", *_LATEST, *_FILLED)
    return {
        **{name: latest[name] for name in names},
        "error_prefix": latest["error_id"].partition("-")[0][: CHARS["error_prefix"]],
        "last_error_id": latest["error_id"],
        "first_release": latest["release"],
        "last_release": latest["release"],
        "occurrences": addition.occurrences,
        "first_seen": addition.first_seen,
        "last_seen": addition.last_seen,
    }


def _adding(issues: Table) -> Any:
    """Return the statement that adds to an issue. MariaDB sets column after column, so the times come last."""
    columns = issues.c

    def new(name: str) -> Any:
        return bindparam(f"new_{name}", type_=columns[name].type)

    is_later = columns.last_seen <= new("last_seen")
    is_earlier = columns.first_seen > new("first_seen")
    latest = {name: name for name in ("last_release", "last_error_id", *_LATEST)}
    key = and_(*[columns[name] == new(name) for name in ("fingerprint", "application", "environment")])
    pairs = [(columns.occurrences, columns.occurrences + new("occurrences"))]
    pairs += [(columns[name], case((columns[name] == "", new(name)), else_=columns[name])) for name in _FILLED]
    pairs += [(columns[name], case((is_later, new(name)), else_=columns[name])) for name in latest]
    pairs.append((columns.first_release, case((is_earlier, new("first_release")), else_=columns.first_release)))
    pairs.append((columns.first_seen, case((is_earlier, new("first_seen")), else_=columns.first_seen)))
    pairs.append((columns.last_seen, case((is_later, new("last_seen")), else_=columns.last_seen)))
    return update(issues).where(key).ordered_values(*pairs)


def _is_aware(connection: Connection) -> bool:
    """Tell whether times keep their zone; elsewhere they are written as those of UTC."""
    return connection.dialect.name == "postgresql"


def _bound(values: dict[str, Any], is_aware: bool) -> dict[str, Any]:
    if is_aware:
        return values
    naive = {
        name: values[name].astimezone(UTC).replace(tzinfo=None)
        for name in _TIMES
        if isinstance(values.get(name), datetime)
    }
    return {**values, **naive}
