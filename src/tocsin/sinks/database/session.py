"""A place goes in; one connection of tocsin's own for each transaction leaves, bounded in time. Needs the extra ``db``.

A connection is made for each batch and closed after it: nothing is held idle while nothing breaks, nothing is shared
by a fork, and under gevent no socket outlives its event loop. It is never one of the application's.
"""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from tocsin import system
from tocsin.sinks.database.options import Place
from tocsin.sinks.network import STEPS
from tocsin.sinks.resolving import addresses_of
from tocsin.system.forks import unforked

__all__ = ["Sessions"]

_LOGGERS: Final = ("sqlalchemy.engine.Engine.tocsin", "sqlalchemy.pool.impl.NullPool.tocsin")
_GRACE_S: Final = 2.0  # after the server's own limit, which says what was waited for


class Sessions:
    """Open transactions at one place. Not thread-safe: one at a time. ``has_cut`` tells that the last took too long."""

    def __init__(self, place: Place, timeout_s: float, *, may_create: bool) -> None:
        self._place = place
        self._timeout_s = timeout_s
        self._may_create = may_create
        self._engine: Engine | None = None
        self._watch = _Watch(timeout_s * STEPS)

    @property
    def has_cut(self) -> bool:
        """Tell whether the last transaction was cut because the server did not answer."""
        return self._watch.has_cut

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection in a transaction: committed at the end, rolled back when something is raised."""
        if self._place.path and self._may_create:
            _make_private(self._place.path)
        # SQLite has locks of its own, which a fork would leave held in the child.
        gate = unforked() if self._place.path else nullcontext()
        with gate, self._watch_anew(), self._own_engine().connect() as connection, connection.begin():
            self._limit(connection)
            yield connection

    def close(self) -> None:
        """Drop the engine; it holds no connection."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose(close=False)

    def _watch_anew(self) -> _Watch:
        self._watch = _Watch(self._timeout_s * STEPS)
        return self._watch

    def _own_engine(self) -> Engine:
        if self._engine is not None:
            return self._engine
        # What SQLAlchemy logs of this engine must not become a report of its own: it would come here again.
        for name in _LOGGERS:
            logging.getLogger(name).disabled = True
        engine = create_engine(
            _url(self._place),
            poolclass=NullPool,
            pool_reset_on_return=None,  # a transaction is always ended before
            connect_args=_connect_args(self._place, self._timeout_s),
            hide_parameters=True,
            json_serializer=_json_text,
            logging_name="tocsin",
            pool_logging_name="tocsin",
        )
        event.listen(engine, "do_connect", self._connected)
        self._engine = engine
        return engine

    def _connected(self, dialect: Any, _record: Any, arguments: Any, keywords: Any) -> Any:
        """Connect, and watch the socket before SQLAlchemy asks its first question."""
        # No driver bounds the search for a name. Theirs comes behind this one, when the name is known to be found.
        if self._place.host and "hostaddr" not in self._place.query:
            addresses_of(self._place.host, self._place.port, socket.SOCK_STREAM, self._timeout_s)
        driver = dialect.connect(*arguments, **keywords)
        self._watch.attach(driver)
        return driver

    def _limit(self, connection: Connection) -> None:
        """Let the server itself end what takes too long, within this transaction or session only."""
        if self._place.dialect == "postgresql":
            # For this transaction: behind a pooler the session is another's next.
            whole_ms = max(int(self._timeout_s * 1000), 1)
            limits = {"statement": str(whole_ms), "lock": str(max(whole_ms * 9 // 10, 1))}
            words = "set_config('statement_timeout', :statement, true), set_config('lock_timeout', :lock, true)"
            connection.execute(text(f"SELECT {words}"), limits)
        elif self._place.dialect == "mysql":
            lock_s = max(math.ceil(self._timeout_s), 1)
            sets = [f"innodb_lock_wait_timeout = {lock_s}", f"lock_wait_timeout = {lock_s}"]
            sets.append("sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')")  # nothing is cut in silence
            if getattr(connection.dialect, "is_mariadb", False):
                sets.append(f"max_statement_time = {self._timeout_s + 1:g}")
            connection.exec_driver_sql("SET " + ", ".join(f"SESSION {each}" for each in sets))


class _Watch:
    """Shut a connection's socket down when a whole delivery takes too long: drivers wait for a hung server for ever."""

    def __init__(self, whole_s: float) -> None:
        self.has_cut = False
        self._whole_s = whole_s
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> _Watch:
        self._timer = threading.Timer(self._whole_s, self._cut)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            for sock in self._sockets:
                sock.close()
            self._sockets = []

    def attach(self, driver: Any) -> None:
        """Watch the socket of a driver's connection, if it has one that can be found."""
        try:
            # A descriptor of our own: the driver may close its own at any time, and the number go to another file.
            sock = socket.socket(fileno=os.dup(_descriptor(driver)))
        except (OSError, AttributeError, TypeError, ValueError):
            return  # SQLite has none
        with self._lock:
            self._sockets.append(sock)
            has_cut = self.has_cut
        if has_cut:
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            self.has_cut = True
            for sock in self._sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it is closed already


def _descriptor(driver: Any) -> int:
    inner = getattr(driver, "_sock", None)  # PyMySQL tells its socket in no other way
    found: int = (inner if inner is not None else driver).fileno()
    return found


def _url(place: Place) -> URL:
    if place.path:
        return URL.create("sqlite+pysqlite", database=place.path)
    return URL.create(
        f"{place.dialect}+{place.driver}",
        place.user or None,
        place.password or None,
        place.host or None,
        None if place.query.keys() & {"host", "unix_socket"} and not place.host else place.port,
        place.database,
        place.query,
    )


def _connect_args(place: Place, timeout_s: float) -> dict[str, Any]:
    whole_s = max(math.ceil(timeout_s), 1)
    given: dict[str, dict[str, Any]] = {
        "pysqlite": {"timeout": timeout_s, "check_same_thread": False},  # one thread at a time, but not always the same
        # Prepared statements are of a session; behind a pooler in its transaction mode there is none.
        "psycopg": {"connect_timeout": max(whole_s, 2), "prepare_threshold": None, "application_name": "tocsin"},
        "psycopg2": {"connect_timeout": max(whole_s, 2), "application_name": "tocsin"},
        "pymysql": dict.fromkeys(("read_timeout", "write_timeout"), timeout_s + _GRACE_S)
        | {"connect_timeout": timeout_s},
        "mysqldb": dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), whole_s + int(_GRACE_S)),
    }
    return {name: value for name, value in given[place.driver].items() if name not in place.query}


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _make_private(path: str) -> None:
    """Make an SQLite file for its owner only, where there is none; errors tell much of an application."""
    try:
        os.close(system.open_file(path, os.O_CREAT | os.O_EXCL | os.O_RDWR))
    except OSError:
        pass  # it is there, or SQLite will say why it can't be
