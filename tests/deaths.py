"""A spool, fake destinations and a fate go in; leaders follow each other, each dying where the fate says.

SIGKILL is played by an exception at a *point*: before and after each write to the state, and before and after a
destination has taken something. Once dead, every further point raises as well, so that nothing of the dead leader
reaches the state or a destination any more.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tocsin.delivery import leader as leader_module
from tocsin.delivery.leader import Leader
from tocsin.event import wire
from tocsin.event.model import Event
from tocsin.event.notice import Notice
from tocsin.routing.opening import OWN, StatePlace
from tocsin.routing.sqlite import SqliteState
from tocsin.sinks.base import Accepted, Entry, Outcome, Unavailable
from tocsin.sinks.registry import BuiltSink
from tocsin.spool.folder import Folder
from tocsin.spool.generation import Place
from tocsin.spool.memory import Occurrence
from tocsin.spool.writer import Writer

__all__ = [
    "Death",
    "Fate",
    "Inbox",
    "People",
    "Play",
    "fingerprint_of",
    "playing",
    "require_entries",
    "require_notices",
]

KINDS = frozenset({"traceback", "error", "warning"})
START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
_WRITES = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE")


class Death(BaseException):
    """Be SIGKILL."""


class Fate:
    """Count points; die at the ``dies_at``-th, and stay dead until a new leader is born."""

    def __init__(self, dies_at: Sequence[int] = ()) -> None:
        self._dies_at = set(dies_at)
        self.passed = 0
        self.names: list[str] = []
        self.is_dead = False
        self.deaths: list[str] = []  # the points at which a leader died
        self.taken: set[str] = set()  # destinations that have taken something which no commit has kept yet
        self.repeats: Counter[str] = Counter()  # by destination, deaths between acceptance and commit

    def point(self, name: str) -> None:
        if self.is_dead:
            raise Death(name)
        self.passed += 1
        self.names.append(name)
        if self.passed in self._dies_at:
            self.is_dead = True
            self.deaths.append(name)
            self.be_killed()
            raise Death(name)

    def be_killed(self) -> None:
        """Note whose acceptance nobody has kept: only there may anything come again."""
        self.repeats.update(self.taken)
        self.taken = set()

    def be_born(self) -> None:
        self.is_dead = False

    def die_soon(self, after: int) -> None:
        """Die so many points from now."""
        self._dies_at.add(self.passed + after)


class Inbox:
    """Be a destination of entries, and the sink that reaches it. ``lines`` is what it took, in order."""

    type = "inbox"
    settings = ()
    idempotency = "origin"
    is_local = True

    def __init__(self, fate: Fate, name: str = "a") -> None:
        self.fate = fate
        self.identity = f"inbox:{name}"
        self.lines: list[dict[str, Any]] = []
        self.answer: Callable[[], Outcome] = Accepted
        self.takes_half = False  # a broken connection: the first half of a batch is taken, and nobody knows
        self.unsure = 0  # batches that were taken, in whole or part, without an answer of acceptance

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        self.fate.point(f"{self.identity} before it takes")
        if self.takes_half:
            self.lines += [json.loads(entry.line) for entry in entries[: (len(entries) + 1) // 2]]
            self.unsure += 1
            return Unavailable("broken off")
        outcome = self.answer()
        if isinstance(outcome, Accepted):
            self.lines += [json.loads(entry.line) for entry in entries]
            self.fate.taken.add(self.identity)
        self.fate.point(f"{self.identity} after it took")
        return outcome

    def close(self) -> None:
        pass


class People:
    """Be people who are told, and the sink that tells them. ``notices`` is what they were told, in order."""

    type = "people"
    settings = ()
    idempotency = "id"
    is_local = True

    def __init__(self, fate: Fate, name: str = "b", **policy: Any) -> None:
        self.fate = fate
        self.identity = f"people:{name}"
        self.policy = {"timezone": UTC, **policy}
        self.notices: list[Notice] = []
        self.told_at: list[datetime] = []
        self.clock: Callable[[], datetime] = lambda: START
        self.answer: Callable[[], Outcome] = Accepted

    def notify(self, notice: Notice) -> Outcome:
        self.fate.point(f"{self.identity} before it takes")
        outcome = self.answer()
        if isinstance(outcome, Accepted):
            self.notices.append(notice)
            self.told_at.append(self.clock())
            self.fate.taken.add(self.identity)
        self.fate.point(f"{self.identity} after it took")
        return outcome

    def close(self) -> None:
        pass


class _MortalState(SqliteState):
    """Be the state of the spool, with a point before and after each write."""

    fate: Fate
    touched: frozenset[str] = frozenset()

    def _run(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        if not sql.startswith(_WRITES):
            return super()._run(sql, values)
        name = " ".join(sql.split()[:5])
        self.fate.point(f"before {name}")
        done = super()._run(sql, values)
        if sql.startswith("BEGIN"):
            self.touched = frozenset()
        elif sql.startswith("COMMIT"):
            self.fate.taken -= self.touched
        elif " INTO cursors" in sql or "DELETE FROM pending" in sql:
            self.touched |= {str(values[0])}
        self.fate.point(f"after {name}")
        return done


class Play:
    """Be a spool with writers, a clock, destinations, and leaders that die. The oracle's books are kept beside it."""

    def __init__(self, path: Path, fate: Fate, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = Folder(path / "spool")
        self.folder.prepare()  # as `tocsin deliver` does
        self.fate = fate
        self.time = START
        self.steady = 0.0  # the clock that never leaps
        self.sinks: list[Any] = []
        self.leader: Leader | None = None
        self.messages: list[str] = []  # of every event that was spooled in full
        self.occurrences: Counter[str] = Counter()  # by fingerprint, those without a report included
        self.told_failing: list[str] = []
        self._place: dict[str, Place] = {}
        self._states: list[SqliteState] = []
        self._number = 0
        self._writer = self._new_writer()
        monkeypatch.setattr(leader_module, "open_state", self._open_state)

    # -- what happens ------------------------------------------------------------------------------------------
    def happen(self, fault: int = 0, *, time: datetime | None = None) -> None:
        """Spool one occurrence in full."""
        self._number += 1
        at = time or self.time
        fingerprint, message = fingerprint_of(fault), f"m{self._number}"
        event = Event("error", "ERROR", 40, at, "shop", message=message, fingerprint=fingerprint)
        record = Occurrence("error", 40, self._number, fingerprint, at.timestamp(), wire.encode(event))
        place = self._writer.append(record)
        assert place is not None
        self._date_files()
        self._place[fingerprint] = place
        self.messages.append(message)
        self.occurrences[fingerprint] += 1

    def count(self, fault: int = 0) -> None:
        """Count one occurrence without a report, as past a budget."""
        place = self._place.get(fingerprint_of(fault))
        if place is None:
            self.happen(fault)
            return
        self._writer.count(place)
        self._date_files()
        self.occurrences[fingerprint_of(fault)] += 1

    def _date_files(self) -> None:
        """Have the kernel's dates of the writer's files be those of this play's clock."""
        generation = self._writer.generation
        assert generation is not None
        for path in (generation.path.events, generation.path.counts):
            os.utime(path, (self.time.timestamp(), self.time.timestamp()))

    def restart_application(self) -> None:
        """End the process that spools, and begin another."""
        self._writer.close()
        self._writer = self._new_writer()
        self._place = {}

    def pass_time(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    # -- who delivers ------------------------------------------------------------------------------------------
    def lead(self, steps: int = 200) -> None:
        """Lead until nothing is left to do or ``steps`` are over; a leader that dies is followed by the next."""
        for _ in range(steps):
            if not self._step():
                return

    def drain(self, hours: float = 30.0) -> None:
        """Lead on, with time passing, until all that is spooled must have been told."""
        end = self.time + timedelta(hours=hours)
        while self.time < end:
            self.lead()
            self.pass_time(600.0)
        self.lead()

    def die(self) -> None:
        """Kill the leader between two steps."""
        self.leader = None
        self.fate.be_killed()
        self._bury()

    def close(self) -> None:
        if self.leader is not None:
            self.leader.close()
        self._bury()
        self._writer.close()

    def state(self) -> SqliteState:
        return SqliteState(self.folder.state, read_only=True)

    def _step(self) -> bool:
        try:
            if self.leader is None:
                self.leader = self._new_leader()
            return self.leader.step()
        except Death:
            self.leader = None
            self._bury()
            return True

    def _bury(self) -> None:
        """Do what the kernel does for a process that was killed."""
        for state in self._states:
            state.close()
        self._states = []
        for sink in self.sinks:
            closing = getattr(sink, "killed", None)
            if closing is not None:
                closing()
        self.fate.be_born()

    def _new_leader(self) -> Leader:
        built = [BuiltSink(sink, sink.identity, 0, KINDS, "now", ()) for sink in self.sinks]
        return Leader(
            self.folder,
            built,
            application="shop",
            environment="test",
            now=lambda: self.time,
            steady=lambda: self.steady,
            tell=lambda text, template: self.told_failing.append(text),
        )

    def _open_state(self, folder: Folder, place: StatePlace = OWN) -> SqliteState:
        state = _MortalState.__new__(_MortalState)
        state.fate = self.fate
        state.__init__(folder.state)  # type: ignore[misc]
        self._states.append(state)
        return state

    def _new_writer(self) -> Writer:
        return Writer(self.folder, about={"application": "shop", "sinks": []})


def fingerprint_of(fault: int) -> str:
    return f"v1:{fault:032x}"


# -- the oracle: plain arithmetic over what arrived and what was spooled -----------------------------------------
def require_entries(lines: Sequence[dict[str, Any]], play: Play, *, repeats_at_most: int) -> None:
    """Every event and every count arrived; what came twice has its origin, and came so for that many deaths only."""
    full = [line for line in lines if "offset" in line["origin"]]
    origins = Counter(json.dumps(line["origin"], sort_keys=True) for line in full)
    by_origin: dict[str, str] = {}
    for line in full:
        assert by_origin.setdefault(json.dumps(line["origin"], sort_keys=True), line["message"]) == line["message"]
    assert sorted(by_origin.values()) == sorted(play.messages), "an event is missing, or has two origins"
    assert all(number <= 1 + repeats_at_most for number in origins.values())
    known: Counter[str] = Counter()
    for origin in by_origin:
        known[next(x["fingerprint"] for x in full if json.dumps(x["origin"], sort_keys=True) == origin)] += 1
    spans: dict[tuple[str, int, int], list[tuple[int, int]]] = defaultdict(list)
    owner: dict[tuple[str, int, int], str] = {}
    for line in lines:
        origin = line["origin"]
        if "slot" in origin:
            key = (origin["process"], origin["generation"], origin["slot"])
            assert owner.setdefault(key, line["fingerprint"]) == line["fingerprint"]
            spans[key].append((origin["count"] - line["occurrences"], origin["count"]))
    for key, told in spans.items():
        assert sum(until - since for since, until in told) <= max(u for _, u in told) * (1 + repeats_at_most)
        reached = 0
        for since, until in sorted(told):
            assert since <= reached, f"counts {reached} to {since} are missing"
            reached = max(reached, until)
        known[owner[key]] += reached
    assert known == play.occurrences


def require_notices(people: People, play: Play, *, repeats_at_most: int) -> None:
    """What was told adds up, by distinct ids, to all that happened; what came twice is the same to the letter."""
    distinct: dict[str, Notice] = {}
    for notice in people.notices:
        assert distinct.setdefault(notice.id, notice) == notice, "one id, two notices"
    assert len(people.notices) - len(distinct) <= repeats_at_most
    told: Counter[str] = Counter()
    for notice in distinct.values():
        for report in notice.issues:
            told[report.fingerprint] += report.untold
    assert told == play.occurrences


@contextmanager
def playing(path: Path, fate: Fate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    with monkeypatch.context() as patch:
        play = Play(path, fate, patch)
        try:
            yield play
        finally:
            play.close()
