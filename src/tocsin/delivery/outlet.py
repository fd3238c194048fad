"""One sink's end of delivery: what is new for it goes in; calls to the sink, and cursors after acceptance, leave.

`Outlet` holds what both sorts share: one call in flight, health, backoff. `EntryOutlet` reads generations on by
cursors; `NoticeOutlet` (notices.py) asks the router.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tocsin.complaints import complain, say
from tocsin.delivery.apart import Apart, deliver_apart
from tocsin.delivery.dead_letters import DeadLetter, DeadLetters
from tocsin.delivery.health import Health
from tocsin.delivery.job import Job
from tocsin.delivery.ledger import decoded
from tocsin.delivery.lines import loss_entry, sighting_entry
from tocsin.delivery.pace import Pace
from tocsin.delivery.sightings import START, Sighting, read_on
from tocsin.event import limits
from tocsin.event.notice import Notice
from tocsin.render.facts import culprit
from tocsin.routing.issues import is_of_loggers
from tocsin.routing.state import Cursor, State
from tocsin.sinks.base import Accepted, Entry, EntrySink, Outcome, Refused, Unavailable, takes_entries
from tocsin.spool.reader import GenerationReader

if TYPE_CHECKING:
    from tocsin.sinks.registry import BuiltSink

__all__ = ["EntryOutlet", "Outlet"]

_HEALTH: Final = "health"


# Outlets whose call was under way, or not settled, when their leader ended, by the sink's id; each holds its sink, so
# ids stay unique.
_left_running: dict[int, Outlet] = {}


class Outlet:
    """Deliver to one sink, one call at a time; subclasses say what is next and what acceptance means."""

    def __init__(self, built: BuiltSink, state: State, dead_letters: DeadLetters, jitter: random.Random) -> None:
        self.built = built
        self.identity = built.identity
        self._state = state
        self._dead_letters = dead_letters
        self._jitter = jitter
        self._letter: DeadLetter | None = None  # in flight, once more
        self._job: Job | None = None
        self._health: Health | None = None
        self._hurried_tries = 0
        self._refusals = 0  # that were not said yet
        self._said_refused_at = -limits.REFUSED_SAID_S
        self._failed_at = -limits.HURRIED_PAUSE_S

    @property
    def health(self) -> Health:
        """Return how the sink fares, as the state remembers it."""
        if self._health is None:
            self._health = Health.from_note(self._state.note(self.identity).get(_HEALTH, {}))
        return self._health

    @property
    def is_busy(self) -> bool:
        """Tell whether a call is under way; one of the leader before counts too."""
        left = _left_running.get(id(self.built.sink))
        return self._job is not None or (left is not None and left._job is not None and left._job.outcome is None)

    def step(self, readers: Sequence[GenerationReader], now: datetime, *, is_hurried: bool) -> bool:
        """Do one small piece of work; return whether there was any. Never waits for a network."""
        if self._job is not None:
            outcome = self._job.outcome
            if outcome is None:
                return False
            self._settle(outcome, now)
            self._job = None  # only now: what came of the call is to outlive a state that can't be written
            return True
        if self._is_left_running() or not self._may_try(now, is_hurried):
            return self._job is not None  # what came of a call of the leader before was taken over
        call = self._second_chance() or self._next_call(readers, now, is_hurried)
        if call is None:
            return False
        self._job = Job(call, is_local=self.built.sink.is_local)
        return True

    def _may_try(self, now: datetime, is_hurried: bool) -> bool:
        """Tell whether the sink may be called: a hurry shortens the wait after a failure, but only a few times."""
        if not is_hurried:
            self._hurried_tries = 0
        if not self.health.is_waiting(now):
            return True
        is_early = time.monotonic() - self._failed_at < limits.HURRIED_PAUSE_S
        if not is_hurried or is_early or self._hurried_tries >= limits.HURRIED_TRIES:
            return False
        self._hurried_tries += 1
        return True

    def has_waiting(self, readers: Sequence[GenerationReader], now: datetime, is_hurried: bool) -> bool:
        """Tell whether there is anything to deliver, while no call is under way."""
        wanted = self._dead_letters.wanted(self.identity)
        return wanted is not None or self._next_call(readers, now, is_hurried) is not None

    def told_down(self) -> None:
        """Remember that people were told of the failure."""
        self._save_health(replace(self.health, is_told=True))

    def close(self) -> None:
        """Release the sink; one whose call is under way when that has come back, before it is used again."""
        if self._job is not None:
            _left_running[id(self.built.sink)] = self
            return
        try:
            self.built.sink.close()
        except Exception as fault:  # noqa: BLE001 - a sink may be anybody's code; the others are to be closed as well
            complain("sink", f"{self.identity} could not be closed: {type(fault).__name__}", fault)

    def _is_left_running(self) -> bool:
        """Tell whether a call of the leader before is still under way: a sink takes one call at a time."""
        left = _left_running.get(id(self.built.sink))
        if left is None:
            return False
        if left._job is not None and left._job.outcome is None:
            return True
        del _left_running[id(self.built.sink)]
        self.built.sink.close()
        return self._adopt(left)

    def _adopt(self, left: Outlet) -> bool:
        """Take over what came of a call of the leader before; return False where it is to be repeated."""
        return False

    def _settle(self, outcome: Outcome, now: datetime) -> None:
        if isinstance(outcome, Unavailable):
            if self.health.failing_since is None:
                say(f"{self.identity} can't be reached, will be tried again: {outcome.reason}")
            self._dropped()
            self._failed_at = time.monotonic()
            self._save_health(self.health.failed(outcome, now, self._jitter))
            return
        if isinstance(outcome, Refused):
            self._say_refused(outcome)
            self._refused(outcome, now)
        elif self._letter is not None:
            self._dead_letters.remove(self._letter)
        else:
            self._accepted(now)
        self._letter = None
        if self.health.failing_since is not None:
            say(f"{self.identity} works again")
            self._save_health(Health())

    def _second_chance(self) -> Callable[[], Outcome] | None:
        """Return the call that delivers a dead letter which people want tried again, if there is one."""
        letter = self._letter = self._dead_letters.wanted(self.identity)
        return None if letter is None else lambda: self._call(letter.report)

    def _refused(self, outcome: Refused, now: datetime) -> None:
        if self._letter is not None:
            self._dead_letters.lay_back(self._letter, outcome, now)
        else:
            self._refused_first(outcome, now)

    def _say_refused(self, outcome: Refused) -> None:
        """Say it once a minute, with how many there were: a destination that refuses one often refuses all."""
        self._refusals += 1
        now = time.monotonic()
        if now - self._said_refused_at < limits.REFUSED_SAID_S:
            return
        what = "a report" if self._refusals == 1 else f"{self._refusals:,} reports"
        say(f"{self.identity} refused {what} for good, which `tocsin spool` lists: {outcome.reason}")
        self._said_refused_at = now
        self._refusals = 0

    def _save_health(self, health: Health) -> None:
        note = self._state.note(self.identity)
        self._state.save_note(self.identity, {**note, _HEALTH: health.to_note()})
        self._health = health

    def _next_call(
        self, readers: Sequence[GenerationReader], now: datetime, is_hurried: bool
    ) -> Callable[[], Outcome] | None:
        raise NotImplementedError

    def _call(self, report: Entry | Notice) -> Outcome:
        raise NotImplementedError

    def _accepted(self, now: datetime) -> None:
        raise NotImplementedError

    def _refused_first(self, outcome: Refused, now: datetime) -> None:
        raise NotImplementedError

    def _dropped(self) -> None:
        """Forget what was in flight; it is decided anew."""


class EntryOutlet(Outlet):
    """Deliver every event and the counts, at least once, in reading order, by a cursor per generation."""

    def __init__(self, built: BuiltSink, state: State, dead_letters: DeadLetters, jitter: random.Random) -> None:
        super().__init__(built, state, dead_letters, jitter)
        if not takes_entries(built.sink):
            raise TypeError(f"{built.identity} takes no entries")
        self._sink: EntrySink = built.sink
        self._cursors: dict[tuple[str, int], Cursor] = {}
        self._pace = Pace(limits.COUNT_LINE_INTERVAL_S)
        self._in_flight: dict[tuple[str, int], Cursor] = {}
        self._apart = Apart(Accepted())
        self._recover = getattr(built.sink, "recover", None)
        # A receiver has a state of its own, and decides itself which fingerprints are of one issue.
        self._is_own = bool(getattr(built.sink, "keeps_fingerprints", False))

    def cursor(self, key: tuple[str, int]) -> Cursor:
        """Return how far a generation was delivered."""
        if key not in self._cursors:
            self._cursors[key] = self._state.cursor(self.identity, *key) or START
        return self._cursors[key]

    def forget(self, key: tuple[str, int]) -> None:
        """Drop what is remembered of a generation that is gone."""
        self._cursors.pop(key, None)
        self._pace.forget(key)

    def _next_call(
        self, readers: Sequence[GenerationReader], now: datetime, is_hurried: bool
    ) -> Callable[[], Outcome] | None:
        if self._recover is not None:
            unavailable = self._recovered(readers)
            if unavailable is not None:
                return lambda: unavailable
        entries: list[Entry] = []
        cursors: dict[tuple[str, int], Cursor] = {}
        for reader in readers:
            self._gather(reader, now, is_hurried, entries, cursors)
            if len(entries) >= limits.BATCH_ENTRIES:
                break
        if not cursors:
            return None
        if not entries:  # all of it was of levels or kinds that don't go there
            self._commit(cursors)
            return None
        self._in_flight = cursors
        return lambda: self._delivered(entries)

    def _delivered(self, entries: Sequence[Entry]) -> Outcome:
        self._apart = deliver_apart(self._sink, entries)
        return self._apart.outcome

    def _call(self, report: Entry | Notice) -> Outcome:
        if isinstance(report, Entry):
            return self._sink.deliver([report])
        return Refused("it is a notice, of the time when this sink was told by notices")

    def _recovered(self, readers: Sequence[GenerationReader]) -> Unavailable | None:
        """Advance the cursors, once, by what a sink that can be read back holds already.

        A leader may have died between append and commit. Committed before anything is appended again.
        """
        answer = self._recover(self._state.note(self.identity).get("position")) if self._recover else None
        if answer is None or isinstance(answer, Unavailable):
            return answer
        by_key = {reader.key: reader for reader in readers}
        moved: dict[tuple[str, int], Cursor] = {}
        for origin in answer.origins:
            key = (origin.process, origin.generation)
            if key not in by_key:
                continue
            cursor = moved.get(key) or self.cursor(key)
            if origin.offset is not None:
                cursor = Cursor(max(cursor.offset, by_key[key].end_of(origin.offset)), cursor.counts)
            elif origin.slot is not None and origin.count is not None:
                value = max(origin.count, cursor.counts.get(origin.slot, 0))
                cursor = Cursor(cursor.offset, {**cursor.counts, origin.slot: value})
            moved[key] = cursor
        self._commit(moved)
        self._recover = None
        return None

    def _gather(
        self,
        reader: GenerationReader,
        now: datetime,
        is_hurried: bool,
        entries: list[Entry],
        cursors: dict[tuple[str, int], Cursor],
    ) -> None:
        before = self.cursor(reader.key)
        with_counts = self._pace.is_due(reader, now, is_hurried=is_hurried)
        reading = read_on(reader, before, limits.SLICE_BYTES, with_counts=with_counts)
        if reading.cursor == before:
            return
        if reading.cursor.counts != before.counts:
            self._pace.note(reader, now)
        about, counted_by = reader.about(), reader.counted_by(now)
        cursors[reader.key] = reading.cursor
        wanted = list(filter(self._is_wanted, reading.sightings))
        issues = {} if self._is_own else self._state.identities({each.header.fingerprint for each in wanted})
        for sighting in wanted:
            issue = issues.get(sighting.header.fingerprint, "")
            entries.append(sighting_entry(sighting, about, counted_by, issue=issue))
        entries.extend(loss_entry(*loss, about, now) for loss in reading.losses)

    def _is_wanted(self, sighting: Sighting) -> bool:
        header = sighting.header
        is_of_its_levels = header.levelno >= self.built.levelno and header.kind in self.built.kinds
        return is_of_its_levels and self._is_of_its_loggers(sighting)

    def _is_of_its_loggers(self, sighting: Sighting) -> bool:
        if not self.built.loggers:  # the usual case: no report need be read for it
            return True
        event = decoded(sighting.body)
        return is_of_loggers("" if event is None else event.logger or culprit(event), self.built.loggers)

    def _accepted(self, now: datetime) -> None:
        refused = self._apart.refused
        with self._state.transaction():
            for entry, outcome in refused:
                if not self._dead_letters.bury(self.identity, entry, outcome, now):
                    self._state.add_loss(f"refused by {self.identity}", entry.occurrences)
            self._commit(self._in_flight)
        if refused:
            self._say_refused(refused[0][1])

    def _dropped(self) -> None:
        self._in_flight = {}
        self._apart = Apart(Accepted())

    def _commit(self, cursors: dict[tuple[str, int], Cursor]) -> None:
        position: Any = getattr(self._sink, "position", None)
        with self._state.transaction():
            for key, cursor in cursors.items():
                self._state.save_cursor(self.identity, *key, cursor)
            if position is not None:
                note = self._state.note(self.identity)
                self._state.save_note(self.identity, {**note, "position": position()})
        self._cursors.update(cursors)
        self._dropped()
