"""`tocsin.context`: what a report made within it carries, and how far it goes."""

from __future__ import annotations

import asyncio
import gc
import logging
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import tocsin
from tocsin.capture.lead_up import keep
from tocsin.capture.present import PRESENT
from tocsin.capture.work import Work
from tocsin.event import limits
from tocsin.event.errors import ConfigError
from tocsin.testing import Captured, captured_events

logger = logging.getLogger("shop")


@pytest.fixture
def events() -> Iterator[Captured]:
    handler = tocsin.LogHandler()
    logger.addHandler(handler)
    try:
        with captured_events() as captured:
            yield captured
    finally:
        logger.removeHandler(handler)


def fields(events: Captured) -> list[dict[str, Any]]:
    return [dict(event.fields) for event in events]


def visit(events: Captured, view: Callable[[], None], path: str = "/") -> None:
    """Have a view called for a request, as a server would."""
    app = events.reporter.wsgi(lambda environ, start_response: view() or [])
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.url_scheme": "http"}
    list(app(environ, lambda status, headers: None))


def test_a_block_gives_its_fields_and_tags_to_what_is_logged_within(events: Captured) -> None:
    with tocsin.context(order_id=7, tags={"tenant": "acme"}):
        logger.error("within")
    logger.error("after")
    assert fields(events) == [{"order_id": 7}, {}]
    assert [dict(event.tags) for event in events] == [{"tenant": "acme"}, {}]


def test_of_equal_names_the_inner_block_counts_and_extra_before_any(events: Captured) -> None:
    with tocsin.context(order_id=7, part=1), tocsin.context(order_id=8):
        logger.error("inner")
        logger.error("with extra", extra={"order_id": 9})
    assert fields(events) == [{"order_id": 8, "part": 1}, {"order_id": 9, "part": 1}]


def test_fields_and_tags_are_masked_by_name_and_by_value(events: Captured) -> None:
    with tocsin.context(password="hunter2", url="https://ada:hunter2@db/", tags={"api_key": "k-1", "odd": object()}):
        logger.error("within")
    assert "hunter2" not in str(events[0])
    assert events[0].tags == {"api_key": "[masked: API key]", "odd": "<object>"}


def test_an_exception_that_has_left_the_block_is_reported_with_what_held_where_it_was_raised(events: Captured) -> None:
    """Whoever catches it stands outside: the middleware, or a handler further up."""

    def view() -> None:
        with tocsin.context(order_id=7), tocsin.context(part=2):
            raise KeyError(1)

    visit(events, view)
    assert fields(events) == [{"order_id": 7, "part": 2}]


def test_what_was_raised_in_one_request_says_nothing_of_another(events: Captured) -> None:
    """An exception that lives in a module, raised in two requests, the second time outside of any block."""
    lasting = KeyError("module")

    def first() -> None:
        with tocsin.context(order_id=7):
            raise lasting

    def second() -> None:
        try:
            raise lasting
        except KeyError as fault:
            raise LookupError from fault

    def third() -> None:
        tocsin.report(lasting, fingerprint="again")

    visit(events, first)
    visit(events, second)
    visit(events, third)
    assert fields(events)[0] == {"order_id": 7}
    assert all(not found for found in fields(events)[1:])


def test_a_block_left_by_an_exception_that_was_handled_before_counts_anew(events: Captured) -> None:
    def view() -> None:
        lasting = KeyError(1)
        for number in (1, 2):
            try:
                with tocsin.context(number=number):
                    raise lasting
            except KeyError:
                logger.exception("number %s", number)

    visit(events, view)
    assert fields(events) == [{"number": 1}, {"number": 2}]


def test_outside_of_any_request_the_block_last_left_counts(events: Captured) -> None:
    try:
        with tocsin.context(script=1):
            raise KeyError(1)
    except KeyError as fault:
        tocsin.report(fault)
    assert fields(events) == [{"script": 1}]


def test_an_exception_can_be_pickled_and_keeps_no_field_alive(events: Captured) -> None:
    class Order:
        pass

    kept: list[BaseException] = []

    def visited() -> weakref.ref[Order]:
        order = Order()

        def middleware() -> None:
            try:
                with tocsin.context(lock=threading.Lock(), order=order):
                    raise KeyError(1)
            except KeyError as fault:
                kept.append(pickle.loads(pickle.dumps(fault)))
                kept.append(fault.with_traceback(None))

        visit(events, middleware)
        return weakref.ref(order)

    alive = visited()
    gc.collect()
    assert len(kept) == 2
    assert alive() is None


def test_a_decorated_function_has_its_fields_for_each_call(events: Captured) -> None:
    @tocsin.context(job="import")
    def work(number: int) -> int:
        """Work."""
        logger.error("in work")
        return number

    assert (work(3), work.__name__, work.__doc__) == (3, "work", "Work.")
    assert fields(events) == [{"job": "import"}]


def test_a_decorated_coroutine_function_has_its_fields_across_tasks_of_its_own(events: Captured) -> None:
    @tocsin.context(job="import")
    async def work(number: int) -> None:
        await asyncio.sleep(0)
        with tocsin.context(number=number):
            await asyncio.create_task(inner())

    async def inner() -> None:
        await asyncio.sleep(0)
        logger.error("inner")

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(4)))

    asyncio.run(main())
    assert sorted(found["number"] for found in fields(events)) == [0, 1, 2, 3]
    assert {found["job"] for found in fields(events)} == {"import"}


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_a_generator_function_is_refused_with_what_to_write(kind: str) -> None:
    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> Any:
        yield 1

    with pytest.raises(ConfigError, match=r"write `with tocsin\.context"):
        tocsin.context()(generator if kind == "generator" else async_generator)


