"""`watch`: what leaves a block or a function is reported once, named, and raised again as the very same object."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import tocsin
from tocsin.handlers import LeadUpHandler
from tocsin.testing import Captured, captured_events


@pytest.fixture
def events() -> Iterator[Captured]:
    logging.getLogger().addHandler(tocsin.LogHandler())
    with captured_events() as captured:
        yield captured


def told(events: Captured) -> list[tuple[str, str]]:
    return [
        (event.exception.type if event.exception else event.message, event.task.name if event.task else "")
        for event in events
    ]


def test_a_block_reports_what_leaves_it_and_raises_the_very_same_object(events: Captured) -> None:
    fault = ValueError("no such file")
    with pytest.raises(ValueError) as caught, tocsin.watch("nightly import", tags={"team": "a"}, source="ftp"):
        raise fault
    assert caught.value is fault
    event = events.assert_one(ValueError, kind="traceback")
    assert event.task is not None
    assert (event.task.name, event.task.by) == ("nightly import", "watch")
    assert (event.tags, event.fields) == ({"team": "a"}, {"source": "ftp"})
    assert [frame.module for frame in event.exception.frames] == [__name__]  # type: ignore[union-attr]


def test_a_block_that_ends_well_reports_nothing_and_what_comes_after_it_is_not_its(events: Captured) -> None:
    with tocsin.watch("import"):
        logging.getLogger("shop").warning("inside")
    logging.getLogger("shop").warning("outside")
    assert told(events) == [("inside", "import"), ("outside", "")]


@pytest.mark.parametrize(
    "end",
    [SystemExit(0), SystemExit(3), SystemExit("sorry"), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()],
)
def test_what_ends_a_program_in_order_is_no_fault(events: Captured, end: BaseException) -> None:
    with pytest.raises(type(end)) as caught, tocsin.watch("import"):
        raise end
    assert caught.value is end
    assert not events


def test_a_group_is_a_fault_if_it_holds_one(events: Captured) -> None:
    for group in (
        BaseExceptionGroup("ended", [KeyboardInterrupt(), BaseExceptionGroup("deep", [SystemExit(1)])]),
        BaseExceptionGroup("broken", [KeyboardInterrupt(), BaseExceptionGroup("deep", [KeyError("k"), SystemExit(1)])]),
    ):
        with pytest.raises(BaseExceptionGroup), tocsin.watch("import"):
            raise group
    assert [event.exception.message for event in events if event.exception] == ["broken (2 sub-exceptions)"]


def test_blocks_within_each_other_report_once_by_the_innermost(events: Captured) -> None:
    with pytest.raises(KeyError), tocsin.watch("outer", a=1), tocsin.watch("middle"), tocsin.watch("inner", b=2):
        raise KeyError("k")
    assert told(events) == [("KeyError", "inner")]
    assert events[0].fields == {"a": 1, "b": 2}


def test_a_function_that_calls_itself_reports_once(events: Captured) -> None:
    @tocsin.watch("walk")
    def walk(depth: int) -> None:
        if depth == 0:
            raise KeyError("leaf")
        walk(depth - 1)

    with pytest.raises(KeyError):
        walk(4)
    assert told(events) == [("KeyError", "walk")]


def test_the_same_exception_object_raised_by_the_next_run_is_another_occurrence(events: Captured) -> None:
    fault = KeyError("one for all")

    @tocsin.watch("poll")
    def poll() -> None:
        raise fault

    for _ in range(3):
        with pytest.raises(KeyError):
            poll()
    events.assert_times(3, KeyError)


def test_an_exception_that_was_logged_inside_is_one_event_of_the_record(events: Captured) -> None:
    with pytest.raises(KeyError), tocsin.watch("import"):
        try:
            raise KeyError("k")
        except KeyError:
            logging.getLogger("shop").exception("could not")
            raise
    assert told(events) == [("KeyError", "import")]


def test_a_decorated_function_is_what_it_was(events: Captured) -> None:
    @tocsin.watch("job", part=1)
    def job(number: int, *, by: int = 1) -> float:
        """Divide."""
        return number / by

    assert (job(4, by=2), job.__name__, job.__doc__) == (2.0, "job", "Divide.")
    assert list(inspect.signature(job).parameters) == ["number", "by"]
    with pytest.raises(ZeroDivisionError):
        job(4, by=0)
    assert told(events) == [("ZeroDivisionError", "job")]


def test_methods_of_all_sorts_can_be_decorated(events: Captured) -> None:
    class Job:
        @tocsin.watch("plain")
        def plain(self) -> Any:
            return self

        @tocsin.watch("static")
        @staticmethod
        def static(value: int) -> int:
            return value

        @tocsin.watch("class")
        @classmethod
        def of_class(cls) -> Any:
            return cls

    job = Job()
    assert (job.plain(), job.static(1), Job.static(2), job.of_class(), Job.of_class()) == (job, 1, 2, Job, Job)


def test_a_coroutine_function_stays_one_and_reports(events: Captured) -> None:
    @tocsin.watch("sync")
    async def sync() -> None:
        await asyncio.sleep(0)
        logging.getLogger("shop").warning("late")
        raise KeyError("k")

    assert inspect.iscoroutinefunction(sync)
    with pytest.raises(KeyError):
        asyncio.run(sync())
    assert told(events) == [("late", "sync"), ("KeyError", "sync")]


def test_tasks_side_by_side_keep_their_names_and_cancellation_is_no_fault(events: Captured) -> None:
    async def part(name: str) -> None:
        with tocsin.watch(name):
            await asyncio.sleep(0)
            logging.getLogger("shop").warning("in %s", name)
            await asyncio.sleep(10)

    async def all_parts() -> None:
        tasks = [asyncio.create_task(part(name)) for name in "abc"]
        for _ in range(10):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(all_parts())
    assert sorted(told(events)) == [("in a", "a"), ("in b", "b"), ("in c", "c")]


def test_one_object_serves_many_threads_at_once(events: Captured) -> None:
    watch = tocsin.watch("shared")
    entered, failed = threading.Barrier(4), threading.Event()

    def work(number: int) -> None:
        with watch:
            entered.wait(30)
            if number == 2:
                raise KeyError(number)
            failed.wait(30)

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work, number) for number in range(4)]
        assert isinstance(futures[2].exception(), KeyError)
        failed.set()
    events.assert_one(KeyError)
    assert len(events) == 1
    assert not watch._runs


def test_a_block_left_in_another_context_than_it_was_entered_in_still_reports(events: Captured) -> None:
    """As frameworks do that run the two halves of a fixture or a dependency in threads of a pool."""
    import contextvars

    watch = tocsin.watch("halves")
    contextvars.copy_context().run(watch.__enter__)
    fault = KeyError("k")
    contextvars.copy_context().run(watch.__exit__, KeyError, fault, None)
    events.assert_one(KeyError)
    assert not watch._runs


def test_a_generator_is_watched_in_its_own_steps_only(events: Captured) -> None:
    @tocsin.watch("rows")
    def rows() -> Iterator[Any]:
        """Yield rows."""
        got = yield 1
        logging.getLogger("shop").warning("got %s", got)
        try:
            yield 2
        except LookupError as thrown:
            yield thrown
        raise KeyError("k")

    assert inspect.isgeneratorfunction(rows)
    generator: Any = rows()
    assert next(generator) == 1
    logging.getLogger("shop").warning("between")
    assert generator.send("a") == 2
    thrown = LookupError("thrown in")
    assert generator.throw(thrown) is thrown
    with pytest.raises(KeyError):
        next(generator)
    assert told(events) == [("between", ""), ("got a", "rows"), ("KeyError", "rows")]


def test_what_a_generator_logged_in_its_steps_before_leads_up_to_its_fault(events: Captured) -> None:
    logger = logging.getLogger("shop")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(LeadUpHandler())

    @tocsin.watch("rows")
    def rows() -> Iterator[int]:
        logger.debug("the first step")
        yield 1
        raise KeyError("k")

    with pytest.raises(KeyError):
        for _ in rows():
            logger.debug("between the steps")
    assert [line.message for line in events.assert_one(KeyError).lead_up] == ["the first step"]


def test_a_generator_returns_closes_and_hands_through_as_before(events: Captured) -> None:
    closed = []

    @tocsin.watch("rows")
    def rows() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(1)
        return 7

    def outer() -> Iterator[int]:
        value = yield from rows()  # type: ignore[func-returns-value]
        yield value  # type: ignore[misc]

    assert list(outer()) == [1, 2, 7]
    generator: Any = rows()
    next(generator)
    generator.close()
    assert closed == [1, 1]
    broken: Any = rows()
    next(broken)
    with pytest.raises(LookupError):
        broken.throw(LookupError("not taken"))
    assert told(events) == [("LookupError", "rows")]


def test_an_asynchronous_generator_is_watched_likewise(events: Captured) -> None:
    closed = []

    @tocsin.watch("pages")
    async def pages() -> AsyncIterator[Any]:
        try:
            try:
                yield 1
            except LookupError as thrown:
                yield thrown
            await asyncio.sleep(0)
            raise KeyError("k")
        finally:
            closed.append(1)

    async def read() -> None:
        assert inspect.isasyncgenfunction(pages)
        generator: Any = pages()
        assert await anext(generator) == 1
        logging.getLogger("shop").warning("between")
        thrown = LookupError()
        assert await generator.athrow(thrown) is thrown
        with pytest.raises(KeyError):
            await anext(generator)
        other: Any = pages()
        await anext(other)
        await other.aclose()

    asyncio.run(read())
    assert told(events) == [("between", ""), ("KeyError", "pages")]
    assert closed == [1, 1]


def test_partials_and_callable_objects_can_be_wrapped(events: Captured) -> None:
    async def add(a: int, b: int) -> int:
        return a + b

    assert asyncio.run(tocsin.watch("add")(functools.partial(add, 1))(2)) == 3
    assert tocsin.watch("text")(functools.partial(int, base=2))("101") == 5


def test_without_a_reporter_nothing_happens() -> None:
    """A module may be imported, and its functions called, by a program that never calls `setup`."""

    @tocsin.watch("early")
    def early(number: int) -> float:
        return 1 / number

    assert early(2) == 0.5
    with pytest.raises(ZeroDivisionError):
        early(0)
    with captured_events() as events:
        with pytest.raises(ZeroDivisionError):
            early(0)
        events.assert_one(ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        early(0)


def test_outside_production_nothing_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    with captured_events(mode="debug") as events:
        with pytest.raises(KeyError), events.reporter.watch("import"):
            raise KeyError("k")
        assert not events
    assert not caplog.records


def test_within_a_request_the_answer_has_the_blocks_error_id(events: Captured) -> None:
    def view(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with tocsin.watch("import"):
            raise KeyError("k")

    answered: list[Any] = []
    environ = {"PATH_INFO": "/import", "REQUEST_METHOD": "GET"}
    list(events.reporter.wsgi(view)(environ, lambda *args: answered.append(args)))
    event = events.assert_one(KeyError)
    assert dict(answered[0][1])["X-Error-Id"] == event.error_id
    assert event.request is not None and event.task is not None
    assert (event.request.path, event.task.name) == ("/import", "import")


@pytest.mark.parametrize("wrong", [None, 7, len])
def test_a_watch_without_a_name_is_refused_with_what_to_write(wrong: Any) -> None:
    with pytest.raises(tocsin.ConfigError, match=r'takes a name first: with tocsin\.watch\("nightly import"\)'):
        tocsin.watch(wrong)


@pytest.mark.parametrize("wrong", [int, 7, iter([])])
def test_what_is_no_function_is_refused(wrong: Any) -> None:
    with pytest.raises(tocsin.ConfigError, match="decorates functions, not"):
        tocsin.watch("job")(wrong)
