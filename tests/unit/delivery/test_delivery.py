"""The leader: what is spooled is counted once and delivered at least once, whatever dies or fails in between."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tocsin.delivery.dead_letters import DeadLetters
from tocsin.delivery.leader import Leader
from tocsin.delivery.mutes import request_mute
from tocsin.delivery.term import Term
from tocsin.delivery.wish import Wish, wishes
from tocsin.event import limits, wire
from tocsin.event.errors import StoreError
from tocsin.event.model import Event
from tocsin.event.notice import Notice
from tocsin.handlers import LogHandler
from tocsin.routing.sqlite import SqliteState
from tocsin.sinks.base import Accepted, Entry, Outcome, Refused, Unavailable
from tocsin.sinks.file import FileSink
from tocsin.sinks.registry import BuiltSink
from tocsin.spool import format as segment_format
from tocsin.spool.folder import Folder
from tocsin.spool.generation import Place
from tocsin.spool.locks import FileLock
from tocsin.spool.memory import Occurrence
from tocsin.spool.writer import Writer

FAULT = "v1:" + "0f" * 16
OTHER = "v1:" + "1e" * 16
LOCATED = "v1:" + "5c" * 16
KINDS = frozenset({"traceback", "error", "warning"})


class Memory:
    """An entry sink that keeps what it gets and answers as it is told."""

    type = "memory"
    settings = ()
    idempotency = "none"
    is_local = True

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.outcome: Outcome = Accepted()

    identity = "memory:here"

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        if isinstance(self.outcome, Accepted):
            self.lines += [json.loads(entry.line) for entry in entries]
        return self.outcome

    def close(self) -> None:
        pass


class People:
    """A notice sink that keeps what it gets."""

    type = "people"
    settings = ()
    idempotency = "none"
    is_local = True
    policy = {"gather_s": 0.0}  # noqa: RUF012
    identity = "people:here"

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.outcome: Outcome = Accepted()

    def notify(self, notice: Notice) -> Outcome:
        if isinstance(self.outcome, Accepted):
            self.notices.append(notice)
        return self.outcome

    def close(self) -> None:
        pass


class Scene:
    """A spool with a writer, a clock that is told the time, and leaders that come and go."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path / "spool")
        self.writer = Writer(self.folder, about={"application": "shop", "sinks": []})
        self.time = datetime.now(UTC)
        self.number = 0
        self.told: list[str] = []

    def happen(self, fingerprint: str = FAULT, level: int = 40, **more: Any) -> Place:
        self.number += 1
        event = Event(
            "error", "ERROR", level, self.time, "shop", message=f"m{self.number}", fingerprint=fingerprint, **more
        )
        body = wire.encode(event)
        place = self.writer.append(Occurrence("error", level, self.number, fingerprint, self.time.timestamp(), body))
        assert place is not None
        return place

    def lead(self, *sinks: Any, **options: Any) -> Leader:
        built = [
            BuiltSink(
                sink,
                sink.identity,
                options.get("level", 0),
                options.get("kinds", KINDS),
                "now",
                options.get("loggers", ()),
            )
            for sink in sinks
        ]
        return Leader(
            self.folder,
            built,
            application="shop",
            environment="test",
            now=lambda: self.time,
            tell=lambda text, template: self.told.append(text),
            is_stand_in=options.get("is_stand_in", False),
        )

    def run(self, *sinks: Any, **options: Any) -> None:
        leader = self.lead(*sinks, **options)
        run_dry(leader)
        leader.close()

    def counted(self, fingerprint: str = FAULT) -> int:
        state = SqliteState(self.folder.state, read_only=True)
        issue = state.issue(fingerprint)
        state.close()
        return issue.count if issue else 0


def run_dry(leader: Leader) -> None:
    for _ in range(1_000):
        if not leader.step():
            return
    raise AssertionError("the leader never comes to rest")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def occurrences(lines: list[dict[str, Any]], fingerprint: str = FAULT) -> int:
    return sum(line["occurrences"] for line in lines if line["fingerprint"] == fingerprint)


def test_events_and_counts_add_up_in_sink_and_ledger(scene: Scene) -> None:
    place = scene.happen()
    for _ in range(41):
        scene.writer.count(place)
    scene.happen(OTHER)
    sink = Memory()
    scene.run(sink)
    assert occurrences(sink.lines) == 42 == scene.counted()
    assert occurrences(sink.lines, OTHER) == 1 == scene.counted(OTHER)