def test_a_thread_has_nothing_unless_the_callable_is_wrapped(events: Captured) -> None:
    def view() -> None:
        with tocsin.context(order_id=7, tags={"tenant": "acme"}), ThreadPoolExecutor(1) as pool:
            pool.submit(logger.error, "bare").result()
            pool.submit(tocsin.context(part=2)(logger.error), "wrapped").result()
            pool.submit(logger.error, "bare again").result()

    visit(events, view, "/orders")
    assert fields(events) == [{}, {"order_id": 7, "part": 2}, {}]
    assert [event.request and event.request.path for event in events] == [None, "/orders", None]
    assert [dict(event.tags) for event in events] == [{}, {"tenant": "acme"}, {}]


def test_what_a_wrapped_callable_raises_in_a_thread_and_again_in_the_request_is_one_event(events: Captured) -> None:
    def work() -> None:
        try:
            raise KeyError(1)
        except KeyError:
            logger.exception("in the thread")
            raise

    def view() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(tocsin.context()(work)).result()

    visit(events, view)
    assert len(events) == 1


def test_work_is_named_by_all_that_is_reported_within_and_keeps_the_request_it_is_part_of(events: Captured) -> None:
    with Work("import", by="watch", id="7", fields={"file": "a.csv"}):
        logger.error("alone")

    def view() -> None:
        with Work("eager", by="celery"):
            logger.error("in a request")

    visit(events, view, "/orders")
    logger.error("after")
    alone, inner, after = events
    assert alone.task is not None and (alone.task.name, alone.task.by, alone.task.id) == ("import", "watch", "7")
    assert (alone.request, dict(alone.fields)) == (None, {"file": "a.csv"})
    assert inner.task is not None and inner.task.name == "eager"
    assert inner.request is not None and inner.request.path == "/orders"
    assert (after.task, after.request) == (None, None)


def test_an_exception_logged_in_work_and_then_raised_through_two_is_one_event(events: Captured) -> None:
    intake = events.reporter.intake
    fault = KeyError(1)
    with Work("outer", by="celery") as outer:
        with Work("inner", by="watch") as inner:
            try:
                raise fault
            except KeyError:
                logger.exception("caught")
                intake.exception(fault, via="watch", environ=inner.environ)
        intake.exception(fault, via="celery", environ=outer.environ)
    assert [event.task and event.task.name for event in events] == ["inner"]


def test_work_that_has_ended_ends_once(events: Captured) -> None:
    work = Work("import", by="watch")
    work.end()
    work.begin()
    work.end()
    work.end()
    logger.error("after")
    assert events[0].task is None


def test_one_object_serves_several_threads_at_once(events: Captured) -> None:
    shared = tocsin.context(area="billing")
    entered, left = threading.Event(), threading.Event()

    def other() -> None:
        with shared:
            entered.set()
            left.wait(30)
        logger.error("after, in the other thread")

    thread = threading.Thread(target=other)
    with shared:
        thread.start()
        assert entered.wait(30)
    logger.error("after")
    left.set()
    thread.join()
    assert fields(events) == [{}, {}]


def test_a_task_that_starts_its_successor_time_and_again_keeps_only_so_much(events: Captured) -> None:
    depth = 0

    async def step(number: int) -> None:
        nonlocal depth
        with tocsin.context(step=number):
            if number < 500:
                await asyncio.create_task(step(number + 1))
                return
            logger.error("at last")
            around = PRESENT.get()
            while around.outer is not None:
                around, depth = around.outer, depth + 1

    asyncio.run(step(1))
    assert fields(events) == [{"step": 500}]
    assert depth <= limits.PRESENT_DEPTH


@pytest.mark.complaints
@pytest.mark.parametrize("given", [["a"], "text", 7, object()])
def test_tags_that_are_no_mapping_fail_no_work(events: Captured, given: Any) -> None:
    with tocsin.context(tags=given, order_id=7), Work("import", by="watch", tags=given):
        logger.error("within")
    assert fields(events) == [{"order_id": 7}]
    assert dict(events[0].tags) == {}


def test_a_number_too_long_for_a_text_costs_no_report(events: Captured) -> None:
    with tocsin.context(tags={"huge": 10**5000, "password": "hunter2"}, huge=10**5000):
        logger.error("within")
    assert fields(events) == [{"huge": "<int of 16610 bits>"}]
    assert dict(events[0].tags) == {"huge": "<int>", "password": "[masked: password]"}


def test_of_too_many_fields_the_records_own_stay(events: Captured) -> None:
    with tocsin.context(**{f"field{number}": number for number in range(limits.FIELDS)}):
        logger.error("within", extra={"order_id": 7, "field0": "own"})
    assert len(events[0].fields) == limits.FIELDS
    assert (events[0].fields["order_id"], events[0].fields["field0"]) == (7, "own")


def test_what_an_application_shows_of_the_environ_has_nothing_unmasked_of_ours(events: Captured) -> None:
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.url_scheme": "http"}

    def view(*_: object) -> list[bytes]:
        keep(logging.makeLogRecord({"msg": "token %s", "args": ("zebra7",), "levelno": 10}), 5, lambda name: False)
        with tocsin.context(password="zebra7", tags={"secret": "zebra7"}):
            raise ValueError

    list(events.reporter.wsgi(view)(environ, lambda status, headers: None))
    assert "tocsin.lead_up" in environ and "tocsin.raised" in environ
    assert "zebra7" not in repr(environ)
