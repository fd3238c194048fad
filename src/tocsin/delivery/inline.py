"""Delivery before a call returns (`delivery = "inline"`): a time limit goes in; whether all was delivered leaves.

For processes that are frozen or gone right after their work: functions of a cloud, cron jobs. There is a thread for the
length of a delivery only, because what it waits for (a mail server, a disk, a shared state) may hang, and the caller
is to go on in time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from tocsin.complaints import complain, own_work
from tocsin.delivery.host import is_before_fork
from tocsin.delivery.job import start_native_thread
from tocsin.delivery.term import Term
from tocsin.delivery.wish import Wish
from tocsin.event import limits
from tocsin.spool.folder import Folder
from tocsin.system.forks import unforked
from tocsin.system.native import native

__all__ = ["Inline"]

_LOOK_S: Final = 0.002
_SWEEP_S: Final = 900.0


class Inline:
    """Deliver one spool on demand. Thread-safe: who asks while a delivery is under way waits for the same one."""

    def __init__(self, folder: Folder, new_term: Callable[[], Term], figures: Callable[[], object]) -> None:
        """``figures`` differ once something was reported."""
        self._folder = folder
        self._new_term = new_term
        self._figures = figures
        self._settled: object = None
        self._terms: dict[int, Term] = {}  # by pid: a forked child has none of its parent's locks
        self._rounds: dict[int, _Round] = {}  # what is under way, likewise
        self._failed_at = -limits.INLINE_PAUSE_S
        self._swept_at = -_SWEEP_S

    @property
    def is_pausing(self) -> bool:
        """Tell whether the latest delivery failed so lately that a report is not to wait for the next one."""
        return time.monotonic() - self._failed_at < limits.INLINE_PAUSE_S

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing was reported since all was delivered."""
        return self._settled == self._figures()

    def deliver(self, timeout_s: float) -> bool:
        """Deliver all that is spooled; return whether it is delivered. Never raises.

        What is left (a sink is down, another process leads and is slow) stays in the spool for the next time.
        """
        if not self._folder.path.is_dir():
            return True  # no process has reported anything yet
        if is_before_fork():
            return False  # left to the workers
        end = time.monotonic() + timeout_s
        figures = self._figures()
        is_done = False
        try:
            with Wish(self._folder) as wish:
                is_done = self._waited(wish, end)
            self._wait_for_end(end)
        except OSError as fault:
            complain("inline", f"the spool can't be written: {fault}")
        except Exception as fault:  # noqa: BLE001 - a report never raises, nor does what it waits for
            complain("inline", f"delivery could not be waited for: {type(fault).__name__}", fault)
        if is_done:
            self._settled = figures
        self._failed_at = -limits.INLINE_PAUSE_S if is_done else time.monotonic()
        return is_done

    def _waited(self, wish: Wish, end: float) -> bool:
        joined: _Round | None = None
        while not wish.is_granted():
            if time.monotonic() >= end or (joined is not None and joined.is_stuck):
                return False
            joined = self._under_way(end)
            time.sleep(_LOOK_S)
        return True

    def _wait_for_end(self, end: float) -> None:
        """Wait until the lock is given up: a process that is frozen with it would keep every other from delivering."""
        round_ = self._rounds.get(os.getpid())
        while round_ is not None and not round_.is_over and time.monotonic() < end + limits.INLINE_END_S:
            time.sleep(_LOOK_S)

    def _under_way(self, end: float) -> _Round | None:
        """Return the round of this process, begun if there is none, that goes on until ``end`` at least.

        None while one is just ending: what was reported meanwhile has a round of its own then.
        """
        pid = os.getpid()
        known = self._rounds.get(pid)
        if known is not None and known.is_stuck and not known.is_over:
            return None
        if known is not None and not known.is_over:
            known.end = max(known.end, end)
            return known
        if known is not None:
            self._rounds.pop(pid, None)
        round_ = _Round(self._folder, self._terms.setdefault(pid, self._new_term()), end, is_sweep=self._is_sweep_due())
        found = self._rounds.setdefault(pid, round_)
        if found is round_:
            round_.start()
        return found

    def _is_sweep_due(self) -> bool:
        now = time.monotonic()
        if now - self._swept_at < _SWEEP_S:
            return False
        self._swept_at = now
        return True


class _Round:
    """Lead for as long as somebody waits and something can be done. One thread steps it, others look at it."""

    def __init__(self, folder: Folder, term: Term, end: float, *, is_sweep: bool) -> None:
        self._folder = folder
        self._term = term
        self._is_sweep = is_sweep
        self.end = end
        self.is_stuck = False  # what is left waits for a sink that is failing
        self.is_over = False

    def start(self) -> None:
        """Start it in a thread, or run it here where no thread can be had any more: the interpreter ends."""
        try:
            start_native_thread(self._run, self._done)
        except RuntimeError:
            self._run()
            self._done()

    def _run(self) -> None:
        try:
            with own_work():
                self._deliver()
        except Exception as fault:  # noqa: BLE001 - a thread's last edge
            complain("inline", f"delivery ended: {type(fault).__name__}", fault)
            self.is_stuck = True

    def _deliver(self) -> None:
        sleep: Callable[[float], None] = native("time", "sleep")
        try:
            while time.monotonic() < self.end and self._has_wishes():
                with unforked():
                    worked = self._term.step()
                leader = self._term.leader
                if leader is None:
                    sleep(limits.INLINE_LOOK_S)  # another process leads, and sees the wish
                    continue
                if self._is_sweep:  # by itself a leader sweeps after a while, which is longer than this one leads
                    self._is_sweep = False
                    leader.sweep_next()
                if not worked and not leader.is_busy and not leader.is_idle:
                    self.is_stuck = True
                    return
                if not worked:
                    sleep(_LOOK_S)
        finally:
            with unforked():
                self._term.end()

    def _has_wishes(self) -> bool:
        return next(self._folder.path.glob("*.hurry"), None) is not None

    def _done(self) -> None:
        self.is_over = True
