"""What belongs to one pid: its limiter, its writer, its numbers. A forked child gets its own at its first event."""

from __future__ import annotations

import itertools
import os
import secrets
import time
from collections.abc import Callable

from tocsin.event.error_id import SUFFIXES
from tocsin.limiter import Limiter
from tocsin.spool.writer import Writer

__all__ = ["Process", "Processes"]


class Process:
    """Hold the state that processes must not share."""

    def __init__(self, writer: Writer) -> None:
        self.pid = writer.pid
        self.writer = writer
        self.limiter = Limiter(time.monotonic)
        self.numbers = itertools.count(secrets.randbelow(SUFFIXES))
        self._tokens = itertools.count()

    def new_token(self) -> str:
        """Return a name for a request that no other request of any process has."""
        return f"{self.writer.process}:{next(self._tokens)}"


class Processes:
    """Give each pid its own `Process`.

    Compares pids at every call: `os.register_at_fork` is not enough, since uWSGI forks without running it. Takes no
    lock, which a fork could have left held: `dict.setdefault` is atomic, and what loses the race opened nothing.
    """

    def __init__(self, new_writer: Callable[[], Writer]) -> None:
        self._new_writer = new_writer
        self._by_pid: dict[int, Process] = {}

    def current(self) -> Process:
        """Return this process's state."""
        pid = os.getpid()
        process = self._by_pid.get(pid)
        if process is None:
            process = self._by_pid.setdefault(pid, Process(self._new_writer()))
        return process

    def forget(self) -> None:
        """Leave to other processes what is theirs."""
        self._by_pid.clear()

    def known(self) -> Process | None:
        """Return this process's state if it had an event or a request already."""
        return self._by_pid.get(os.getpid())