def test_counts_of_a_fault_whose_report_was_given_up_are_delivered(scene: Scene) -> None:
    """Past spool_max_mb a record has no body."""
    place = scene.writer.append(Occurrence("error", 40, 1, FAULT, scene.time.timestamp(), b""))
    assert place is not None
    for _ in range(3):
        scene.writer.count(place)
    sink = Memory()
    scene.run(sink)
    counted = [line for line in sink.lines if "slot" in line["origin"]]
    assert [line["occurrences"] for line in counted] == [3]
    assert scene.counted() == 4


def test_counts_that_grow_are_told_as_what_was_added(scene: Scene) -> None:
    place = scene.happen()
    sink = Memory()
    leader = scene.lead(sink)
    for _ in range(5):
        scene.writer.count(place)
        scene.time += timedelta(seconds=60)
        run_dry(leader)
    leader.close()
    assert [line["occurrences"] for line in sink.lines] == [1] * 6
    assert [line["origin"].get("count") for line in sink.lines] == [None, 1, 2, 3, 4, 5]


def test_a_second_leader_goes_on_where_the_first_ended(scene: Scene) -> None:
    place = scene.happen()
    sink = Memory()
    scene.run(sink)
    scene.writer.count(place)
    scene.happen()
    scene.time += timedelta(seconds=60)
    scene.run(sink)
    assert occurrences(sink.lines) == 3 == scene.counted()
    assert len(sink.lines) == 3


def test_a_leader_that_dies_after_the_append_does_not_append_twice(scene: Scene, tmp_path: Path) -> None:
    place = scene.happen()
    for _ in range(9):
        scene.writer.count(place)
    path = tmp_path / "events.jsonl"

    def sink() -> FileSink:
        return FileSink(str(path), max_bytes=10**6, backups=1)

    scene.run(sink())
    before = scene.folder.state.read_bytes()
    wal = scene.folder.state.with_name("state.sqlite-wal")
    for _ in range(7):
        scene.happen()
        scene.writer.count(place)
    scene.time += timedelta(seconds=60)
    scene.run(sink())
    lines = path.read_text()
    # Put the state back as if the second leader had been killed before it committed anything.
    wal.unlink(missing_ok=True)
    scene.folder.state.write_bytes(before)
    scene.run(sink())
    assert path.read_text() == lines
    assert occurrences([json.loads(line) for line in lines.splitlines()]) == 24


def test_a_sink_that_is_down_loses_nothing_and_holds_nobody_up(scene: Scene) -> None:
    down, up = Memory(), Memory()
    up.identity = "memory:there"
    down.outcome = Unavailable("no route")
    scene.happen()
    leader = scene.lead(down, up)
    run_dry(leader)
    assert (len(down.lines), len(up.lines)) == (0, 1)
    down.outcome = Accepted()
    run_dry(leader)
    assert down.lines == []  # it waits before it tries again
    scene.time += timedelta(seconds=60)
    run_dry(leader)
    leader.close()
    assert len(down.lines) == 1


def test_a_sink_that_fails_for_a_quarter_of_an_hour_is_told_once(scene: Scene) -> None:
    down = Memory()
    down.outcome = Unavailable("no route")
    scene.happen()
    leader = scene.lead(down)
    for _ in range(60):
        scene.time += timedelta(minutes=1)
        run_dry(leader)
    leader.close()
    assert len(scene.told) == 1
    assert "memory:here has failed since" in scene.told[0]


def test_what_a_sink_refuses_for_good_is_kept_with_its_reason(scene: Scene) -> None:
    sink = Memory()
    sink.outcome = Refused("unacceptable")
    scene.happen()
    scene.run(sink)
    [letter] = DeadLetters(scene.folder).all()
    assert (letter.sink, letter.reason, letter.occurrences) == ("memory:here", "unacceptable", 1)
    state = SqliteState(scene.folder.state, read_only=True)
    assert state.losses() == {}
    state.close()


def test_levels_and_kinds_of_a_sink_hold_back_but_do_not_hold_up(scene: Scene) -> None:
    scene.happen(level=30)
    scene.happen(OTHER, level=40)
    sink = Memory()
    scene.run(sink, level=40)
    assert [line["fingerprint"] for line in sink.lines] == [OTHER]


