"""Deaths: flight files without their lock go in; one report each leaves into the spool, or one more in a count.

Only the leader does it. The report is published by one rename; only then what the dead left is removed. A leader that
dies in between finds the report already there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tocsin import system
from tocsin.capture.frames import in_app_rule
from tocsin.capture.source import SourceCache
from tocsin.complaints import complain
from tocsin.delivery.crash_dump import ABORTED, Dump, read_dumps
from tocsin.delivery.death_event import OUT_OF_MEMORY, DeathReporter
from tocsin.delivery.kill_watch import KillWatch, kill_count_of
from tocsin.event import error_id, limits, wire
from tocsin.event.errors import StoreError
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event
from tocsin.routing.state import LEDGER, State
from tocsin.spool import posthumous
from tocsin.spool.control_group import KillCount
from tocsin.spool.folder import Folder
from tocsin.spool.in_flight import FlightFile, read_flight, read_flight_about
from tocsin.spool.locks import is_held
from tocsin.spool.memory import Occurrence

__all__ = ["IDLE_DEATHS", "DeathWatch"]

IDLE_DEATHS: Final = "idle_deaths"  # in the ledger's note: how many ended without a word while they were in nothing
_LOOK_S: Final = 1.0
_HURRIED_LOOK_S: Final = 0.1
_UNREADABLE_S: Final = 86_400.0


class DeathWatch:
    """Look for the dead of one spool, once a second."""

    def __init__(self, folder: Folder, state: State, scrubber: Scrubber, app_modules: Sequence[str] = ()) -> None:
        self._folder = folder
        self._state = state
        self._reporter = DeathReporter(scrubber, in_app_rule(app_modules), SourceCache())
        self._looked_at = -_LOOK_S
        self._living: dict[str, tuple[KillCount, int] | None] = {}
        self._kills = KillWatch(state)

    def step(self, now: datetime, *, is_hurried: bool = False) -> bool:
        """Report who has died since; return whether there was anything to do."""
        if time.monotonic() - self._looked_at < (_HURRIED_LOOK_S if is_hurried else _LOOK_S):
            return False
        self._looked_at = time.monotonic()
        counted = self._kills.begin(group for group, _ in filter(None, self._living.values()))
        present = self._folder.flights()
        living = {process for process in present if is_held(self._folder.flight(process))}
        dead = {process: self._group(process) for process in present if process not in living}
        starved = self._kills.told({process: group for process, group in dead.items() if group is not None})
        for process in dead:
            try:
                self._bury(process, now, OUT_OF_MEMORY if process in starved else "")
            except (OSError, StoreError) as fault:
                complain("deaths", f"a death can't be reported yet: {fault}")
            except Exception as fault:  # noqa: BLE001 - one that can't be read must not keep everything else waiting
                complain("deaths", f"the death of {process} can't be reported: {type(fault).__name__}", fault)
        self._living = {process: self._group(process) for process in living}
        self._kills.end(counted)
        return bool(dead)

    def _group(self, process: str) -> tuple[KillCount, int] | None:
        """Return where the kernel counts what it kills of a process's control group, asked once of each."""
        if process in self._living:
            return self._living[process]
        return kill_count_of(read_flight_about(self._folder.flight(process)))

    def _bury(self, process: str, now: datetime, cause: str) -> None:
        path = self._folder.flight(process)
        if not posthumous.is_told(self._folder, process):
            try:
                flight = read_flight(path)
            except FileNotFoundError:
                return  # it ended well, just now
            if is_held(path):
                return  # it lives: this process only had no descriptor left for the first look
            if flight is None and not _is_older(path, _UNREADABLE_S, now):
                complain(f"deaths {process}", f"{path} is damaged or of a newer version; it goes when it is a day old")
                return
            if flight is not None:
                self._tell(process, flight, now, cause)
        system.remove(self._folder.crash(process))
        system.remove(path)  # last: as long as it is there, somebody looks

    def _tell(self, process: str, flight: FlightFile, now: datetime, cause: str) -> None:
        dump, crashed_at = self._dump(process, flight)
        if dump is None and flight.is_ended:
            return
        at = crashed_at if dump is not None else now if process in self._living else _time(flight.changed, now)
        event = self._reporter.event(process, flight, dump, min(at, now), cause)
        if event is None:
            self._count_idle(process, now)
            return
        posthumous.tell(self._folder, process, _about(flight), _occurrence(event))

    def _dump(self, process: str, flight: FlightFile) -> tuple[Dump | None, datetime]:
        """Return the crash that a process died of, if it left one, and when."""
        path = self._folder.crash(process)
        try:
            text, changed = _head(path)
        except FileNotFoundError:
            return None, _time(flight.changed)
        survived = ABORTED if flight.is_abort_handled or flight.is_ended else ""
        found = [dump for dump in read_dumps(text) if dump.type != survived]
        return (found[-1] if found else None), _time(changed)

    def _count_idle(self, process: str, now: datetime) -> None:
        """Count a death in which nothing broke off; ``of`` are those that are counted and still to be removed."""
        note = self._state.note(LEDGER)
        known: dict[str, Any] = note.get(IDLE_DEATHS) or {}
        counted = [name for name in known.get("of", ()) if self._folder.flight(name).exists()]
        if process in counted:
            return
        idle = {"n": known.get("n", 0) + 1, "latest": now.isoformat(), "of": [*counted, process]}
        with self._state.transaction():
            self._state.save_note(LEDGER, {**note, IDLE_DEATHS: idle})


def _is_older(path: Path, seconds: float, now: datetime) -> bool:
    return now.timestamp() - path.stat().st_mtime > seconds


def _about(flight: FlightFile) -> dict[str, Any]:
    return {name: value for name, value in flight.about.items() if name not in ("process", "crashes", "kills")}


def _occurrence(event: Event) -> Occurrence:
    number = error_id.number(event.error_id.partition("-")[2])
    at = event.timestamp.timestamp()
    return Occurrence(event.kind, event.levelno, number, event.fingerprint, at, wire.encode(event))


def _head(path: Path) -> tuple[str, float]:
    fd = system.open_file(path, os.O_RDONLY | system.NOFOLLOW | system.NONBLOCK)
    try:
        data = system.read_at(fd, limits.CRASH_BYTES, 0)
        return data.decode("utf-8", "replace"), os.fstat(fd).st_mtime
    finally:
        os.close(fd)


def _time(seconds: float, most: datetime | None = None) -> datetime:
    found = datetime.fromtimestamp(seconds, UTC)
    return found if most is None else min(found, most)
