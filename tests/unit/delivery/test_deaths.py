"""The dead of a spool, as the leader finds them: each is told once, whatever happens to leaders meanwhile."""

from __future__ import annotations

import json
import os
import textwrap
import threading
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tocsin import system
from tocsin.delivery.deaths import IDLE_DEATHS, DeathWatch
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event
from tocsin.routing.sqlite import SqliteState
from tocsin.routing.state import LEDGER
from tocsin.spool.folder import Folder
from tocsin.spool.in_flight import FlightLog
from tocsin.spool.reader import SpoolReader, read_event

NOW = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)
ABOUT = {
    "application": "shop",
    "environment": "test",
    "release": "1.7",
    "host": "web-1",
    "python": "3.11.7",
    "pid": 4711,
    "sinks": [],
    "crashes": "",
}


class Cemetery:
    """A spool in which processes live and die, and leaders come and go."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path / "spool")
        self.folder.prepare()
        self.living: dict[str, FlightLog] = {}
        self.state = SqliteState(self.folder.state)
        self.state.add_consumer(LEDGER, NOW)
        self.number = 0

    def born(self, **about: object) -> str:
        self.number += 1
        process = f"0123456789ab{self.number:06x}"
        self.living[process] = FlightLog(self.folder.flight(process), {**ABOUT, **about})
        self.folder.crash(process).touch()
        return process

    def dies(self, process: str, dump: str = "") -> None:
        self.folder.crash(process).write_text(textwrap.dedent(dump))
        del self.living[process]

    def leader(self) -> DeathWatch:
        return DeathWatch(self.folder, self.state, Scrubber())

    def events(self) -> list[Event]:
        found = []
        for reader in SpoolReader(self.folder).generations():
            for record in reader.records(0):
                event = read_event(self.folder, *reader.key, record.offset)
                found += [event] if event else []
        return found

    def files(self) -> set[str]:
        return {path.name for path in self.folder.path.iterdir() if path.suffix in (".flight", ".crash")}


@pytest.fixture
def cemetery(tmp_path: Path) -> Iterator[Cemetery]:
    made = Cemetery(tmp_path)
    yield made
    made.state.close()


def test_one_that_vanishes_in_a_request_is_told_once_with_it(cemetery: Cemetery) -> None:
    """As who it was; nothing of it is left but the report."""
    process = cemetery.born()
    cemetery.living[process].begin("request", "GET", "/orders/7", "MainThread")
    leader = cemetery.leader()
    assert not leader.step(NOW)
    assert cemetery.events() == []
    cemetery.dies(process)
    assert cemetery.leader().step(NOW)
    assert not cemetery.leader().step(NOW)
    [event] = cemetery.events()
    assert cemetery.files() == set()
    assert event.exception is not None
    assert (event.exception.type, event.kind, event.level) == ("ProcessVanished", "traceback", "CRITICAL")
    assert (event.application, event.environment, event.release, event.host) == ("shop", "test", "1.7", "web-1")
    assert (event.process_id, event.thread) == (4711, "MainThread")
    assert event.request is not None
    assert (event.request.method, event.request.path) == ("GET", "/orders/7")
    assert event.timestamp <= NOW


class Killed(BaseException):
    """A leader that is killed."""


@pytest.mark.parametrize("nth", range(8))
@pytest.mark.parametrize("is_idle", [False, True])
def test_a_leader_that_dies_at_any_step_leaves_one_report(
    cemetery: Cemetery, monkeypatch: pytest.MonkeyPatch, nth: int, is_idle: bool
) -> None:
    """And one count, of one that was in nothing. Dies before or after each change to the disk."""
    process = cemetery.born()
    if not is_idle:
        cemetery.living[process].begin("request", "GET", "/orders/7", "MainThread")
    cemetery.dies(process, "" if is_idle else DUMP)
    steps = 0

    def deadly(change: object) -> object:
        def changed(*args: object, **named: object) -> object:
            nonlocal steps
            steps += 1
            if steps == nth:
                raise Killed
            answer = change(*args, **named)  # type: ignore[operator]
            steps += 1
            if steps == nth:
                raise Killed
            return answer

        return changed

    with monkeypatch.context() as patch:
        patch.setattr(system, "remove", deadly(system.remove))
        patch.setattr(Path, "rename", deadly(Path.rename))
        patch.setattr(SqliteState, "save_note", deadly(SqliteState.save_note))
        try:
            cemetery.leader().step(NOW)
        except Killed:
            pass
    assert steps >= min(nth, 4)
    told = cemetery.events()
    cemetery.leader().step(NOW + timedelta(minutes=5))
    assert told in ([], cemetery.events())  # what was published once is never changed
    types = [event.exception.type for event in cemetery.events() if event.exception]
    assert types == ([] if is_idle else ["SegmentationFault"])
    assert list(cemetery.folder.path.glob(".*")) == []
    assert (cemetery.state.note(LEDGER).get(IDLE_DEATHS) or {"n": 0})["n"] == is_idle
    assert cemetery.files() == set()


def test_the_living_are_left_alone(cemetery: Cemetery) -> None:
    """However long they have been in a request."""
    cemetery.living[cemetery.born()].begin("request", "GET", "/orders/7", "MainThread")
    leader = cemetery.leader()
    assert not leader.step(NOW + timedelta(days=3))
    assert len(cemetery.files()) == 2


DUMP = """\
    Fatal Python error: Segmentation fault

    Thread 0x00000000000000bb (most recent call first):
      <no Python frame>

    Thread 0x00000000000000aa (most recent call first):
      File "/srv/shop/jobs.py", line 3 in run

    Current thread 0x{thread:016x} (most recent call first):
      File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at
      File "{folder}/shop/views.py", line 2 in resize
      File "/venv/lib/python3.11/site-packages/tocsin/integrations/wsgi.py", line 80 in guest
      File "/venv/lib/python3.11/site-packages/gunicorn/workers/sync.py", line 184 in handle_request

    Extension modules: PIL._imaging (total: 1)
    """


def test_a_crash_is_told_by_its_frames_from_the_application_on(cemetery: Cemetery, tmp_path: Path) -> None:
    """With source, masked, and the request its thread was in, of several."""
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").touch()
    (shop / "views.py").write_text('token = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"\ncrash(token)\n')
    process = cemetery.born()
    begin = partial(FlightLog.begin, weakref.proxy(cemetery.living[process]))
    other = threading.Thread(target=begin, args=("request", "GET", "/other", "Thread-1"))
    other.start()
    other.join()
    begin("request", "POST", "/images/7", "MainThread")
    cemetery.dies(process, DUMP.format(folder=tmp_path, thread=threading.get_ident()))
    cemetery.leader().step(NOW)
    [event] = cemetery.events()
    assert event.exception is not None
    assert event.exception.type == "SegmentationFault"
    places = [(frame.module, frame.function, frame.in_app) for frame in event.exception.frames]
    assert places == [("shop.views", "resize", True), ("ctypes", "string_at", False)]
    frame = event.exception.frames[0]
    assert frame.source == "crash(token)"
    assert "ghp_" not in json.dumps(frame.before)
    assert event.request is not None
    assert event.request.path == "/images/7"
    assert event.fields["also_in_flight"][0].startswith("GET /other since ")
    assert event.fields["extension_modules"] == "PIL._imaging"
    [stack] = event.fields["other_threads"]  # one that runs no Python has nothing to tell
    assert "jobs.py" in stack


def test_crashes_of_one_place_are_one_issue_and_kills_go_by_the_path(cemetery: Cemetery, tmp_path: Path) -> None:
    """By its first part, since visitors choose paths."""
    for path in ("/images/7", "/images/8", "/orders/7"):
        for dump in ("", DUMP.format(folder=tmp_path, thread=1)):
            process = cemetery.born()
            cemetery.living[process].begin("request", "GET", path, "MainThread")
            cemetery.dies(process, dump)
    cemetery.leader().step(NOW)
    vanished, crashed = cemetery.events()[::2], cemetery.events()[1::2]
    assert len({event.fingerprint for event in crashed}) == 1
    assert [event.fingerprint == vanished[0].fingerprint for event in vanished] == [True, True, False]
    assert len({event.error_id for event in cemetery.events()}) == 6


def test_an_abort_that_was_survived_is_none_but_one_after_it_is(cemetery: Cemetery) -> None:
    """As gunicorn's timeout is, whose SystemExit was reported."""
    aborted = "Fatal Python error: Aborted\n\nCurrent thread 0x01 (most recent call first):\n"
    for more in ("", DUMP):
        process = cemetery.born()
        cemetery.living[process].abort_handled()
        cemetery.dies(process, aborted + textwrap.dedent(more))
    cemetery.leader().step(NOW)
    assert [event.exception.type for event in cemetery.events() if event.exception] == ["SegmentationFault"]


