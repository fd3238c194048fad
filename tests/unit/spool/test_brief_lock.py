"""A lock that keeps threads apart for moments: never waited for by its own thread, never lost with its holder."""

from __future__ import annotations

import sys
import threading

import pytest

from tocsin.spool.brief_lock import BriefLock


def test_the_thread_that_holds_it_is_told_no_at_once() -> None:
    """A signal handler that interrupts the holder can't wait for it."""
    lock = BriefLock()
    assert lock.acquire()
    assert (lambda: lock.acquire())() is False
    lock.release()
    assert lock.acquire()


def test_another_thread_is_told_no_after_a_moment_and_yes_after_the_release() -> None:
    lock = BriefLock()
    answers: list[bool] = []

    def ask() -> None:
        answers.append(lock.acquire())

    lock.acquire()
    for is_free in (False, True):
        if is_free:
            lock.release()
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert answers == [False, True]


def test_a_holder_that_has_ended_without_a_release_holds_nothing() -> None:
    """What a signal handler raises may end it between any two steps."""
    lock = BriefLock()

    def interrupted() -> None:
        lock.acquire()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert lock.acquire()


def test_an_exception_at_any_step_of_taking_it_leaves_it_to_be_had() -> None:
    """Each step of the interpreter within `acquire` and `release` is interrupted once."""

    class Interruption(BaseException):
        pass

    def taken_and_given_up(lock: BriefLock) -> None:
        if lock.acquire():
            try:
                pass
            finally:
                lock.release()

    step = 0
    while True:
        step += 1
        lock, count = BriefLock(), 0

        def trace(frame, event, argument, step=step):
            nonlocal count
            frame.f_trace_opcodes = True
            count += event == "opcode"
            if event == "opcode" and count == step:
                sys.settrace(None)
                raise Interruption
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            taken_and_given_up(lock)
        except Interruption:
            pass
        finally:
            sys.settrace(before)
        assert lock.acquire(), f"after step {step}"
        if count < step:
            break
    if step == 1:
        pytest.skip("tracers of this Python see no single steps; run it by Python 3.11 or 3.13")
    assert step > 30
