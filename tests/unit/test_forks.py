"""Forks wait for our threads between two pieces of work, never for long; a child forgets what its parent was doing."""

from __future__ import annotations

import os
import threading
import time

import pytest

from tocsin.system import forks
from tocsin.system.forks import importing, stepping_aside, unforked

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


class Worker:
    """A thread that enters a context, waits to be let go, and leaves it."""

    def __init__(self, context, within=lambda: None) -> None:
        self.entered, self.let_go, self.left = threading.Event(), threading.Event(), threading.Event()
        self._context, self._within = context, within
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.entered.wait(10)

    def _run(self) -> None:
        with self._context():
            self.entered.set()
            self._within()
            self.let_go.wait(10)
            self.left.set()


@pytest.fixture(autouse=True)
def _as_before():
    yield
    forks._begin_anew()


def fork_meanwhile(worker: Worker) -> bool:
    """Let a fork begin, then let the worker go; return whether the fork waited for it."""
    threading.Timer(0.05, worker.let_go.set).start()
    forks._before()
    was_left = worker.left.is_set()
    forks._after()
    worker.thread.join(10)
    return was_left


def test_a_fork_waits_for_a_piece_of_work() -> None:
    assert fork_meanwhile(Worker(unforked))


def test_a_fork_does_not_wait_for_a_call_that_may_wait_itself() -> None:
    worker = Worker(importing)
    assert not forks._is_anybody_at_work(threading.get_ident())
    worker.let_go.set()


def test_a_fork_waits_no_longer_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is stuck in a dead disk keeps nobody from forking."""
    monkeypatch.setattr(forks, "_WAIT_S", 0.01)
    worker = Worker(unforked)
    forks._before()
    assert not worker.left.is_set()
    forks._after()
    worker.let_go.set()


def test_work_begins_after_the_fork_that_is_under_way() -> None:
    forks._forking.append(-1)  # another thread's
    seen = []

    def work() -> None:
        with unforked():
            seen.append(list(forks._forking))

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0)
    forks._forking.remove(-1)
    thread.join(10)
    assert seen == [[]]


def test_stepping_aside_lets_a_fork_pass_and_goes_on_after_it() -> None:
    """The pause between two slices of delivery."""
    let_on = threading.Event()

    def aside() -> None:
        with stepping_aside():
            let_on.wait(10)

    worker = Worker(unforked, aside)
    forks._before()
    let_on.set()
    assert not worker.left.is_set()
    forks._after()
    worker.let_go.set()
    worker.thread.join(10)
    assert worker.left.is_set()


def test_stepping_aside_of_nothing_is_nothing() -> None:
    """A leader that is stepped by a command, or by a test, is in no such work."""
    with stepping_aside():
        pass
    assert not forks._working


def test_a_thread_may_fork_within_its_own_work() -> None:
    """A sink of somebody's may."""
    with unforked():
        pid = os.fork()
        if pid == 0:
            os._exit(len(forks._working) + len(forks._forking))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert len(forks._working) == 1
    assert not forks._forking


def test_a_child_does_not_wait_for_threads_it_has_not() -> None:
    worker = Worker(unforked)
    threading.Timer(0.02, worker.let_go.set).start()
    pid = os.fork()
    if pid == 0:
        os._exit(len(forks._working))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
