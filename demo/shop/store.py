"""The shop's database, which can be taken away: an order goes in, orders leave, or `OrdersUnavailable`."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["OrdersUnavailable", "Store", "create"]


class OrdersUnavailable(Exception):
    """Say that the database can't be reached."""


def create(path: Path) -> None:
    """Make the database. Once, before any worker: one that starts while it is away must not make a new one."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, product TEXT)")


class Store:
    """Keep orders in SQLite. ``dsn`` is how messages call the database, password and all.

    ``about_to_fail`` is called before it raises `OrdersUnavailable`.
    """

    def __init__(self, path: Path, dsn: str, about_to_fail: Callable[[], None]) -> None:
        self._path = path
        self._dsn = dsn
        self._about_to_fail = about_to_fail
        self._away = path.with_suffix(".away")

    def add(self, customer: str, product: str) -> int:
        """Write an order down; return its number."""
        with self._database() as database:
            cursor = database.execute("INSERT INTO orders (customer, product) VALUES (?, ?)", (customer, product))
            return cursor.lastrowid or 0

    def latest(self, count: int) -> list[tuple[int, str]]:
        """Return number and product of the latest orders."""
        with self._database() as database:
            return database.execute("SELECT id, product FROM orders ORDER BY id DESC LIMIT ?", (count,)).fetchall()

    def take_away(self) -> None:
        """Make the database unreachable."""
        with contextlib.suppress(FileNotFoundError):
            self._path.rename(self._away)

    def bring_back(self) -> None:
        """Make it reachable again."""
        with contextlib.suppress(FileNotFoundError):
            self._away.rename(self._path)

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        try:
            database = sqlite3.connect(f"file:{self._path}?mode=rw", uri=True, timeout=10)
        except sqlite3.OperationalError as fault:
            self._about_to_fail()
            raise OrdersUnavailable(f"no connection to {self._dsn}") from fault
        with contextlib.closing(database), database:
            yield database
