"""The state for a command to read: a spool goes in; what no leader has read yet is entered, and the state leaves.

Only the ledger's part of leading is done here, with the leader's lock but without a `Leader`: that would register
consumers, answer flushes and apply retention, none of which somebody who only looks should do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from tocsin.cli.console import Console
from tocsin.cli.place import Place
from tocsin.delivery.ledger import Ledger
from tocsin.event.errors import StoreError, TocsinError
from tocsin.routing.opening import has_state, open_state
from tocsin.routing.state import State
from tocsin.spool.folder import Folder
from tocsin.spool.locks import FileLock, is_held
from tocsin.spool.reader import SpoolReader

__all__ = ["catch_up", "holder", "lead_for_a_moment", "opened_state"]


@contextmanager
def opened_state(where: Place, console: Console) -> Iterator[State | None]:
    """Yield the state, as current as it can be had; None where nothing was ever reported.

    Where it can't be brought up to date, that is said on stderr. Raises StoreError where it can't be read.
    """
    behind = catch_up(where)
    if not has_state(where.folder, where.state):
        if behind:
            raise StoreError(f"nothing has been delivered from {where.folder.path} yet; {behind}")
        yield None
        return
    state = open_state(where.folder, where.state, read_only=True)
    try:
        state.revision()  # a damaged file is told of before anything else
        if behind:
            console.note(f"figures are as of the last delivery: {behind}")
        yield state
    finally:
        state.close()


def catch_up(where: Place) -> str:
    """Enter what was spooled since the last delivery into the state; return why that can't be done, else "".

    A living leader does it by itself, several times a second.
    """
    folder = where.folder
    try:
        if not any(folder.generations()) or is_held(folder.leader_lock):
            return ""
        folder.require_owner()
        lead_for_a_moment(where)
    except (OSError, TocsinError) as fault:
        return str(fault)
    return ""


def lead_for_a_moment(where: Place, then: Callable[[State], None] = lambda state: None) -> bool:
    """Hold the leader's lock, read every generation into the state, call ``then``; return False where it is held.

    Raises StoreError, OSError.
    """
    lock = FileLock(where.folder.leader_lock)
    if not lock.acquire():
        return False
    try:
        lock.write(f"{os.getpid()} a tocsin command, for a moment\n")
        state = open_state(where.folder, where.state)
        try:
            _read_all(where.folder, state)
            then(state)
        finally:
            state.close()
    finally:
        lock.release()
    return True


def holder(folder: Folder) -> str:
    """Return who leads, such as ``a worker (pid 4711)``; "" where nobody does.

    Not for a process that leads itself: closing any descriptor of the file would give its lock up.
    """
    if not is_held(folder.leader_lock):
        return ""
    try:
        pid, _, what = folder.leader_lock.read_text().partition("\n")[0].partition(" ")
    except OSError:
        return "a process that can't be told"
    return f"{what} (pid {pid})" if what else "a process that is just starting"


def _read_all(folder: Folder, state: State) -> None:
    ledger = Ledger(state, lambda: None)
    for reader in SpoolReader(folder).generations():
        while ledger.read(reader, datetime.now(UTC)):
            pass
