"""Delivery inside a worker: a Term goes in; a daemon thread steps it until the process ends or says stop."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from tocsin.complaints import complain, own_work
from tocsin.delivery.breather import Breather
from tocsin.delivery.job import start_native_thread
from tocsin.delivery.term import Term
from tocsin.event import limits
from tocsin.system.forks import stepping_aside, unforked
from tocsin.system.native import native

__all__ = ["Host", "is_before_fork", "native_sleep"]


class Host:
    """Run delivery in a thread of this process. A forked child has none until it starts its own.

    The thread shares nothing with the application but this object's plain attributes: no lock that a greenlet, a
    fork or a signal handler could be holding.
    """

    def __init__(self, new_term: Callable[[], Term], each_round: Callable[[], None]) -> None:
        self._new_term = new_term
        self._each_round = each_round
        self._breather = Breather()
        self._pid = 0
        self._claims: dict[int, object] = {}
        self._is_stopping = False
        self._is_running = False
        self.term: Term | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether this process has a delivering thread."""
        return self._is_running and self._pid == os.getpid()

    @property
    def is_leading(self) -> bool:
        """Tell whether it leads just now."""
        return self.is_running and self.term is not None and self.term.leader is not None

    def start(self) -> None:
        """Start the thread, once per process, whichever thread asks first."""
        claim = object()
        if self._claims.setdefault(os.getpid(), claim) is not claim:
            return
        self._pid = os.getpid()
        self._is_stopping = False
        self.term = self._new_term()
        self._is_running = True
        try:
            start_native_thread(self._run, self._done)
        except RuntimeError as fault:  # the interpreter ends, or there are too many threads: tried at the next wake
            self._is_running = False
            self._pid = 0
            self._claims.clear()
            complain("delivery", f"no thread for delivery: {fault}")

    def ask_to_stop(self) -> None:
        """Have the thread end after its present step; `stop` waits for it."""
        if self.is_running:
            self._is_stopping = True

    def stop(self, timeout_s: float) -> bool:
        """Ask the thread to end after its present step; return whether it did in time."""
        if not self.is_running:
            return True
        self._is_stopping = True
        end = time.monotonic() + timeout_s
        while self._is_running and time.monotonic() < end:
            time.sleep(0.01)
        self._pid = 0
        self._claims.clear()
        return not self._is_running

    def pause(self) -> None:
        """Let others go on between two slices of a round: threads that want the GIL, and forks."""
        with stepping_aside():
            self._breather.pause(native_sleep())

    def _round(self, term: Term) -> bool:
        try:
            with unforked():
                worked = term.step()
                self._each_round()
        except Exception as fault:  # noqa: BLE001 - one round that fails must not be the last
            complain("delivery", f"a round of delivery failed: {type(fault).__name__}", fault)
            return False
        return worked

    def _run(self) -> None:
        with own_work():
            self._deliver()

    def _deliver(self) -> None:
        sleep = native_sleep()
        term = self.term
        pid = self._pid
        try:
            while term is not None and not self._is_stopping and self._pid == pid:
                worked = self._round(term)
                if worked:
                    self._breather.pause(sleep)
                else:
                    sleep(limits.LEADER_POLL_S)
            if term is not None:
                with unforked():
                    term.end()
        except Exception as fault:  # noqa: BLE001 - a thread's last edge
            complain("delivery", f"delivery ended: {type(fault).__name__}", fault)

    def _done(self) -> None:
        self._is_running = False


def is_before_fork() -> bool:
    """Tell whether this is uWSGI's master, which loads the application and forks the workers from itself.

    It forks behind Python's back, so nothing makes the interpreter's lock anew: a thread that waits for that lock just
    then leaves it such that every worker hangs at its next switch of threads, for good.
    """
    uwsgi = sys.modules.get("uwsgi")
    try:
        return uwsgi is not None and uwsgi.worker_id() == 0 and uwsgi.mule_id() == 0
    except AttributeError:
        return False  # a module of that name which isn't the server's


def native_sleep() -> Callable[[float], None]:
    """Return the sleep of the operating system's threads, also where gevent has put its own in its place."""
    sleep: Callable[[float], None] = native("time", "sleep")
    return sleep
