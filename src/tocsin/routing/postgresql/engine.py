"""A URL goes in; SQLAlchemy's engine for it leaves, with time limits on all that it does.

SQLAlchemy and psycopg are imported when a database is opened.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.routing.postgresql.faults import MISSING_PSYCOPG, MISSING_SQLALCHEMY
from tocsin.sinks.resolving import addresses_of

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["Engine", "new_engine"]

_CONNECT_S: Final = 5
_OPTIONS: Final = (
    f"-c statement_timeout={limits.SHARED_STATEMENT_S * 1000:.0f}"
    f" -c lock_timeout={limits.SHARED_LOCK_S * 1000:.0f}"
    # A leader that is stopped in the middle of a transaction must not hold up all others.
    f" -c idle_in_transaction_session_timeout={limits.SHARED_IDLE_S * 1000:.0f}"
)
# A network that is cut without a word is noticed by these, since no statement's time limit can reach this side then.
_SOCKET: Final = {
    "connect_timeout": _CONNECT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


@dataclass(frozen=True, slots=True)
class Engine:
    """Hold an engine, what it raises, and the URL without credentials; ``secret`` is the password, to be masked."""

    connects: sqlalchemy.Engine
    raises: type[Exception]
    name: str
    secret: str = field(repr=False)


def new_engine(url: str, *, read_only: bool) -> Engine:
    """Return an engine that has not connected. Raises StoreError: a package is missing, the URL can't be read."""
    try:
        import sqlalchemy
        from sqlalchemy.pool import NullPool
    except ImportError as fault:
        raise StoreError(f"{MISSING_SQLALCHEMY} ({fault})") from fault
    try:
        from tocsin.routing.postgresql.bounded import BoundedConnection
    except ImportError as fault:
        raise StoreError(f"{MISSING_PSYCOPG} ({fault})") from fault
    try:
        parts = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg")
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise StoreError("state can't be read: it must look like postgresql://user@host/database") from None
    given = dict(parts.query)
    name = f"postgresql://{parts.host or given.get('host', 'localhost')}:{parts.port or 5432}/{parts.database or ''}"
    options = " ".join(filter(None, (_OPTIONS, "-c default_transaction_read_only=on" if read_only else "")))
    arguments: dict[str, Any] = {key: value for key, value in _SOCKET.items() if key not in given}
    arguments["options"] = f"{options} {given.pop('options', '')}".strip()
    arguments["prepare_threshold"] = None  # nothing that a pooler between would mix up
    if "application_name" not in given:
        arguments["application_name"] = "tocsin"
    engine = sqlalchemy.create_engine(
        parts.set(query=given), poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments
    )

    @sqlalchemy.event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, positional: Any, named: Any) -> BoundedConnection:
        if parts.host and "hostaddr" not in given:
            _require_found(parts.host, parts.port or 5432)
        return BoundedConnection.connect(*positional, **named)

    return Engine(engine, sqlalchemy.exc.SQLAlchemyError, name, str(parts.password or ""))


def _require_found(host: str, port: int) -> None:
    """Raise OperationalError for a name that isn't found in time: psycopg's connect_timeout begins behind that."""
    import psycopg

    try:
        addresses_of(host, port, socket.SOCK_STREAM, _CONNECT_S)
    except OSError as fault:
        raise psycopg.OperationalError(f"failed to resolve host {host!r}: {fault.strerror or fault}") from fault
