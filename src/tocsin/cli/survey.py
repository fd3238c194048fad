"""A spool goes in; what waits for whom, who lives and leads, and what was lost leave. Nothing is written."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tocsin import system
from tocsin.cli.books import holder
from tocsin.cli.mortality import Mortality, mortality
from tocsin.cli.place import Place
from tocsin.delivery.dead_letters import DeadLetter, DeadLetters
from tocsin.delivery.health import Health
from tocsin.delivery.sightings import START, read_on
from tocsin.event import limits
from tocsin.event.errors import ConfigError, StoreError, TocsinError
from tocsin.routing.issues import is_muted
from tocsin.routing.opening import has_state, open_state
from tocsin.routing.policy import Policy
from tocsin.routing.router import Route
from tocsin.routing.state import LEDGER, Cursor, State
from tocsin.sinks.base import SinkContext
from tocsin.sinks.registry import build, load_type
from tocsin.spool.folder import Folder
from tocsin.spool.reader import GenerationReader, SpoolReader
from tocsin.spool.tallies import LOSSES, TALLIES

__all__ = ["FIRST_DELIVERY", "Consumer", "ProcessSight", "Survey", "survey"]

_EVER: Final = datetime.min.replace(tzinfo=UTC)
_LAST_S: Final = 253_402_300_799.0  # the calendar's end; a process's name may say later
FIRST_DELIVERY: Final = "the first delivery"  # stands for all sinks while nobody has ever delivered


@dataclass(frozen=True, slots=True)
class Consumer:
    """Say what waits for one consumer. ``oldest`` is about when the oldest of it happened.

    A consumer that tells people (``is_told``) gets notices: for it ``occurrences`` are those it was not told of, many
    of which it isn't to be told before an episode grows or ends; ``notice_at`` is when a notice that still waits to
    be accepted was decided, or, where nobody leads who could decide one, when a fault that was never told began.
    """

    name: str
    occurrences: int
    size_bytes: int = 0
    oldest: datetime | None = None
    health: Health = field(default_factory=Health)
    is_told: bool = False
    notice_at: datetime | None = None

    @property
    def is_ledger(self) -> bool:
        """Tell whether it is the list of issues itself."""
        return self.name == LEDGER

    @property
    def is_waiting(self) -> bool:
        """Tell whether anything waits that should have gone out already."""
        return self.notice_at is not None if self.is_told else self.occurrences > 0


@dataclass(frozen=True, slots=True)
class ProcessSight:
    """Say what is seen of one process that spooled."""

    name: str
    pid: int
    is_alive: bool
    generations: int
    size_bytes: int
    started: datetime


@dataclass(frozen=True, slots=True)
class Survey:
    """Hold what is seen of a spool. ``leader`` is "" where nobody leads.

    ``recent`` are the tallies of the segments that are still there; ``losses`` and ``left_out`` (what was counted and
    not reported, on purpose or for a while) are all there ever were. ``state_fault`` says why the state can't be read.
    """

    folder: Folder
    owner: str
    size_bytes: int
    free_bytes: int
    leader: str
    processes: Sequence[ProcessSight]
    consumers: Sequence[Consumer]
    recent: Mapping[str, int]
    losses: Mapping[str, int]
    left_out: Mapping[str, int]
    state_fault: str = ""
    dead_letters: Sequence[DeadLetter] = ()
    unread: Sequence[str] = ()  # files that can't be read or are copies of others, and why
    mortality: Mortality = field(default_factory=Mortality)


def survey(where: Place, now: datetime) -> Survey:
    """Look at a spool. A state that can't be read is part of the answer. Raises OSError, StoreError."""
    folder = where.folder
    spool = SpoolReader(folder)
    readers = spool.generations()
    tallies = _tallies(readers)
    consumers: list[Consumer] = []
    state_fault = ""
    counted = dict(tallies)
    note: Mapping[str, Any] = {}
    try:
        if has_state(folder, where.state):
            state = open_state(folder, where.state, read_only=True)
            try:
                is_led = bool(holder(folder))
                routes = _routes(where)
                consumers = [
                    _told_consumer(name, state, now, is_led, routes.get(name))
                    if _is_told(name)
                    else _reading_consumer(name, state, readers)
                    for name in state.consumers()
                ]
                note = state.note(LEDGER)
                for name, total in state.losses().items():
                    counted[name] = max(total, counted.get(name, 0))
            finally:
                state.close()
    except StoreError as fault:
        state_fault = str(fault)
    if not consumers and not state_fault:
        consumers = [_reading_consumer(FIRST_DELIVERY, None, readers)]
    return Survey(
        folder,
        _owner(folder),
        folder.size_bytes(),
        shutil.disk_usage(folder.path).free,
        holder(folder),
        _processes(readers, folder),
        consumers,
        tallies,
        {name: n for name, n in counted.items() if n and (name in LOSSES or name not in TALLIES)},
        {name: n for name, n in counted.items() if n and name in TALLIES and name not in LOSSES},
        state_fault,
        DeadLetters(folder).all(),
        spool.left_out,
        mortality(folder, note),
    )


