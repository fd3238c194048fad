"""What psycopg takes to connect goes in; a connection leaves on which no statement is waited for without end.

The server's own limits (statement_timeout) are no use where the server itself hangs while its system still answers
for it; then neither TCP's keepalives nor tcp_user_timeout end anything.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg

__all__ = ["WAIT_S", "BoundedConnection"]

WAIT_S = 25.0  # longer than the server's own limits: those tell more


class BoundedConnection(psycopg.Connection[Any]):
    """Give a statement up after WAIT_S, and the connection with it."""

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **named: Any) -> Any:
        """Consume a generator that works on the connection; psycopg resumes it ten times a second."""
        return super().wait(self._until(gen, time.monotonic() + WAIT_S), *args, **named)

    def _until(self, gen: Generator[Any, Any, Any], end: float) -> Generator[Any, Any, Any]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if time.monotonic() > end:  # whatever is ready: psycopg 3.2 says so of a mere timeout as well
                    self.pgconn.finish()  # an answer that comes late belongs to nobody
                    raise psycopg.OperationalError(f"no answer within {WAIT_S:.0f} s")
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value
