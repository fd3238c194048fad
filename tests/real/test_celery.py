"""Celery on a real Redis: each fault once, from every pool, also of children that are killed; eager tasks; the page."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

pytest.importorskip("celery", reason="no celery; pip install celery")
pytest.importorskip("redis", reason="no redis; pip install redis")

import redis_server  # noqa: E402
from background import PATIENCE_S, delivering, finish, running, settings  # noqa: E402
from celery import Celery, signals  # noqa: E402
from celery.exceptions import Ignore, Reject  # noqa: E402

from how_to import unpack  # noqa: E402
from tocsin.event.wire import encode  # noqa: E402
from tocsin.testing import Captured, captured_events  # noqa: E402

# task → (kind, type of its exception), in order of name; each is one fault
ANYWHERE = {
    "divides": ("traceback", "ZeroDivisionError"),
    "logs": ("error", ""),
    "logs_and_raises": ("error", "LookupError"),
    "raises_always": ("traceback", "RuntimeError"),
    "returns_nonsense": ("traceback", "kombu.exceptions.EncodeError"),
    "tries_again": ("traceback", "TimeoutError"),
    "tries_by_itself": ("traceback", "ConnectionAbortedError"),
    "unpicklable": ("traceback", "celery_shop.Unpicklable"),
}
NO_FAULTS = ("comes_through", "raises_expected", "is_ignored", "is_rejected", "ends_well")
IN_CHILDREN = {
    "is_killed": ("traceback", "billiard.exceptions.WorkerLostError"),
    "is_told_the_time": ("traceback", "billiard.exceptions.SoftTimeLimitExceeded"),
    "takes_too_long": ("traceback", "billiard.exceptions.TimeLimitExceeded"),
}
ARGUMENTS = {"divides": (0,), "logs_and_raises": ("hush-hush",)}


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with redis_server.running() as url:
        yield url


@pytest.fixture
def broker(redis: str) -> str:
    """Return a broker with nothing in it."""
    from redis import Redis

    with Redis.from_url(redis) as connection:
        connection.flushall()
    return redis


def send(broker: str, *tasks: str) -> None:
    with Celery(broker=broker, set_as_current=False) as sender:
        for task in tasks:
            sender.send_task(f"celery_shop.{task}", ARGUMENTS.get(task, ()))


def worker(folder: Path, broker: str, *options: str) -> Any:
    command = ["-m", "celery", "--app", "celery_shop", "worker", "--loglevel", "INFO", "--concurrency", "2", *options]
    return running(folder, command, {"BROKER": broker})


def shown(events: list[dict[str, Any]]) -> list[tuple[str, tuple[str, str]]]:
    return sorted(
        (event["task"]["name"].rpartition(".")[2], (event["kind"], (event["exception"] or {}).get("type", "")))
        for event in events
    )


# -- on real workers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent"])
def test_every_fault_of_a_worker_is_reported_once_with_its_task(pool: str, broker: str, tmp_path: Path) -> None:
    if pool == "gevent":
        pytest.importorskip("gevent", reason="no gevent; pip install gevent")
    settings(tmp_path)
    faults = {**ANYWHERE, **IN_CHILDREN} if pool == "prefork" else ANYWHERE
    words = [("is_killed", ("error", ""))] if pool == "prefork" else []
    with worker(tmp_path, broker, "--pool", pool) as running_worker:
        running_worker.wait_for("ready.")
        send(broker, *NO_FAULTS, *ANYWHERE)
        running_worker.events(len(ANYWHERE))  # while the worker lives: nobody waits for its end
        for task in IN_CHILDREN if pool == "prefork" else ():
            send(broker, task)  # a child that is killed may take along what it was given besides
            running_worker.of_task(f"celery_shop.{task}", 2 if task == "is_killed" else 1)
        expected = sorted([*faults.items(), *words])
        send(broker, "logs")
        found = running_worker.events(len(expected) + 1)
        assert finish(running_worker.process) == 0
    found = running_worker.events(len(expected) + 1)
    assert shown(found) == sorted([*expected, ("logs", ("error", ""))])
    assert {event["task"]["by"] for event in found} == {"celery"}
    told_within = [event for event in found if event["process"]["name"] != "MainProcess" or pool != "prefork"]
    assert {event["fields"]["queue"] for event in told_within} == {"celery"}
    assert [e["fields"]["retries"] for e in found if e["task"]["name"].endswith("tries_again")] == [2]
    assert all(event["task"]["id"] for event in found)
    assert "hush-hush" not in (tmp_path / "events.jsonl").read_text("utf-8")
    assert "tocsin:" not in running_worker.log  # no complaint of ours


def test_children_that_end_with_their_task_lose_nothing(broker: str, tmp_path: Path) -> None:
    """With one task a child its own threads never come to deliver; the main process does."""
    settings(tmp_path)
    with worker(tmp_path, broker, "--max-tasks-per-child", "1") as running_worker:
        running_worker.wait_for("ready.")
        send(broker, "divides", "logs", "tries_again", "unpicklable")
        assert len(running_worker.events(4)) == 4


def test_warm_shutdown_delivers_what_was_reported_last(broker: str, tmp_path: Path) -> None:
    settings(tmp_path)
    with worker(tmp_path, broker) as running_worker:
        running_worker.wait_for("ready.")
        send(broker, "divides")
        running_worker.wait_for("raised unexpected")
        assert finish(running_worker.process) == 0
    assert shown(running_worker.events(1)) == [("divides", ANYWHERE["divides"])]


def test_killed_worker_leaves_its_reports_in_the_spool(broker: str, tmp_path: Path) -> None:
    settings(tmp_path, 'delivery = "process"')
    with worker(tmp_path, broker) as running_worker:
        running_worker.wait_for("ready.")
        send(broker, "divides", "logs")
        running_worker.wait_for("raised unexpected")
        running_worker.wait_for("stock is short")
        os.killpg(running_worker.process.pid, signal.SIGKILL)
        running_worker.process.wait(PATIENCE_S)
    assert not (tmp_path / "events.jsonl").exists()
    delivering(tmp_path)
    assert len(running_worker.events(2)) == 2


def test_beat_reports_what_it_fails_to_send(broker: str, tmp_path: Path) -> None:
    settings(tmp_path)
    command = ["-m", "celery", "--app", "celery_shop", "beat", "--schedule", str(tmp_path / "schedule")]
    with running(tmp_path, command, {"BROKER": broker}) as beat:
        found = beat.events(1)
    assert found[0]["logger"] == "celery.beat"
    assert found[0]["exception"]["type"] == "celery.beat.SchedulingError"


# -- eager tasks, and what is connected --------------------------------------------------------------------------


@pytest.fixture
def captured() -> Iterator[Captured]:
    with captured_events(logs=True) as events:
        yield events


@pytest.fixture
def app(captured: Captured) -> Celery:
    return captured.reporter.install(eager("shop"))


def eager(name: str) -> Celery:
    app = Celery(name, set_as_current=False, broker="memory://localhost/", backend="cache+memory://")
    app.conf.update(task_always_eager=True)
    return app


def test_eager_task_that_fails_is_one_fault_wherever_its_exception_goes(app: Celery, captured: Captured) -> None:
    @app.task
    def fails() -> None:
        raise LookupError("gone")

    result = fails.delay()
    with pytest.raises(LookupError) as caught:
        result.get()
    captured.reporter.report(caught.value)
    event = captured.assert_one(LookupError)
    assert len(captured) == 1
    assert event.task is not None
    assert (event.task.by, event.task.id) == ("celery", result.id)


def test_eager_task_that_propagates_leaves_the_report_to_its_caller(app: Celery, captured: Captured) -> None:
    app.conf.task_eager_propagates = True

    @app.task(name="fails")
    def fails() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError) as caught:
        fails.delay()
    captured.assert_none()
    captured.reporter.report(caught.value)
    event = captured.assert_one(LookupError)
    assert event.task is not None
    assert event.task.name == "fails"


def test_eager_task_within_an_except_block_leaves_the_outer_exception_alone(app: Celery, captured: Captured) -> None:
    @app.task
    def ends_well() -> int:
        return 1

    try:
        raise LookupError("outer")
    except LookupError as outer:
        assert ends_well.delay().get() == 1
        captured.reporter.report(outer)
    assert captured.assert_one(LookupError).task is None


def test_eager_task_in_a_web_request_keeps_the_request(app: Celery, captured: Captured) -> None:
    @app.task(name="fails")
    def fails() -> None:
        raise LookupError("gone")

    def view(environ: Any, start_response: Any) -> list[bytes]:
        fails.delay().get()
        return []

    guarded = captured.reporter.wsgi(view)
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/orders", "wsgi.url_scheme": "http"}
    list(guarded(environ, lambda status, headers: None))
    event = captured.assert_one(LookupError)
    assert len(captured) == 1
    assert event.request is not None
    assert event.task is not None
    assert (event.request.path, event.task.name) == ("/orders", "fails")


def test_eager_task_that_fails_within_another_is_one_fault_of_the_inner_one(app: Celery, captured: Captured) -> None:
    @app.task(name="inner")
    def inner() -> None:
        raise LookupError("gone")

    @app.task(name="outer")
    def outer() -> None:
        inner.delay().get(disable_sync_subtasks=False)

    outer.delay()
    event = captured.assert_one(LookupError)
    assert len(captured) == 1
    assert event.task is not None
    assert event.task.name == "inner"


def test_eager_retries_that_come_to_their_end_are_one_fault(app: Celery, captured: Captured) -> None:
    @app.task(bind=True, max_retries=3)
    def tries_again(self: Any) -> None:
        try:
            raise TimeoutError("no answer")
        except TimeoutError as fault:
            raise self.retry(exc=fault) from fault

    tries_again.delay()
    captured.assert_one(TimeoutError)
    assert len(captured) == 1


@pytest.mark.parametrize("outcome", [Ignore(), Reject("no"), KeyError("expected")])
def test_outcomes_that_a_task_asks_for_are_no_faults(app: Celery, captured: Captured, outcome: Exception) -> None:
    @app.task(throws=(KeyError,))
    def ends() -> None:
        raise outcome

    ends.delay()
    captured.assert_none()


def test_exception_that_is_raised_again_by_another_run_is_another_fault(app: Celery, captured: Captured) -> None:
    always = RuntimeError("made once")

    @app.task
    def fails() -> None:
        raise always

    fails.delay()
    fails.delay()
    captured.assert_times(2, RuntimeError)


def test_arguments_are_not_told(app: Celery, captured: Captured) -> None:
    @app.task
    def fails(card: str) -> None:
        raise LookupError("gone")

    number = str(4_111_222_233_334_444 + 1)  # made here: the source around a failure is shown
    fails.delay(number)
    assert number not in encode(captured.assert_one(LookupError)).decode()


def test_tasks_of_another_application_are_let_alone(app: Celery, captured: Captured) -> None:
    other = eager("other")

    @other.task
    def fails() -> None:
        raise LookupError("gone")

    logging.getLogger("celery.app.trace").propagate = False  # which would tell of it by itself
    fails.delay()
    captured.assert_none()


def test_record_of_a_failure_names_the_report(
    app: Celery, captured: Captured, caplog: pytest.LogCaptureFixture
) -> None:
    @app.task
    def fails() -> None:
        raise LookupError("gone")

    fails.delay()
    [record] = [record for record in caplog.records if record.name == "celery.app.trace"]
    assert record.__dict__["error_id"] == captured.assert_one(LookupError).error_id


def test_ignored_exception_is_counted_once() -> None:
    with captured_events(logs=True, ignore=["LookupError"]) as captured:
        app = captured.reporter.install(eager("shop"))

        @app.task
        def fails() -> None:
            raise LookupError("gone")

        fails.delay()
        captured.assert_none()
        assert captured.reporter.stats()["tallies"] == {"ignored": 1}


def test_nothing_of_a_run_is_kept(app: Celery, captured: Captured) -> None:
    class Big:
        pass

    held: list[weakref.ref[Big]] = []

    @app.task
    def fails() -> None:
        big = Big()
        held.append(weakref.ref(big))
        raise LookupError("gone")

    logging.getLogger("celery.app.trace").propagate = False  # pytest keeps records
    fails.delay()
    captured.clear()
    gc.collect()
    assert [ref() for ref in held] == [None]


def receivers() -> Counter[str]:
    found = {name: getattr(signal, "receivers", None) for name, signal in vars(signals).items()}
    return Counter({name: len(connected) for name, connected in found.items() if connected})


def test_close_disconnects_and_a_second_install_binds_only() -> None:
    before = receivers()
    app = eager("shop")

    @app.task
    def fails() -> None:
        raise LookupError("gone")

    with captured_events(logs=True) as first:
        assert first.reporter.install(app) is app
        once = receivers()
        assert once != before
        first.reporter.install(app)
        assert receivers() == once
        with captured_events(logs=True) as second:
            second.reporter.install(app)
            assert receivers() == once
            fails.delay()
            second.assert_one(LookupError)
        first.assert_none()
    assert receivers() == before
    assert not any(logging.getLogger(name).filters for name in ("celery.app.trace", "celery.redirected"))


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_connected(mode: str) -> None:
    before = receivers()
    with captured_events(mode=mode) as captured:
        captured.reporter.install(eager("shop"))
        assert receivers() == before


# -- the page ----------------------------------------------------------------------------------------------------


def test_page(broker: str, tmp_path: Path) -> None:
    """Its application, under the command it shows, reports what it says."""
    unpack("celery.md", tmp_path)
    command = ["-m", "celery", "-A", "shop", "worker", "--loglevel", "INFO"]
    with running(tmp_path, command, {"BROKER": broker}, cwd=tmp_path) as shop:
        shop.wait_for("ready.")
        with Celery(broker=broker, set_as_current=False) as sender:
            sender.send_task("shop.invoice", (0,))
            sender.send_task("shop.fetch_rates")
        [invoice] = shop.of_task("shop.invoice")
        [rates] = shop.of_task("shop.fetch_rates")
    assert invoice["exception"]["type"] == "ZeroDivisionError"
    assert [line["message"] for line in invoice["lead_up"]][-1:] == ["writing invoice 0"]
    assert rates["fields"]["retries"] == 2
