"""The end of a process with several spools: they share one delay, and what fails at one is not the others'."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tocsin.delivery import job, leaving
from tocsin.delivery.job import Job
from tocsin.delivery.leaving import Leaving, leave
from tocsin.sinks.base import Accepted, Unavailable
from tocsin.spool.folder import Folder


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Writer:
    process = "0" * 18
    pid = os.getpid()

    is_behind = False

    def __init__(self, is_broken: bool = False) -> None:
        self._is_broken = is_broken

    def retry_pending(self) -> None:
        if self._is_broken:
            raise RuntimeError("broken")

    def pending(self) -> int:
        return 0


class Host:
    """A delivery whose thread never ends; it answers wishes where it delivers at all."""

    is_running = True

    def __init__(self, clock: Clock, folder: Path) -> None:
        self.clock, self.folder, self.is_asked = clock, folder, False

    def ask_to_stop(self) -> None:
        self.is_asked = True

    def stop(self, timeout_s: float) -> bool:
        self.clock.sleep(timeout_s)
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(leaving, "time", clock)
    return clock


def posts(tmp_path: Path, clock: Clock, number: int) -> list[Leaving]:
    made = []
    for each in range(number):
        path = tmp_path / str(each)
        path.mkdir()
        made.append(Leaving(Host(clock, path), Folder(path), Writer))  # type: ignore[arg-type]
    return made


def test_however_many_hang_the_exit_waits_two_seconds_in_all(tmp_path: Path, clock: Clock) -> None:
    present = posts(tmp_path, clock, 30)
    leave(present)
    assert 1.9 < clock.now - 100.0 < 2.1
    assert all(each.host.is_asked for each in present)  # type: ignore[attr-defined]
    assert not list(tmp_path.rglob("*.hurry"))


def test_all_are_asked_to_hurry_before_any_is_waited_for(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = posts(tmp_path, clock, 5)
    seen: list[int] = []

    def sleep(seconds: float) -> None:
        wishes = list(tmp_path.rglob("*.hurry"))
        seen.append(len(wishes))
        for path in wishes:
            path.unlink()  # granted
        clock.now += seconds

    monkeypatch.setattr(clock, "sleep", sleep)
    leave(present)
    assert seen[0] == 5


@pytest.mark.complaints
def test_one_that_fails_keeps_no_other_from_its_time(tmp_path: Path, clock: Clock) -> None:
    first, second = posts(tmp_path, clock, 2)
    broken = Leaving(first.host, first.folder, lambda: Writer(is_broken=True))  # type: ignore[arg-type, return-value]
    leave([broken, second])
    assert clock.now - 100.0 > 1.5
    assert second.host.is_asked  # type: ignore[attr-defined]


@pytest.mark.complaints
def test_a_spool_that_somebody_removed_keeps_no_other_from_its_time(tmp_path: Path, clock: Clock) -> None:
    """A wish can't be left there."""
    gone, second = posts(tmp_path, clock, 2)
    gone.folder.path.rmdir()
    leave([gone, second])
    assert clock.now - 100.0 > 1.5
    assert gone.host.is_asked and second.host.is_asked  # type: ignore[attr-defined]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_call_that_was_under_way_at_a_fork_is_to_be_repeated_in_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that makes it is the parent's; to wait for it would be for ever."""
    monkeypatch.setattr(job, "start_native_thread", lambda target, done: None)
    call = Job(Accepted, is_local=False)
    assert call.outcome is None
    pid = os.fork()
    if pid == 0:
        os._exit(0 if isinstance(call.outcome, Unavailable) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert call.outcome is None