def _routes(where: Place) -> dict[str, Route]:
    """Return what each sink chooses; without a configuration that is not known, so none."""
    settings = where.settings
    if settings is None:
        return {}
    built, _ = build(settings.sinks, SinkContext(settings.application, settings.environment, settings.host))
    for each in built:
        each.sink.close()
    return {
        each.identity: Route(each.identity, each.kinds, each.levelno, Policy(), _EVER, each.loggers) for each in built
    }


def _told_consumer(name: str, state: State, now: datetime, is_led: bool, route: Route | None) -> Consumer:
    """Where somebody leads, a fault that is not told yet has its reason: it gathers others, or a cap holds it back."""
    since = state.consumer_since(name) or _EVER
    chosen = [pair for pair in state.untold(name, since=since) if route is None or route.tells(pair[0])]
    untold = [pair for pair in chosen if not is_muted(pair[0], now)]
    number = sum(issue.count - (told.count if told else 0) for issue, told in untold)
    never = [issue.first_seen for issue, told in untold if told is None and issue.kind != "warning"]
    pending = state.pending(name)
    notice_at = pending.notice.at if pending is not None else None
    if notice_at is None and not is_led:
        notice_at = min(never, default=None)
    return Consumer(name, number, health=_health(state, name), is_told=True, notice_at=notice_at)


def _reading_consumer(name: str, state: State | None, readers: Sequence[GenerationReader]) -> Consumer:
    occurrences = size_bytes = 0
    oldest: datetime | None = None
    for reader in readers:
        cursor = START if state is None else state.cursor(name, *reader.key) or START
        number, at = _after(reader, cursor)
        if number:
            occurrences += number
            size_bytes += max(0, reader.size_bytes() - cursor.offset)
            oldest = min(filter(None, (oldest, at)), default=None)
    health = Health() if state is None else _health(state, name)
    return Consumer(name, occurrences, size_bytes, oldest, health)


def _after(reader: GenerationReader, cursor: Cursor) -> tuple[int, datetime | None]:
    """Return how many occurrences lie behind a cursor, and about when the first of them happened."""
    number, oldest = 0, None
    while True:
        reading = read_on(reader, cursor, limits.SLICE_BYTES, with_counts=True)
        if reading.cursor == cursor:
            return number, oldest
        cursor = reading.cursor
        number += sum(sighting.occurrences for sighting in reading.sightings)
        if oldest is None and reading.sightings:
            first = reading.sightings[0]
            is_cell = first.origin.offset is None
            oldest = datetime.fromtimestamp(_changed_at(reader) if is_cell else first.header.time, UTC)


def _changed_at(reader: GenerationReader) -> float:
    # A cell says how often, not when. The file's time is that of its last page written back: about half a minute late.
    try:
        return reader.path.counts.stat().st_mtime
    except FileNotFoundError:
        return datetime.now(UTC).timestamp()


def _health(state: State, name: str) -> Health:
    return Health.from_note(state.note(name).get("health", {}))


def _is_told(identity: str) -> bool:
    try:
        return hasattr(load_type(identity.partition(":")[0]), "notify")
    except ConfigError:
        return False


def _processes(readers: Sequence[GenerationReader], folder: Folder) -> list[ProcessSight]:
    by_name: dict[str, list[GenerationReader]] = {}
    for reader in readers:
        by_name.setdefault(reader.path.process, []).append(reader)
    return [
        ProcessSight(
            name,
            int(own[-1].about().get("pid", 0)),
            not own[-1].is_dead,
            len(own),
            sum(reader.size_bytes() for reader in own),
            datetime.fromtimestamp(min(int(name[:12], 16) / 1000, _LAST_S), UTC),
        )
        for name, own in by_name.items()
    ]


def _tallies(readers: Sequence[GenerationReader]) -> dict[str, int]:
    totals = dict.fromkeys(TALLIES, 0)
    for reader in readers:
        try:
            cells = reader.cells()
        except (OSError, TocsinError):
            continue  # a file that can't be read is told by whoever needs what is in it
        for cell, name in enumerate(TALLIES):
            totals[name] += cells.get(cell, 0)
    return totals


def _owner(folder: Folder) -> str:
    try:
        return folder.path.owner()
    except (KeyError, NotImplementedError):
        return str(folder.path.stat().st_uid) if system.HAS_MODES else "not known on Windows"
