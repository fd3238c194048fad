"""An executor reports what its calls raise, as of whoever submitted them, and the future raises it as before."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

import tocsin
from tocsin.testing import Captured, captured_events


@pytest.fixture
def events() -> Iterator[Captured]:
    logging.getLogger().addHandler(tocsin.LogHandler())
    with captured_events() as captured:
        yield captured


@pytest.fixture
def pool(events: Captured) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2, thread_name_prefix="pool") as made:
        assert tocsin.install(made) is made
        assert tocsin.install(made) is made  # twice is once
        yield made


def test_a_call_reports_from_its_thread_with_what_held_where_it_was_submitted(
    events: Captured, pool: ThreadPoolExecutor
) -> None:
    def call(number: int, *, by: int) -> float:
        logging.getLogger("shop").warning("in the thread")
        return number / by

    assert pool.submit(call, 4, by=2).result() == 2
    events.clear()
    with tocsin.context(order=7), tocsin.watch("import"):
        future = pool.submit(call, 4, by=0)
        assert isinstance(future.exception(), ZeroDivisionError)
    assert [event.fields for event in events] == [{"order": 7}, {"order": 7}]
    event = events.assert_one(ZeroDivisionError, kind="traceback")
    assert event.thread.startswith("pool")
    assert event.task is not None and event.task.name == "import"
    assert event.exception is not None and [frame.function.rpartition(".")[2] for frame in event.exception.frames] == [
        "call"
    ]


def test_a_request_that_fails_of_it_is_the_same_event(events: Captured, pool: ThreadPoolExecutor) -> None:
    def view(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        return [pool.submit(int, "x").result()]  # type: ignore[list-item]

    answered: list[Any] = []
    list(events.reporter.wsgi(view)({"PATH_INFO": "/a", "REQUEST_METHOD": "GET"}, lambda *a: answered.append(a)))
    event = events.assert_one(ValueError)
    assert event.request is not None and event.request.path == "/a"
    assert dict(answered[0][1])["X-Error-Id"] == event.error_id


def test_map_and_run_in_executor_go_through_it(events: Captured, pool: ThreadPoolExecutor) -> None:
    with pytest.raises(ValueError):
        list(pool.map(int, ["1", "x"]))

    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(pool, int, "y")

    with pytest.raises(ValueError):
        asyncio.run(main())
    events.assert_times(2, ValueError)


@pytest.mark.parametrize("end", [SystemExit(3), KeyboardInterrupt()])
def test_an_order_to_end_is_no_fault(events: Captured, pool: ThreadPoolExecutor, end: BaseException) -> None:
    def call() -> None:
        raise end

    assert pool.submit(call).exception() is end
    assert not events


def test_of_another_process_the_parent_reports(events: Captured) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        tocsin.install(pool)
        with tocsin.context(order=8):
            future = pool.submit(int, "x")
        assert isinstance(future.exception(), ValueError)
        assert pool.submit(int, "5").result() == 5
    event = events.assert_one(ValueError, kind="traceback")
    assert event.fields == {"order": 8}
    assert event.exception is not None and event.exception.cause is not None
    assert "_RemoteTraceback" in event.exception.cause.type


def test_an_executor_of_another_kind_reports_by_its_futures(events: Captured) -> None:
    class Direct(Executor):
        def submit(self, fn: Any, /, *args: Any, **named: Any) -> Future[Any]:
            future: Future[Any] = Future()
            if not args:
                future.cancel()
                return future
            try:
                future.set_result(fn(*args, **named))
            except BaseException as fault:
                future.set_exception(fault)
            return future

    direct = tocsin.install(Direct())
    assert direct.submit(int, "7").result() == 7
    assert direct.submit(int).cancelled()
    assert isinstance(direct.submit(int, "x").exception(), ValueError)
    events.assert_one(ValueError)


def test_outside_production_nothing_is_replaced() -> None:
    with captured_events(mode="debug") as events, ThreadPoolExecutor(1) as pool:
        assert events.reporter.install(pool) is pool
        assert "submit" not in vars(pool)