def test_a_crash_beside_an_orderly_end_is_that_of_a_child(cemetery: Cemetery) -> None:
    """Which says so."""
    process = cemetery.born()
    cemetery.living[process].ended()
    cemetery.dies(process, DUMP)
    cemetery.leader().step(NOW)
    [event] = cemetery.events()
    assert "forked" in event.fields["process_ended"]


def test_a_disk_that_is_full_delays_the_report(cemetery: Cemetery, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the dead left stays until it is told."""
    process = cemetery.born()
    cemetery.living[process].begin("task", "shop.resize", "celery", "17")
    cemetery.dies(process)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: 10)
        cemetery.leader().step(NOW)
    assert cemetery.events() == []
    cemetery.leader().step(NOW)
    [event] = cemetery.events()
    assert event.task is not None
    assert (event.task.name, event.task.by, event.task.id) == ("shop.resize", "celery", "17")


def test_a_damaged_file_waits_a_day_for_who_can_read_it(cemetery: Cemetery) -> None:
    """A newer version, perhaps. Others don't wait for it."""
    process, other = cemetery.born(), cemetery.born()
    cemetery.living[other].begin("request", "GET", "/orders/7", "MainThread")
    cemetery.dies(process)
    cemetery.dies(other)
    cemetery.folder.flight(process).write_bytes(b"tocsinfl\xff\0\0\0" + bytes(100))
    cemetery.leader().step(datetime.now(UTC))
    assert len(cemetery.events()) == 1
    assert cemetery.folder.flight(process).exists()
    cemetery.leader().step(datetime.now(UTC) + timedelta(days=2))
    assert cemetery.files() == set()


@pytest.mark.parametrize("about", [{"pid": "x", "application": 7, "kills": [1]}, {"pid": None, "sinks": 3}])
def test_what_a_process_said_of_itself_may_be_anything(cemetery: Cemetery, about: dict[str, object]) -> None:
    """People edit files."""
    process = cemetery.born(**about)
    cemetery.living[process].begin("request")
    cemetery.dies(process)
    cemetery.leader().step(NOW)
    assert len(cemetery.events()) == 1


def test_a_leader_without_a_descriptor_to_look_with_buries_nobody_alive(
    cemetery: Cemetery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first look that fails passes for a lock that is gone."""
    process = cemetery.born()
    cemetery.living[process].begin("request", "GET", "/orders/7", "MainThread")
    looks = iter([False])
    monkeypatch.setattr("tocsin.delivery.deaths.is_held", lambda path: next(looks, True))
    cemetery.leader().step(NOW)
    assert cemetery.events() == []
    assert len(cemetery.files()) == 2


def test_of_whom_the_kernel_killed_is_told_only_where_its_count_says_so(
    cemetery: Cemetery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that vanish at once, while one kill is counted, nobody knows which it was."""
    counts = {"/a": 3, "/b": 7}
    monkeypatch.setattr("tocsin.spool.control_group.kills", lambda count: counts[count.path])
    first, second, third, fourth = (cemetery.born(kills=[path, 1, counts[path]]) for path in ("/a", "/a", "/b", "/b"))
    for each in (first, second, third, fourth):
        cemetery.living[each].begin("request", "GET", f"/{each}", "MainThread")
    cemetery.leader().step(NOW)
    counts["/a"] = 4
    for each in (first, second, third):
        cemetery.dies(each)
    cemetery.leader().step(NOW)  # another: what the first one saw lies in the state
    assert [event.exception.type for event in cemetery.events() if event.exception] == ["ProcessVanished"] * 3
    counts["/b"] = 8
    cemetery.dies(fourth)
    cemetery.leader().step(NOW)
    assert [event.exception.type for event in cemetery.events() if event.exception][-1] == "OutOfMemory"