def test_a_sink_with_loggers_gets_their_events_and_counts_and_people_their_notices(scene: Scene) -> None:
    """What came by no logger counts as of the place where it was reported."""
    chosen = scene.happen(OTHER, logger="shop.orders.pay")
    scene.happen(logger="shop.users")
    scene.happen(LOCATED, location="shop.orders.views.pay:12")
    scene.writer.count(chosen)
    sink, people = Memory(), People()
    scene.run(sink, people, loggers=("shop.orders",))
    assert [(line["fingerprint"], line["occurrences"]) for line in sink.lines] == [
        (OTHER, 1),
        (LOCATED, 1),
        (OTHER, 1),
    ]
    scene.time += timedelta(seconds=10)
    scene.run(sink, people, loggers=("shop.orders",))
    assert sorted(notice.issues[0].fingerprint for notice in people.notices) == sorted((OTHER, LOCATED))


def test_a_new_sink_starts_now_unless_its_process_knew_of_it(scene: Scene, tmp_path: Path) -> None:
    scene.happen()
    scene.run(Memory())
    late = Memory()
    late.identity = "memory:late"
    scene.run(Memory(), late)
    assert late.lines == []
    scene.happen()
    scene.run(Memory(), late)
    assert len(late.lines) == 1

    expected = Memory()
    expected.identity = "memory:expected"
    scene.writer = Writer(scene.folder, about={"application": "shop", "sinks": [expected.identity]})
    scene.happen()
    scene.run(Memory(), expected)
    assert len(expected.lines) == 1


def test_the_cursor_of_a_removed_sink_goes_but_not_that_of_one_left_out_for_a_drain(scene: Scene) -> None:
    first, second = Memory(), Memory()
    second.identity = "memory:second"
    scene.happen()
    scene.run(first, second)
    scene.run(first, is_stand_in=True)
    state = SqliteState(scene.folder.state, read_only=True)
    assert second.identity in state.consumers()
    scene.run(first)
    assert second.identity not in state.consumers()
    state.close()


def test_a_drain_elsewhere_does_not_make_configured_sinks_miss_what_was_before(scene: Scene) -> None:
    scene.happen()
    elsewhere, configured = Memory(), Memory()
    elsewhere.identity = "memory:elsewhere"
    scene.run(elsewhere, is_stand_in=True)
    scene.run(configured)
    assert len(elsewhere.lines) == len(configured.lines) == 1


def test_one_fault_is_one_notice_however_often_it_happens(scene: Scene) -> None:
    people = People()
    place = scene.happen()
    leader = scene.lead(people)
    for _ in range(20):
        scene.writer.count(place)
        scene.time += timedelta(seconds=2)
        run_dry(leader)
    leader.close()
    assert [notice.reason for notice in people.notices] == ["new"]
    report = people.notices[0].issues[0]
    assert report.sample is not None
    assert report.sample.message == "m1"


def test_a_flush_request_is_answered_when_all_is_delivered(scene: Scene) -> None:
    people = People()
    scene.happen()
    leader = scene.lead(people)
    wish = scene.folder.path / "x.hurry"
    wish.touch()
    run_dry(leader)
    leader.close()
    assert not wish.exists()
    assert len(people.notices) == 1


def test_a_flush_request_is_not_answered_while_a_sink_is_down(scene: Scene) -> None:
    people = People()
    people.outcome = Unavailable("down")
    scene.happen()
    leader = scene.lead(people)
    wish = scene.folder.path / "x.hurry"
    wish.touch()
    for _ in range(20):
        leader.step()
    leader.close()
    assert wish.exists()


def test_a_wish_of_a_process_that_died_waiting_hurries_nobody(scene: Scene) -> None:
    people = People()
    scene.happen()
    wish = scene.folder.path / "1-dead.hurry"
    wish.touch()
    os.utime(wish, (1.0, 1.0))
    leader = scene.lead(people)
    run_dry(leader)
    leader.close()
    assert people.notices == []  # the first notice waits for others, as always


