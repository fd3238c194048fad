"""A spool and the setting `state` go in; an open state leaves: the spool's own file, or a database that is shared."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tocsin.complaints import complain
from tocsin.config.settings import Settings
from tocsin.event import wire
from tocsin.event.errors import DecodeError, StoreError
from tocsin.event.model import Event
from tocsin.routing.issues import SampleRef
from tocsin.routing.sqlite import SqliteState
from tocsin.routing.state import State
from tocsin.spool.folder import Folder
from tocsin.spool.identity import read_spool_id, spool_id_path
from tocsin.spool.reader import read_event

__all__ = [
    "OWN",
    "StatePlace",
    "has_state",
    "load_event",
    "open_state",
    "state_ddl",
    "state_place",
    "try_state",
    "was_shared",
]

_CLOCK_TOLD_S: Final = 30.0
_LONG_AGO: Final = datetime(1970, 1, 2, tzinfo=UTC)
_tokens: dict[int, str] = {}  # by pid: a forked child is another holder


@dataclass(frozen=True, slots=True)
class StatePlace:
    """Say where a state is kept: in the spool (``url`` is ""), or in a database, shared by application and environment.

    The representation leaves out the URL, which may hold a password.
    """

    url: str = field(default="", repr=False)
    application: str = ""
    environment: str = ""
    host: str = ""

    @property
    def is_shared(self) -> bool:
        """Tell whether it is a database."""
        return bool(self.url)


OWN: Final = StatePlace()


def state_place(settings: Settings) -> StatePlace:
    """Return where these settings keep the state."""
    return StatePlace(settings.state, settings.application, settings.environment, settings.host)


def open_state(folder: Folder, place: StatePlace = OWN, *, read_only: bool = False) -> State:
    """Open the state of a spool; ``read_only`` for commands that look while a leader works. Raises StoreError."""
    if not place.is_shared:
        return SqliteState(folder.state, read_only=read_only)
    from tocsin.routing.postgresql import PostgresState  # brings SQLAlchemy and psycopg, which few need
    from tocsin.routing.postgresql.connection import Scope

    spool = read_spool_id(folder, make=not read_only)
    if not read_only:
        os.utime(spool_id_path(folder))
    scope = Scope(place.application, place.environment, spool, place.host, f"{spool}/{_token()}")
    state = PostgresState(place.url, scope, read_only=read_only)
    if not read_only and abs(state.clock_offset_s) > _CLOCK_TOLD_S:
        ahead = "behind" if state.clock_offset_s > 0 else "ahead of"
        complain(
            "clock",
            f"this host's clock is {abs(state.clock_offset_s):.0f} s {ahead} that of {state.name}: what is told first "
            "and when a fault has gone quiet goes by the hosts' clocks; set them by NTP",
        )
    return state


def state_ddl() -> str:
    """Return the statements that make the tables of a shared state."""
    from tocsin.routing.postgresql.schema import ddl

    return ddl()


def try_state(place: StatePlace) -> str:
    """Open a shared state as a leader would, without being one; return what it is. Raises StoreError."""
    from tocsin.routing.postgresql import PostgresState
    from tocsin.routing.postgresql.connection import Scope

    state = PostgresState(place.url, Scope(place.application, place.environment))
    try:
        with state.transaction():
            state.purge(_LONG_AGO)  # takes the lock, writes, and removes nothing that a leader would not
        pods = state.spools()
        clock = f", its clock {-state.clock_offset_s:+.0f} s from here" if abs(state.clock_offset_s) > 1 else ""
        return f"{state.name}, {pods} spool{'' if pods == 1 else 's'} known{clock}"
    finally:
        state.close()


def has_state(folder: Folder, place: StatePlace = OWN) -> bool:
    """Tell whether there is anything to open; of a database that is known only when it is opened."""
    return place.is_shared or folder.state.exists()


def was_shared(folder: Folder) -> bool:
    """Tell whether a spool's state was last kept in a database, for a command that knows no settings."""
    try:
        shared_at = spool_id_path(folder).stat().st_mtime
    except OSError:
        return False
    try:
        return shared_at >= folder.state.stat().st_mtime
    except OSError:
        return True


def load_event(folder: Folder, state: State, sample: SampleRef) -> Event | None:
    """Return a sample's event, from the spool or, where that is another host's, from the state itself."""
    event = read_event(folder, sample.process, sample.generation, sample.offset)
    if event is not None:
        return event
    body = state.event_body(sample)
    try:
        return None if body is None else wire.decode(body)
    except DecodeError as fault:
        raise StoreError(f"an event in the state can't be read: {fault}") from fault


def _token() -> str:
    """Return what names this process, the same for every state that it opens."""
    return _tokens.setdefault(os.getpid(), secrets.token_hex(8))
