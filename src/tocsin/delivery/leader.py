"""The leader's loop: one spool and its sinks go in; by small steps everything is counted, delivered, and swept.

Exactly one process leads a spool: who holds `leader.lock`. It steps: liveness and files, the ledger, one call per sink,
commands of people, and once a minute retention. Nothing in a step waits for a network.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tocsin import system
from tocsin.complaints import complain, say
from tocsin.delivery.dead_letters import DeadLetters
from tocsin.delivery.deaths import DeathWatch
from tocsin.delivery.finished import Finished
from tocsin.delivery.introduced import Introducer
from tocsin.delivery.ledger import Ledger
from tocsin.delivery.mutes import apply_mutes
from tocsin.delivery.notices import NoticeOutlet
from tocsin.delivery.outlet import EntryOutlet, Outlet
from tocsin.delivery.retention import Retention
from tocsin.delivery.sightings import read_on
from tocsin.delivery.wish import wishes
from tocsin.event import limits
from tocsin.event.calendar import Calendar
from tocsin.event.masking.scrub import Scrubber
from tocsin.routing.opening import OWN, StatePlace, load_event, open_state
from tocsin.routing.router import Router
from tocsin.routing.state import LEDGER, Cursor
from tocsin.sinks.base import takes_entries
from tocsin.spool.folder import Folder
from tocsin.spool.ownership import require_own_application
from tocsin.spool.reader import GenerationReader, SpoolReader

if TYPE_CHECKING:
    from tocsin.sinks.registry import BuiltSink

__all__ = ["Leader"]

_SWEEP_S: Final = 15.0
_STAND_IN: Final = "is_stand_in"
_CALENDAR: Final = "calendar"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Leader:
    """Deliver one spool. The caller holds the leader lock; one thread uses a Leader."""

    def __init__(
        self,
        folder: Folder,
        sinks: Sequence[BuiltSink],
        *,
        application: str,
        environment: str,
        keep_days: float = limits.KEEP_DAYS,
        max_bytes: int = limits.SPOOL_BYTES,
        is_stand_in: bool = False,
        state: StatePlace = OWN,
        pause: Callable[[], None] = lambda: None,
        tell: Callable[[str, str], None] = lambda text, template: None,
        scrubber: Scrubber | None = None,
        app_modules: Sequence[str] = (),
        introducer: Introducer | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """``pause`` is called between slices; ``tell`` reports a failing sink as (text, template).

        ``is_stand_in``: the sinks were named for this run only, so cursors of others are left alone. ``scrubber`` and
        ``app_modules`` are for reports of processes that died. ``introducer`` says which commits brought failing lines.
        """
        self.folder = folder
        self._spool = SpoolReader(folder)
        self._state = open_state(folder, state)
        entry_sinks = [built.identity for built in sinks if takes_entries(built.sink)]
        self._finished = Finished(self._state, entry_sinks, is_kept=not is_stand_in)
        try:
            require_own_application(folder, application, finished=self._finished.keys)
        except BaseException:
            self._state.close()
            raise
        self._pause = pause
        self._tell = tell
        self._now = now
        self._ledger = Ledger(self._state, pause)
        self._retention = Retention(folder, self._state, keep_days=keep_days, max_bytes=max_bytes)
        self._swept_at = time.monotonic()
        self._latest = now()
        self._state.heal(self._latest)
        self._calendar = Calendar(self._state.note(LEDGER).get(_CALENDAR), steady)
        self._calendar.now(self._latest)
        self.is_idle = False  # after the latest step: all is delivered that can be, and no failing sink waits
        self._dead_letters = DeadLetters(folder)
        self._deaths = DeathWatch(folder, self._state, scrubber or Scrubber(), app_modules)
        jitter = random.Random()
        self._router = Router(
            self._state,
            load_sample=lambda ref: load_event(folder, self._state, ref),
            application=application,
            environment=environment,
            spool="" if state.is_shared else str(folder.path),  # the events may lie on another host
        )
        readers = self._spool.generations(self._finished.keys)
        self._register(sinks, readers, is_stand_in)
        self.outlets: list[Outlet] = []
        for built in sinks:
            if takes_entries(built.sink):
                self.outlets.append(EntryOutlet(built, self._state, self._dead_letters, jitter))
            else:
                self.outlets.append(self._notice_outlet(built, jitter, introducer))

    def _notice_outlet(self, built: BuiltSink, jitter: random.Random, introducer: Introducer | None) -> NoticeOutlet:
        return NoticeOutlet(built, self._state, self._dead_letters, self._router, jitter, introducer)

    def step(self) -> bool:
        """Do a little of everything; return whether there was anything to do."""
        now = self._present()
        requests = wishes(self.folder)
        self._deaths.step(now, is_hurried=bool(requests))
        waiting = self._unfinished(self._spool.generations(self._finished.keys))
        worked = False
        for reader in waiting:
            if self._ledger.read(reader, now, is_hurried=bool(requests)):
                worked = True
            elif self._is_read_by_all(reader):
                self._finished.add(reader.key)
        waiting = self._unfinished(waiting)
        is_read = not worked
        if is_read:  # so that a fault can be muted that the ledger had not read yet
            worked = apply_mutes(self.folder, self._state, now)
        for outlet in self.outlets:
            # Notices of a hurry must know all there is, so the ledger comes first.
            if outlet.step(waiting, now, is_hurried=bool(requests) and is_read):
                worked = True
                self._pause()
        self._tell_failing(now)
        self.is_idle = not worked and not self.is_busy and not self._has_stuck(waiting, now, bool(requests))
        if not worked:
            self._rest(waiting, requests, now)
        return worked

    def sweep_next(self) -> None:
        """Sweep as soon as there is nothing else to do, for who leads only for moments."""
        self._swept_at = -_SWEEP_S

    @property
    def must_yield(self) -> bool:
        """Tell whether a process of a newer version is there, which can deliver what this one can't read."""
        return self._spool.has_newer

    @property
    def is_busy(self) -> bool:
        """Tell whether a call to a sink is under way."""
        return any(outlet.is_busy for outlet in self.outlets)

    def close(self) -> None:
        """Release sinks and state; a call that is under way may be repeated by the next leader."""
        try:
            for outlet in self.outlets:
                outlet.close()
        finally:
            self._state.close()

    # -- sinks that come and go ----------------------------------------------------------------------------

    def _register(self, sinks: Sequence[BuiltSink], readers: Sequence[GenerationReader], is_stand_in: bool) -> None:
        known = set(self._state.consumers())
        # What `tocsin issues` or a stand-in left behind says nothing of sinks that were configured.
        is_fresh = not any(name != LEDGER and not self._state.note(name).get(_STAND_IN) for name in known)
        is_first = is_fresh and not self._state.has_peers()  # what was told is told, to whichever spool's sink
        with self._state.transaction():
            self._state.add_consumer(LEDGER, self._now())
            for built in sinks:
                if built.identity not in known:
                    self._add(built, readers, is_fresh=is_fresh if takes_entries(built.sink) else is_first)
                self._note_stand_in(built.identity, is_stand_in and built.identity not in known)
            if not is_stand_in:
                wanted = {LEDGER, *(built.identity for built in sinks), *self._sinks_of_living(readers)}
                for identity in known - wanted:
                    self._state.forget_consumer(identity)

    def _add(self, built: BuiltSink, readers: Sequence[GenerationReader], *, is_fresh: bool) -> None:
        """Begin a new sink now, but with all that was spooled by processes which knew of it already."""
        is_from_oldest = is_fresh or built.start == "oldest"
        self._state.add_consumer(built.identity, _EPOCH if is_from_oldest else self._now())
        if not takes_entries(built.sink):
            return
        self._finished.clear()
        if is_from_oldest:
            return
        for reader in readers:
            if built.identity not in reader.about().get("sinks", ()):
                self._state.save_cursor(built.identity, *reader.key, Cursor(reader.size_bytes(), reader.cells()))

    def _note_stand_in(self, identity: str, is_stand_in: bool) -> None:
        note = self._state.note(identity)
        if bool(note.get(_STAND_IN)) != is_stand_in:
            self._state.save_note(identity, {**note, _STAND_IN: is_stand_in})

    def _sinks_of_living(self, readers: Sequence[GenerationReader]) -> set[str]:
        """During a rolling deploy other processes may have other sinks; theirs are not to be forgotten."""
        return {identity for reader in readers if not reader.is_dead for identity in reader.about().get("sinks", ())}

    # -- the clock -----------------------------------------------------------------------------------------

    def _present(self) -> datetime:
        """Return the time; where the clock was set back, nothing of what is remembered is later than it."""
        now = self._now()
        if self._latest - now > timedelta(seconds=limits.CLOCK_BACK_S):
            say(f"the clock was set back to {now:%Y-%m-%d %H:%M} UTC; what is due goes by it")
            self._state.heal(now)
            self._router.look_anew()
            for outlet in self.outlets:
                if isinstance(outlet, NoticeOutlet):
                    outlet.look_anew()
            self._latest = now
        self._latest = max(self._latest, now)
        return now

    def _expiring(self, now: datetime) -> datetime:
        """Return the time by which things expire: a clock that leapt ahead is not believed at once."""
        found = self._calendar.now(now)
        note = self._state.note(LEDGER)
        if note.get(_CALENDAR) != self._calendar.to_note():
            self._state.save_note(LEDGER, {**note, _CALENDAR: self._calendar.to_note()})
        return found

    # -- now and then --------------------------------------------------------------------------------------

    def _has_stuck(self, readers: Sequence[GenerationReader], now: datetime, is_hurried: bool) -> bool:
        """Tell whether something waits for a sink that is failing."""
        failing = [outlet for outlet in self.outlets if outlet.health.failing_since is not None]
        return any(outlet.has_waiting(readers, now, is_hurried) for outlet in failing)

    def _rest(self, readers: Sequence[GenerationReader], requests: Sequence[Path], now: datetime) -> None:
        """With nothing left to do: answer who asked for a flush, remember what is finished, sweep."""
        if self.is_idle:
            for path in requests:
                system.remove(path)
        if time.monotonic() - self._swept_at < _SWEEP_S:
            return
        self._swept_at = time.monotonic()
        past = self._expiring(now)
        for sink, number in self._dead_letters.expire(past).items():
            self._state.add_loss(f"refused by {sink}", number)
        for reader in readers:
            if reader.is_dead and not self._waiting(reader) and not reader.why_unread and reader.is_settled:
                self._finished.add(reader.key)
        for key in self._retention.sweep(self._spool.generations(self._finished.keys), self._waiting, past, now):
            self._finished.discard(key)
            self._ledger.forget(key)
            for outlet in self.outlets:
                if isinstance(outlet, EntryOutlet):
                    outlet.forget(key)
        self._finished.save()

    def _unfinished(self, readers: Sequence[GenerationReader]) -> list[GenerationReader]:
        return [reader for reader in readers if reader.key not in self._finished.keys]

    def _is_read_by_all(self, reader: GenerationReader) -> bool:
        """Tell whether every sink stands where the ledger has found nothing more, nor ever will."""
        if not reader.is_dead or reader.why_unread or not reader.is_settled:
            return False
        end = self._ledger.cursor(reader.key)
        return all(outlet.cursor(reader.key) == end for outlet in self.outlets if isinstance(outlet, EntryOutlet))

    def _waiting(self, reader: GenerationReader) -> int:
        """Return how many occurrences of a generation some consumer has not got yet; the most of any consumer."""
        if reader.key in self._finished.keys:
            return 0
        most = 0
        cursors = [self._ledger.cursor(reader.key)]
        cursors += [outlet.cursor(reader.key) for outlet in self.outlets if isinstance(outlet, EntryOutlet)]
        for cursor in set(map(_frozen, cursors)):
            most = max(most, _occurrences_after(reader, Cursor(cursor[0], dict(cursor[1]))))
        return most

    def _tell_failing(self, now: datetime) -> None:
        for outlet in self.outlets:
            health = outlet.health
            if not health.is_to_be_told(now):
                continue
            outlet.told_down()
            text = f"{outlet.identity} has failed since {health.failing_since:%Y-%m-%d %H:%M} UTC: {health.reason}"
            say(text)
            try:
                self._tell(text, f"sink {outlet.identity} is failing")
            except Exception as fault:  # noqa: BLE001 - telling of a failure must not become one
                complain("tell", f"a failing sink could not be told: {type(fault).__name__}", fault)


def _frozen(cursor: Cursor) -> tuple[int, tuple[tuple[int, int], ...]]:
    return cursor.offset, tuple(sorted(cursor.counts.items()))


def _occurrences_after(reader: GenerationReader, cursor: Cursor) -> int:
    total = 0
    while True:
        reading = read_on(reader, cursor, limits.SLICE_BYTES, with_counts=True)
        if reading.cursor == cursor:
            return total
        total += sum(sighting.occurrences for sighting in reading.sightings)
        cursor = reading.cursor
