"""A plan goes in; the tables leave as SQLAlchemy's objects, and as the statements that make them.

Needs the extra ``db``: this module is imported with the first delivery, or by `tocsin ddl`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import JSON, TypeEngine

from tocsin.sinks.database.options import Place, Plan
from tocsin.sinks.database.rows import CHARS

__all__ = ["VERSION", "Tables", "ddl", "tables_of"]

VERSION: Final = 1  # of these tables; kept in one of them

# Every text of a key or an index is short enough for the 3,072 bytes of an InnoDB index and PostgreSQL's 2,704.
_MYSQL: Final[dict[str, Any]] = {
    # Whatever the database's default is: utf8mb3 has no emoji, and a collation that takes Shop for shop would
    # take two applications for one.
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


@dataclass(frozen=True, slots=True)
class Tables:
    """Hold the tables of a plan. ``ledger`` has a row for every origin: the occurrences, else the bare origins."""

    metadata: MetaData
    version: Table
    ledger: Table
    issues: Table | None
    has_occurrences: bool

    @property
    def all(self) -> tuple[Table, ...]:
        """Return them in the order they are made in; the version comes last."""
        return (self.ledger, *([] if self.issues is None else [self.issues]), self.version)


def tables_of(plan: Plan) -> Tables:
    """Return the tables that a plan needs."""
    metadata = MetaData(schema=plan.schema or None)
    has_occurrences = plan.store != "issues"
    ledger = _occurrences(metadata, plan.prefix) if has_occurrences else _origins(metadata, plan.prefix)
    issues = _issues(metadata, plan.prefix) if plan.store != "occurrences" else None
    version = Table(
        f"{plan.prefix}schema_version",
        metadata,
        Column("version", Integer, primary_key=True, autoincrement=False),
        **_MYSQL,
    )
    return Tables(metadata, version, ledger, issues, has_occurrences)


def ddl(place: Place, plan: Plan) -> str:
    """Return the statements that make the tables, as an administrator would hand them to the server's own client."""
    dialect = _dialect(place)
    tables = tables_of(plan)
    out = [f"-- Tables of tocsin in {place.where}"]
    if plan.schema and place.dialect == "postgresql":
        out.append(f"CREATE SCHEMA IF NOT EXISTS {_quoted(plan.schema, dialect)}")
    for table in tables.all:
        out.append(_text(CreateTable(table), dialect))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        out.extend(_text(CreateIndex(index), dialect) for index in indexes)
    out.append(f"INSERT INTO {_name(tables.version, dialect)} (version) VALUES ({VERSION})")
    if place.user and place.dialect == "postgresql":
        out += _grants(place.user, plan, tables, dialect)
    return ";\n\n".join(out).replace(";\n\n", "\n", 1) + ";\n"


def _grants(user: str, plan: Plan, tables: Tables, dialect: Dialect) -> list[str]:
    who = _quoted(user, dialect)
    names = ", ".join(_name(table, dialect) for table in tables.all)
    usage = [f"GRANT USAGE ON SCHEMA {_quoted(plan.schema, dialect)} TO {who}"] if plan.schema else []
    return [*usage, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {names} TO {who}"]


def _dialect(place: Place) -> Dialect:
    modules: dict[str, Any] = {"postgresql": postgresql, "mysql": mysql, "sqlite": sqlite}
    made: Dialect = modules[place.dialect].dialect()
    return made


def _text(statement: CreateTable | CreateIndex, dialect: Dialect) -> str:
    lines = str(statement.compile(dialect=dialect)).strip().splitlines()
    return "\n".join(line.replace("\t", "    ").rstrip() for line in lines)


def _name(table: Table, dialect: Dialect) -> str:
    return dialect.identifier_preparer.format_table(table)


def _quoted(name: str, dialect: Dialect) -> str:
    return dialect.identifier_preparer.quote_identifier(name)


def _time() -> TypeEngine[Any]:
    return DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def _json() -> TypeEngine[Any]:
    return JSON().with_variant(postgresql.JSONB(), "postgresql")


def _text_column(name: str, *, is_key: bool = False) -> Column[str]:
    return Column(name, String(CHARS[name]), primary_key=is_key, nullable=False)


def _message() -> Column[str]:
    return Column("message", Text, nullable=False)


def _occurrences(metadata: MetaData, prefix: str) -> Table:
    name = f"{prefix}occurrences"
    before = ("error_id", "fingerprint", "kind", "level")
    after = ("application", "environment", "release", "host", "logger", "type")
    return Table(
        name,
        metadata,
        _text_column("origin", is_key=True),
        Column("timestamp", _time()),  # null where an event's own is none that the database knows
        *[_text_column(each) for each in before],
        Column("levelno", Integer, nullable=False),
        *[_text_column(each) for each in after],
        _message(),
        *[_text_column(each) for each in ("culprit", "method", "path")],
        Column("status", Integer),
        Column("occurrences", BigInteger, nullable=False),
        Column("counted_to", BigInteger),
        Column("received_at", _time(), nullable=False),
        Column("event", _json(), nullable=False),
        Index(f"{name}_timestamp", "timestamp"),
        Index(f"{name}_fingerprint", "fingerprint", "timestamp"),
        Index(f"{name}_error_id", "error_id"),
        Index(f"{name}_received_at", "received_at"),
        **_MYSQL,
    )


def _origins(metadata: MetaData, prefix: str) -> Table:
    name = f"{prefix}origins"
    return Table(
        name,
        metadata,
        _text_column("origin", is_key=True),
        Column("counted_to", BigInteger),
        Column("received_at", _time(), nullable=False),
        Index(f"{name}_received_at", "received_at"),
        **_MYSQL,
    )


def _issues(metadata: MetaData, prefix: str) -> Table:
    name = f"{prefix}issues"
    return Table(
        name,
        metadata,
        *[_text_column(each, is_key=True) for each in ("fingerprint", "application", "environment")],
        _text_column("error_prefix"),
        *[_text_column(each) for each in ("kind", "level")],
        Column("levelno", Integer, nullable=False),
        *[_text_column(each) for each in ("logger", "type")],
        _message(),
        _text_column("culprit"),
        Column("occurrences", BigInteger, nullable=False),
        Column("first_seen", _time(), nullable=False),
        Column("last_seen", _time(), nullable=False),
        *[_text_column(each) for each in ("first_release", "last_release", "last_error_id")],
        Index(f"{name}_last_seen", "last_seen"),
        Index(f"{name}_error_prefix", "error_prefix"),
        **_MYSQL,
    )
