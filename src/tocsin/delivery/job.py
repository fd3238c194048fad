"""A call that may wait for a network: it goes in, runs in a thread of its own, and its Outcome is fetched later."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from tocsin.complaints import complain, own_work
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from tocsin.sinks.base import Outcome, Unavailable
from tocsin.system.forks import importing

__all__ = ["Job", "start_native_thread"]


def start_native_thread(target: Callable[[], None], done: Callable[[], None]) -> None:
    """Start a daemon thread of the operating system, also where gevent has made threads into greenlets.

    It calls ``done`` last: whoever waits for that may end the process without meeting the thread in gevent's clean-up,
    which no interpreter that ends survives. Raises RuntimeError when the interpreter is shutting down.
    """
    import _thread

    start = _thread.start_new_thread
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None:
        start(_in_turn, (target, done))
        return
    # Made here, where there is none: if a thread of ours has the first hub, the main one hangs once that is gone.
    sys.modules["gevent"].get_hub()
    monkey.get_original("_thread", "start_new_thread")(_with_hub_of_its_own, (target, done))


def _in_turn(target: Callable[[], None], done: Callable[[], None]) -> None:
    try:
        target()
    finally:
        done()


def _with_hub_of_its_own(target: Callable[[], None], done: Callable[[], None]) -> None:
    """Run in a native thread under gevent, whose sockets make a hub for it: two descriptors that nobody else closes."""
    try:
        target()
    finally:
        sys.modules["gevent"].get_hub().destroy(destroy_loop=True)
        done()


class Job:
    """Run one call to a sink. One thread per call: a sink that hangs holds up nobody but itself."""

    def __init__(self, call: Callable[[], Outcome], *, is_local: bool) -> None:
        self._call = call
        self._pid = os.getpid()
        self._found: Outcome | None = None
        self._outcome: Outcome | None = None
        if is_local:
            _in_turn(self._run, self._done)
            return
        try:
            start_native_thread(self._run, self._done)
        except RuntimeError:  # no thread any more at the interpreter's end
            _in_turn(self._run, self._done)

    @property
    def outcome(self) -> Outcome | None:
        """Return what came of it, None while it runs; in a forked child, where it never ends, that it did not."""
        if self._outcome is None and self._pid != os.getpid():
            return Unavailable("this process was forked during the call", "nothing: it is tried again")
        return self._outcome

    def _run(self) -> None:
        try:
            with own_work(), importing():
                self._found = self._call()
        except BaseException as fault:  # noqa: BLE001 - a sink may be anybody's code; it must not end delivery
            complain("sink", f"a sink failed unexpectedly: {type(fault).__name__}: {fault}", fault)
            said = Scrubber().text(f"{type(fault).__name__}: {fault}", limits.MESSAGE_CHARS)
            self._found = Unavailable(said, "this is a fault of the sink itself; its traceback is on stderr")

    def _done(self) -> None:
        self._outcome = self._found
