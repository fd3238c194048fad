"""Generations that are done with: whoever leads next opens none of them, and no consumer misses one."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tocsin.delivery import finished
from tocsin.delivery.leader import Leader
from tocsin.event import wire
from tocsin.event.model import Event
from tocsin.routing.sqlite import SqliteState
from tocsin.sinks.base import Accepted, Entry, Outcome, Unavailable
from tocsin.sinks.registry import BuiltSink
from tocsin.spool.folder import Folder
from tocsin.spool.locks import is_held
from tocsin.spool.memory import Occurrence
from tocsin.spool.reader import GenerationReader
from tocsin.spool.writer import Writer

FAULT = "v1:" + "0f" * 16
KINDS = frozenset({"traceback", "error", "warning"})


class Memory:
    """An entry sink that keeps what it gets and answers as it is told."""

    type = "memory"
    settings = ()
    idempotency = "none"
    is_local = True

    def __init__(self, identity: str = "memory:here") -> None:
        self.identity = identity
        self.lines: list[bytes] = []
        self.outcome: Outcome = Accepted()

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        if isinstance(self.outcome, Accepted):
            self.lines += [entry.line for entry in entries]
        return self.outcome

    def close(self) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "spool")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Collect the names of the spool's files that are opened."""
    names: set[str] = set()
    open_file = os.open

    def watched(path: Any, *rest: Any, **named: Any) -> int:
        names.add(Path(path).name)
        return open_file(path, *rest, **named)

    monkeypatch.setattr(os, "open", watched)
    yield names


def die(folder: Folder, *, counted: int = 0) -> str:
    """Leave one report of a process that has ended; return the process."""
    writer = Writer(folder, about={"application": "shop", "sinks": []})
    now = datetime.now(UTC)
    body = wire.encode(Event("error", "ERROR", 40, now, "shop", message="m", fingerprint=FAULT))
    place = writer.append(Occurrence("error", 40, 1, FAULT, now.timestamp(), body))
    assert place is not None
    for _ in range(counted):
        writer.count(place)
    writer.close()
    age(folder, writer.process)
    return writer.process


def age(folder: Folder, process: str) -> None:
    """Have a process's files be of an hour ago: what was written to just now is not done with."""
    for path in folder.path.glob(f"{process}-*"):
        os.utime(path, (time.time() - 3_600,) * 2)


def lead(folder: Folder, *sinks: Memory, start: str = "now", **options: Any) -> None:
    built = [BuiltSink(sink, sink.identity, 0, KINDS, start, ()) for sink in sinks]
    leader = Leader(folder, built, application="shop", environment="test", tell=lambda *_: None, **options)
    leader.sweep_next()
    for _ in range(1_000):
        if not leader.step():
            break
    leader.close()


def kept(folder: Folder) -> dict[str, Any]:
    state = SqliteState(folder.state, read_only=True)
    note = state.note("issues finished")
    state.close()
    return note


def test_the_next_leader_opens_no_file_of_what_is_done_with(folder: Folder, opened: set[str]) -> None:
    dead = [die(folder), die(folder, counted=3)]
    sink = Memory()
    lead(folder, sink)
    assert len(sink.lines) == 3
    assert kept(folder)["of"] == {process: [0] for process in dead}
    late = die(folder)
    opened.clear()
    lead(folder, sink)
    assert len(sink.lines) == 4
    assert any(name.startswith(late) for name in opened)
    assert not {name for name in opened if name.startswith(tuple(dead))}


def test_nothing_is_done_with_that_a_sink_has_still_to_get(folder: Folder) -> None:
    die(folder)
    down, up = Memory("memory:down"), Memory("memory:up")
    down.outcome = Unavailable("no route")
    lead(folder, down, up)
    assert (len(down.lines), len(up.lines)) == (0, 1)
    assert not kept(folder).get("of")
    state = SqliteState(folder.state)
    state.save_note("memory:down", {})  # as if it had been reached again
    state.close()
    down.outcome = Accepted()
    lead(folder, down, up)
    assert (len(down.lines), len(up.lines)) == (1, 1)
    assert kept(folder)["of"]


def test_a_sink_that_begins_with_the_oldest_gets_what_the_others_were_done_with(folder: Folder) -> None:
    die(folder)
    first, new = Memory(), Memory("memory:new")
    lead(folder, first)
    lead(folder, first, new, start="oldest")
    assert (len(first.lines), len(new.lines)) == (1, 1)


