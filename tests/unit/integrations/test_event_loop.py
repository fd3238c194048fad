"""An event loop reports what callbacks and forgotten tasks raised, and goes on handling it as it did."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tocsin
from tocsin.testing import Captured, captured_events


def _loops() -> list[Any]:
    try:
        import uvloop
    except ImportError:
        reason = "no uvloop; pip install uvloop"
        return [asyncio.new_event_loop, pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture(params=_loops())
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Any], Any]]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


@pytest.fixture
def events() -> Iterator[Captured]:
    logging.getLogger().addHandler(tocsin.LogHandler())
    with captured_events() as captured:
        yield captured


async def lose_a_task(name: str = "job-7") -> None:
    async def job() -> None:
        raise KeyError("k")

    task = asyncio.create_task(job(), name=name)
    await asyncio.wait([task])
    del task
    gc.collect()


def test_a_task_that_nobody_awaited_is_one_event_with_its_name(
    run: Callable[[Any], Any], events: Captured, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert tocsin.install(loop) is loop
        assert tocsin.install(loop) is loop
        await lose_a_task()

    run(main())
    event = events.assert_one(KeyError, kind="traceback")
    assert len(events) == 1
    assert event.fields["task"] == "job-7"
    assert event.fields["asyncio"] == "Task exception was never retrieved"
    assert str(event.fields["coroutine"]).endswith("job")
    assert [record.name for record in caplog.records] == ["asyncio"]  # said as it was


def test_a_callback_is_told_without_its_arguments(run: Callable[[Any], Any], events: Captured) -> None:
    async def main() -> None:
        tocsin.install(asyncio.get_running_loop())
        asyncio.get_running_loop().call_soon(int, "hunter2-is-no-number")
        await asyncio.sleep(0)

    run(main())
    event = events.assert_one(ValueError)
    assert "hunter2" not in str(event.fields)
    assert str(event.fields["asyncio"]).startswith("Exception in callback")


def test_the_handler_that_was_set_is_called_with_the_same(run: Callable[[Any], Any], events: Captured) -> None:
    seen: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *arguments: seen.append(arguments))
        tocsin.install(loop)
        await lose_a_task()
        context = {"message": "by hand", "exception": KeyError("h")}
        loop.call_exception_handler(context)
        assert seen[-1] == (loop, context)

    run(main())
    assert len(seen) == 2
    assert len(events) == 2


def test_cancellation_and_messages_without_an_exception_are_passed_on_only(
    run: Callable[[Any], Any], events: Captured
) -> None:
    seen: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: seen.append(context["message"]))
        tocsin.install(loop)
        loop.call_exception_handler({"message": "cancelled", "exception": asyncio.CancelledError()})
        loop.call_exception_handler({"message": "without"})

    run(main())
    assert seen == ["cancelled", "without"]
    assert not events


@pytest.mark.complaints
def test_a_fault_of_ours_leaves_handling_as_it_was(
    run: Callable[[Any], Any], events: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def fail(*_args: Any, **_named: Any) -> None:
        raise RuntimeError("ours")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *arguments: seen.append(arguments))
        tocsin.install(loop)
        monkeypatch.setattr(events.reporter.intake, "exception", fail)
        await lose_a_task()

    run(main())
    assert len(seen) == 1


def test_a_task_is_asked_nothing(run: Callable[[Any], Any], events: Captured) -> None:
    class Task(asyncio.Task[None]):
        def __bool__(self) -> bool:
            raise AssertionError("asked")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        tocsin.install(loop)
        task = Task(asyncio.sleep(0), name="job-7")
        await asyncio.wait([task])
        loop.call_exception_handler({"message": "lost", "exception": ValueError("boom"), "task": task})

    run(main())
    assert [event.fields["task"] for event in events] == ["job-7"]


def test_outside_production_nothing_is_set(run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with captured_events(mode="debug") as events:
            assert events.reporter.install(loop) is loop
        assert loop.get_exception_handler() is None

    run(main())
