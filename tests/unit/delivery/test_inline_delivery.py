"""`delivery = "inline"`: a report returns when it is delivered, in time, and only at a moment at which that is safe."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import string
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tocsin
from tocsin.complaints import own_work
from tocsin.delivery.moment import is_moment
from tocsin.delivery.wish import Wish
from tocsin.event import limits
from tocsin.sinks.base import Accepted, Outcome, Unavailable
from tocsin.spool.folder import Folder
from tocsin.spool.locks import is_held


class Slow:
    """A sink of the test's own: it takes what it is told to wait for, and remembers what it took."""

    type = "slow"
    identity = "slow"
    is_local = False
    options = ()

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.outcomes: list[Outcome] = []
        self.calls = 0
        self.taken: list[str] = []

    def deliver(self, entries: Any) -> Outcome:
        self.calls += 1
        self.gate.wait(30)
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted()
        if isinstance(outcome, Accepted):
            self.taken += [json.loads(entry.line).get("message", "") for entry in entries]
        return outcome

    def close(self) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    sink = {"type": "file", "path": str(folder / "events.jsonl")}
    return {"application": "shop", "spool": str(folder / "spool"), "sinks": [sink], "delivery": "inline", **more}


def lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def messages(folder: Path) -> list[str]:
    return [line["message"] for line in lines(folder) if "message" in line]


@pytest.fixture
def slow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """Set a Reporter up whose only sink is a `Slow` one, with a bound of 0.2 s."""
    from tocsin.config.load import load
    from tocsin.reporter import Reporter, substitute
    from tocsin.sinks.registry import BuiltSink

    monkeypatch.setattr(limits, "INLINE_S", 0.2)
    sink = Slow()
    built = BuiltSink(sink, "slow", 0, frozenset({"traceback", "error", "warning"}), "oldest")
    reporter = Reporter(load(settings(folder, sinks=[]), {}, {}), sinks=[built])
    before = substitute(reporter)
    yield sink
    sink.gate.set()
    reporter.close(2)
    substitute(before)