def test_a_wish_is_meant_as_long_as_somebody_asks_for_it(scene: Scene) -> None:
    scene.happen()
    with Wish(scene.folder) as wish:
        (path,) = wishes(scene.folder)
        os.utime(path, (1.0, 1.0))
        assert wishes(scene.folder) == []
        assert not wish.is_granted()
        assert wishes(scene.folder) == [path]  # asking renewed it, so a drain may take as long as it takes
        path.unlink()
        assert wish.is_granted()
    assert not path.exists()


def test_a_flush_does_not_hammer_a_sink_that_is_down(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HURRIED_PAUSE_S", 0.0)
    calls = []
    people = People()
    people.outcome = Unavailable("down")
    monkeypatch.setattr(people, "notify", lambda notice: (calls.append(notice), people.outcome)[1])
    scene.happen()
    leader = scene.lead(people)
    (scene.folder.path / "x.hurry").touch()
    for _ in range(100):
        leader.step()
    leader.close()
    assert len(calls) == 1 + limits.HURRIED_TRIES


def test_a_mute_that_was_asked_for_is_applied(scene: Scene) -> None:
    scene.happen()
    people = People()
    leader = scene.lead(people)
    path = request_mute(scene.folder, FAULT, scene.time + timedelta(days=1))
    run_dry(leader)
    assert not path.exists()
    scene.time += timedelta(seconds=60)
    run_dry(leader)
    leader.close()
    assert people.notices == []


def test_delivered_generations_of_the_dead_go_after_keep_days(scene: Scene) -> None:
    scene.happen()
    leader = scene.lead(Memory())
    run_dry(leader)
    path = scene.writer.generation.path.events  # type: ignore[union-attr]
    scene.writer.close()
    old = scene.time.timestamp() - 8 * 86_400
    os.utime(path, (old, old))
    leader._swept_at -= 3_600
    leader.step()
    leader.close()
    assert not path.exists()
    assert not path.with_suffix(".counts").exists()


def test_undelivered_events_past_keep_days_are_given_up_and_counted(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = Memory()
    sink.outcome = Unavailable("down")
    place = scene.happen()
    scene.writer.count(place)
    leader = scene.lead(sink)
    run_dry(leader)
    assert scene.writer.generation is not None
    path = scene.writer.generation.path.events
    scene.writer.close()
    old = scene.time.timestamp() - 8 * 86_400
    os.utime(path, (old, old))
    leader._swept_at -= 3_600
    leader.step()
    leader.close()
    state = SqliteState(scene.folder.state, read_only=True)
    assert state.losses() == {"expired": 2}
    state.close()
    assert "given up undelivered" in capsys.readouterr().err


def test_a_worker_yields_to_a_dedicated_process(scene: Scene) -> None:
    scene.folder.prepare()
    worker = Term(scene.folder, lambda: scene.lead(Memory()), is_dedicated=False)
    worker.step()
    assert worker.leader is not None
    wished, never = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        FileLock(scene.folder.leader_wish).acquire()
        os.write(wished[1], b"x")
        os.read(never[0], 1)
        os._exit(0)
    try:
        os.read(wished[0], 1)
        worker._looked_at = -1e9  # it looks once a second
        worker.step()
        assert worker.leader is None
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        worker.end()


def test_a_leader_whose_spool_was_removed_stops_leading(scene: Scene) -> None:
    scene.happen()
    sink = Memory()
    term = Term(scene.folder, lambda: scene.lead(sink), is_dedicated=False)
    term.step()
    assert term.leader is not None
    shutil.rmtree(scene.folder.path)
    term.step()
    assert term.leader is None
    term.end()


def test_a_call_that_outlives_its_leader_is_waited_for_by_the_next(scene: Scene) -> None:
    """A sink takes one call at a time, also when leaders of one process follow each other."""
    started, go = threading.Event(), threading.Event()
    calls: list[str] = []

    class Slow(Memory):
        is_local = False

        def deliver(self, entries: Sequence[Entry]) -> Outcome:
            calls.append("in")
            started.set()
            go.wait(10)
            calls.append("out")
            return Accepted()

        def close(self) -> None:
            calls.append("close")

    sink = Slow()
    scene.happen()
    first = scene.lead(sink)
    while not started.is_set():
        first.step()
    first.close()
    second = scene.lead(sink)
    for _ in range(5):
        second.step()
    assert calls == ["in"]
    go.set()
    while calls.count("out") < 2:
        second.step()
    second.close()
    assert calls[:4] == ["in", "out", "close", "in"]


def test_a_notice_accepted_while_the_state_is_away_is_not_sent_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came of the call outlives the leader that could not keep it; the next one of the process does."""
    people = People()
    scene.happen()
    scene.time += timedelta(seconds=60)
    first = scene.lead(people)
    with monkeypatch.context() as patch:

        def away(*args: Any) -> None:
            raise StoreError("the database is away")

        patch.setattr(SqliteState, "save_told", away)
        with pytest.raises(StoreError):
            run_dry(first)
        first.close()
    assert len(people.notices) == 1
    second = scene.lead(people)
    run_dry(second)
    second.close()
    assert len(people.notices) == 1
    state = SqliteState(scene.folder.state, read_only=True)
    assert state.pending(people.identity) is None
    assert state.told(people.identity, FAULT) is not None
    state.close()


def test_an_older_leader_leaves_newer_segments_alone_and_yields(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("tocsin.spool.format.FORMAT", segment_format.FORMAT + 1)
        scene.happen()
    sink = Memory()
    term = Term(scene.folder, lambda: scene.lead(sink), is_dedicated=False)
    for _ in range(5):
        term.step()
    assert term.leader is None
    assert sink.lines == []
    scene.writer.close()  # the newer process ends: the older one leads again, and still leaves its segment alone
    term._yielded_at -= 3_600
    for _ in range(5):
        term.step()
    assert term.leader is not None
    assert sink.lines == []
    term.end()


def test_a_state_that_cannot_be_used_is_told_and_tried_again(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.folder.prepare()
    scene.folder.state.write_bytes(b"no database" * 100)
    term = Term(scene.folder, lambda: scene.lead(Memory()), is_dedicated=True)
    assert not term.step()
    assert term.leader is None
    assert "delivery failed, will be tried again" in capsys.readouterr().err
    assert not FileLock(scene.folder.leader_lock).is_held


def test_levels_are_names_in_the_ledger(scene: Scene) -> None:
    scene.happen()
    scene.run(Memory())
    state = SqliteState(scene.folder.state, read_only=True)
    issue = state.issue(FAULT)
    state.close()
    assert issue is not None
    assert (issue.level, issue.levelno) == ("ERROR", logging.ERROR)


def test_what_a_library_logs_while_it_delivers_is_not_reported(scene: Scene) -> None:
    """A report that fails would make the next one, without end."""
    from tocsin.testing import captured_events

    class Chatty(Memory):
        is_local = False

        def deliver(self, entries: Sequence[Entry]) -> Outcome:
            logging.getLogger("some.library").error("delivery hiccup")
            return super().deliver(entries)

    with captured_events() as events:
        handler = LogHandler()
        logging.getLogger("some.library").addHandler(handler)
        sink = Chatty()
        scene.happen()
        leader = scene.lead(sink)
        while not sink.lines:
            leader.step()
        leader.close()
        logging.getLogger("some.library").error("the application's own")
    assert [event.message for event in events] == ["the application's own"]


@pytest.mark.complaints
def test_a_policy_with_unknown_names_stops_neither_its_sink_nor_the_others(scene: Scene) -> None:
    """A complete sink of somebody else may have been written for a newer version."""

    class Newer(People):
        policy = {"gather_s": 0.0, "per_moon": 1}  # noqa: RUF012

    people, memory = Newer(), Memory()
    scene.happen()
    leader = scene.lead(people, memory)
    scene.time += timedelta(seconds=20)
    run_dry(leader)
    leader.close()
    assert len(people.notices) == len(memory.lines) == 1


@pytest.mark.parametrize("impossible", [float("nan"), float("inf"), -1e300, 1e300])
def test_an_impossible_time_in_a_record_stops_nothing(scene: Scene, impossible: float) -> None:
    """Of a clock gone mad, or of another host: the record is delivered with the nearest time there is."""
    event = Event("error", "ERROR", 40, scene.time, "shop", message="m", fingerprint=FAULT)
    scene.writer.append(Occurrence("error", 40, 1, FAULT, impossible, wire.encode(event)))
    scene.happen(OTHER)
    sink = Memory()
    scene.run(sink)
    assert [line["fingerprint"] for line in sink.lines] == [FAULT, OTHER]
    assert scene.counted() == scene.counted(OTHER) == 1
