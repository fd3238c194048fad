"""Sinks that keep a thread of delivery where a fork would hurt: within SQLite, or within an import."""

from __future__ import annotations

import socket
import sqlite3
import time
from collections.abc import Sequence
from typing import ClassVar

from tocsin.sinks.base import Accepted, Entry, Outcome


class SQLite:
    """Be within SQLite nearly always, allocating and freeing, as the leader with its state is now and then."""

    is_local: ClassVar[bool] = True
    calls: ClassVar[int] = 0

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Make and drop tables for a while."""
        type(self).calls += 1
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            connection = sqlite3.connect(":memory:")
            connection.execute("CREATE TABLE t (a)")
            connection.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000)"
                " INSERT INTO t SELECT printf('%s %s', i, hex(randomblob(20))) FROM n"
            )
            connection.close()
        return Accepted()


class ImportsHere:
    """Import something slow in the leader's own thread."""

    is_local: ClassVar[bool] = True

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Import as sinks do: when they are called."""
        import slow_to_import

        return Accepted(slow_to_import.__name__)


class ImportsAway(ImportsHere):
    """Import something slow in the thread of a call."""

    is_local: ClassVar[bool] = False


class Socket:
    """Speak over a socket, which under gevent makes a hub for the calling thread."""

    is_local: ClassVar[bool] = False

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Send a byte to nobody else."""
        here, there = socket.socketpair()
        with here, there:
            here.sendall(b"x")
            return Accepted(repr(there.recv(1)))