def test_a_sink_that_was_taken_out_and_comes_back_does_too(folder: Folder) -> None:
    die(folder)
    first, other = Memory(), Memory("memory:other")
    lead(folder, first, other)
    lead(folder, first)  # nothing new is done with, so nothing is written: the state still names both
    again = Memory("memory:other")
    lead(folder, first, again, start="oldest")
    assert len(again.lines) == 1


def test_a_leader_with_fewer_sinks_says_nothing_of_those_that_it_is_without(folder: Folder) -> None:
    """In a rolling deploy the leaders of the old and the new release take turns."""
    living = Writer(folder, about={"application": "shop", "sinks": ["memory:here", "memory:new"]})
    assert living.append(Occurrence("error", 40, 1, "v1:" + "1e" * 16, 1.0, b"{}")) is not None
    first, new = Memory(), Memory("memory:new")
    lead(folder, first, new)
    die(folder)
    lead(folder, first)
    lead(folder, first, new)
    assert len(new.lines) == len(first.lines) == 2
    living.close()


def test_a_stand_in_leaves_what_is_known_alone(folder: Folder, opened: set[str]) -> None:
    dead = die(folder)
    sink = Memory()
    lead(folder, sink)
    before = kept(folder)
    lead(folder, Memory("memory:by hand"), is_stand_in=True)
    assert kept(folder) == before
    opened.clear()
    lead(folder, sink)
    assert not {name for name in opened if name.startswith(dead)}


def test_what_leaves_the_disk_leaves_the_state(folder: Folder) -> None:
    dead = die(folder)
    lead(folder, Memory())
    assert dead in kept(folder)["of"]
    for path in folder.path.glob(f"{dead}-*"):
        os.utime(path, (1.0, 1.0))
    state = SqliteState(folder.state)
    note = state.note("issues")
    state.save_note("issues", {**note, "calendar": None})
    state.close()
    lead(folder, Memory(), keep_days=1)
    assert not list(folder.path.glob(f"{dead}-*.events"))
    assert kept(folder)["of"] == {}


def test_what_can_not_be_read_now_is_not_done_with(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    die(folder)
    records = GenerationReader._records

    def broken(self: GenerationReader, offset: int, max_bytes: int) -> Any:
        self._note_unreadable(self.path.events, OSError(errno.EIO, "a bad sector"), offset)
        return []

    sink = Memory()
    monkeypatch.setattr(GenerationReader, "_records", broken)
    lead(folder, sink)
    monkeypatch.setattr(GenerationReader, "_records", records)
    lead(folder, sink)
    assert len(sink.lines) == 1


def test_a_leader_that_is_stopped_among_many_has_remembered_some(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finished, "_UNSAVED", 2)
    for _ in range(3):
        die(folder)
    sink = Memory()
    lead(folder, sink)
    state = SqliteState(folder.state)
    state.save_note("issues finished", {})  # as an old version leaves it
    state.close()
    built = [BuiltSink(sink, sink.identity, 0, KINDS, "now", ())]
    leader = Leader(folder, built, application="shop", environment="test")
    leader.step()
    assert len(kept(folder)["of"]) == 2
    leader.close()
    assert len(sink.lines) == 3


@pytest.mark.skipif(os.name != "posix", reason="descriptors are counted there")
def test_nobody_is_taken_for_dead_because_no_descriptor_is_left(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = die(folder)
    assert not is_held(folder.live(dead))

    def none_left(*_: Any, **__: Any) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(os, "open", none_left)
    assert is_held(folder.live(dead))


@pytest.mark.complaints
def test_a_process_whose_live_file_was_removed_is_read_on(folder: Folder) -> None:
    """It passes for dead until it notices and begins a new segment; that one is not done with."""
    living = Writer(folder, about={"application": "shop", "sinks": []})
    occurrence = Occurrence("error", 40, 1, FAULT, 1.0, b"{}")
    assert living.append(occurrence) is not None
    folder.live(living.process).unlink()
    sink = Memory()
    lead(folder, sink)
    assert not kept(folder).get("of"), "it was written to just now"
    age(folder, living.process)
    lead(folder, sink)
    assert kept(folder)["of"] == {living.process: [0]}
    for number in (2, 3):
        assert living.append(occurrence) is not None
        lead(folder, sink)
        assert len(sink.lines) == number
        age(folder, living.process)
        lead(folder, sink)
    living.close()