def natives() -> int:
    """Return how many threads of the operating system this process has, as far as that can be seen."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else 0


def test_a_report_is_delivered_when_it_returns_and_no_thread_stays(folder: Path) -> None:
    reporter = tocsin.setup(settings(folder))
    threads = natives()
    for number in range(3):
        reporter.report(message=f"fault {number}")
        assert messages(folder)[-1] == f"fault {number}"
        assert not is_held(Folder(folder / "spool").leader_lock)
    logging.getLogger("shop").error("by a logger")
    assert messages(folder)[-1] == "by a logger"
    end = time.monotonic() + 30
    while natives() > threads and time.monotonic() < end:
        time.sleep(0.001)  # the last of them is just ending
    assert natives() == threads
    assert not list((folder / "spool").glob("*.hurry"))


def test_counts_go_out_at_the_end_of_a_watch_by_a_flush_and_at_close(folder: Path) -> None:
    reporter = tocsin.setup(settings(folder))

    def total() -> int:
        return sum(line["occurrences"] for line in lines(folder))

    for expected, end in ((8, "watch"), (16, "flush"), (24, "close")):
        with reporter.watch("import") if end == "watch" else own_nothing():
            for _ in range(8):
                reporter.report(message="the same")
        if end == "flush":
            assert total() < expected
            assert reporter.flush()
        if end == "close":
            assert total() < expected
            reporter.close()
        assert total() == expected, end


def own_nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def test_aflush_delivers_and_lets_the_loop_go_on(folder: Path) -> None:
    reporter = tocsin.setup(settings(folder))
    for _ in range(8):
        reporter.report(message="the same")

    async def main() -> bool:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(turn())
        is_done = await reporter.aflush()
        assert turns > 3
        other.cancel()
        return is_done

    assert asyncio.run(main())
    assert sum(line["occurrences"] for line in lines(folder)) == 8


def test_aflush_of_a_thread_that_delivers_does_as_flush_does(folder: Path) -> None:
    reporter = tocsin.setup(settings(folder, delivery="thread"))
    reporter.report(message="x")
    assert asyncio.run(reporter.aflush())
    assert messages(folder) == ["x"]


def test_aflush_can_be_cancelled(slow: Slow) -> None:
    slow.gate.clear()
    tocsin.report(message="x")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tocsin.reporter.current().aflush(0.5), 0.05)  # type: ignore[union-attr]
        slow.gate.set()

    asyncio.run(main())


def test_a_sink_that_hangs_holds_one_report_up_and_no_longer_than_the_bound(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    monkeypatch.setattr("tocsin.delivery.inline.Wish.__enter__", _noting(waits))
    slow.gate.clear()
    assert tocsin.report(message="first")
    others = [f"more {letter}" for letter in string.ascii_letters[:20]]  # letters: numbers are no other fault
    for other in others:
        tocsin.report(message=other)
    assert len(waits) == 1
    assert slow.calls == 1
    assert slow.taken == []
    slow.gate.set()
    reporter = tocsin.reporter.current()
    assert reporter is not None and reporter.flush(10)
    assert sorted(set(slow.taken)) == sorted(["first", *others])


def _noting(waits: list[int]) -> Any:
    enter = Wish.__enter__

    def noting(wish: Wish) -> Wish:
        waits.append(1)
        return enter(wish)

    return noting


def test_a_flush_does_not_say_all_is_delivered_while_the_call_of_a_delivery_before_hangs(slow: Slow) -> None:
    slow.gate.clear()
    tocsin.report(message="first")
    reporter = tocsin.reporter.current()
    assert reporter is not None and not reporter.flush(0.3)
    slow.gate.set()
    assert reporter.flush(10)


def test_a_sink_that_is_down_costs_no_wait_and_what_it_missed_goes_out_later(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow.outcomes = [Unavailable("down", "wait")]
    monkeypatch.setattr(limits, "INLINE_S", 600.0)  # neither the bound is waited for
    monkeypatch.setattr(limits, "HURRIED_PAUSE_S", 600.0)  # nor the next try
    tocsin.report(message="first")
    assert (slow.calls, slow.taken) == (1, [])
    reporter = tocsin.reporter.current()
    assert reporter is not None
    monkeypatch.setattr(limits, "HURRIED_PAUSE_S", 0.0)
    assert reporter.flush(10)
    assert slow.taken == ["first"]


def test_where_another_process_leads_the_report_waits_for_it_and_is_left_to_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "INLINE_S", 0.2)
    monkeypatch.setattr("tocsin.delivery.term.Term._begin", lambda self: False)
    reporter = tocsin.setup(settings(folder))
    assert reporter.report(message="x")
    assert messages(folder) == []
    assert not list((folder / "spool").glob("*.hurry"))
    monkeypatch.undo()
    reporter.close()
    assert messages(folder) == ["x"]


def test_a_state_or_a_disk_that_hangs_holds_one_report_up_and_no_longer_than_the_bound(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "INLINE_S", 0.2)
    gate = threading.Event()
    monkeypatch.setattr("tocsin.delivery.term.Term._begin", lambda self: not gate.wait(60))
    reporter = tocsin.setup(settings(folder))
    reporter.report(message="first")
    reporter.report(message="second")
    assert messages(folder) == []
    gate.set()
    monkeypatch.undo()
    assert reporter.flush(10)
    assert messages(folder) == ["first", "second"]


def test_many_threads_report_at_once_and_all_is_delivered_once(folder: Path) -> None:
    reporter = tocsin.setup(settings(folder))

    faults = [[f"fault {first}{second}" for second in "abc"] for first in "abcdef"]

    def work(messages: list[str]) -> None:
        for message in messages:
            reporter.report(message=message)

    threads = [threading.Thread(target=work, args=(each,)) for each in faults]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(messages(folder)) == sorted(message for each in faults for message in each)


def test_a_report_from_a_signal_handler_waits_for_a_better_moment(folder: Path) -> None:
    reporter = tocsin.setup(settings(folder))
    before = signal.signal(signal.SIGTERM, lambda *_: reporter.report(message="in the handler"))
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert messages(folder) == []
    reporter.report(message="after it")
    assert messages(folder) == ["in the handler", "after it"]


def test_a_report_in_the_middle_of_a_report_does_not_wait(folder: Path) -> None:
    """As a finalizer or a signal handler makes it, whenever it likes: here the hook that sees every event."""
    seen: list[list[str]] = []

    def hook(event: Any) -> Any:
        if event.message == "outer":
            tocsin.report(message="inner")
            seen.append(messages(folder))
        return event

    reporter = tocsin.setup(settings(folder), before_spool=hook)
    reporter.report(message="outer")
    assert seen == [[]]
    assert sorted(messages(folder)) == ["inner", "outer"]


def test_a_moment_is_told_by_the_stack() -> None:
    def ours(name: str, call: Any) -> Any:
        return eval("call()", {"__name__": name, "call": call})

    def asked() -> bool:
        return is_moment(sys._getframe(1))

    def application(call: Any) -> Any:
        return call()

    assert ours("tocsin.intake.core", asked)
    assert ours("tocsin.integrations.wsgi", lambda: application(lambda: ours("tocsin.intake.core", asked)))
    assert not ours("tocsin.spool.writer", lambda: application(lambda: ours("tocsin.intake.core", asked)))
    with own_work():
        assert not ours("tocsin.intake.core", asked)


def test_a_process_that_reports_nothing_delivers_what_one_before_it_left(folder: Path) -> None:
    first = tocsin.setup(settings(folder, delivery="process"))
    first.report(message="left behind")
    first.close()
    assert messages(folder) == []
    with tocsin.setup(settings(folder)).watch("import"):
        pass
    assert messages(folder) == ["left behind"]


def test_old_segments_are_swept_although_nobody_leads_for_long(folder: Path) -> None:
    for _ in range(3):
        tocsin.setup(settings(folder)).report(message="x")
        tocsin.reporter.current().close()  # type: ignore[union-attr]
    spool = folder / "spool"
    for path in spool.glob("*.events"):
        os.utime(path, (time.time() - 30 * 86_400,) * 2)
    assert len(list(spool.glob("*.events"))) == 3
    reporter = tocsin.setup(settings(folder, keep_days=1))
    reporter.report(message="y")
    assert len(list(spool.glob("*.events"))) < 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_delivers_by_itself(folder: Path) -> None:
    reporter = tocsin.setup(settings(folder))
    reporter.report(message="parent")
    pid = os.fork()
    if pid == 0:
        reporter.report(message="child")
        os._exit(0 if "child" in messages(folder) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    reporter.report(message="parent again")
    assert messages(folder) == ["parent", "child", "parent again"]
