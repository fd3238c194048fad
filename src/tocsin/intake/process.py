"""What belongs to one pid: its limiter, its writer, its numbers. A forked child gets its own at its first event."""

from __future__ import annotations

import itertools
import os
import secrets
import sys
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tocsin.config.fingerprint_rules import rules_digest
from tocsin.config.settings import Settings
from tocsin.event.environ import TOKEN
from tocsin.event.error_id import SUFFIXES
from tocsin.limiter import Limiter
from tocsin.spool.folder import Folder
from tocsin.spool.writer import Writer

__all__ = ["Process", "Processes", "given_token", "new_writer", "token_of"]


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


def new_writer(
    settings: Settings, folder: Folder, sink_identities: Collection[str], masked: Callable[[str], str]
) -> Writer:
    """Return the writer of this process; what it says about the process is masked by ``masked``."""
    about = {
        "application": settings.application,
        "environment": masked(settings.environment),
        "release": masked(settings.release),
        "host": masked(settings.host),
        "python": sys.version.split()[0],
        "sinks": sorted(sink_identities),
    }
    if rules := rules_digest(settings.fingerprint, settings.fingerprints):
        about["fingerprints"] = rules
    max_bytes = int(settings.spool_max_mb * 1_048_576)
    return Writer(folder, about=about, max_bytes=max_bytes, is_synced=settings.fsync)


def token_of(environ: Mapping[str, Any] | None) -> str | None:
    """Return the name of the present request; "" outside of any, None for one that has reported nothing yet."""
    if environ is None:
        return ""
    token = environ.get(TOKEN)
    return token if type(token) is str else None


def given_token(environ: Mapping[str, Any] | None, process: Process) -> str:
    """Return the name of the present request, given now if it has none yet; "" outside of any."""
    token = token_of(environ)
    if token is None:
        token = process.new_token()
        if isinstance(environ, dict):
            environ[TOKEN] = token
    return token
