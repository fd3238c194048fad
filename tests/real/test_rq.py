"""RQ on a real Redis: each fault once, from work-horses that fork, spawn, or are none, also when they are killed."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

pytest.importorskip("rq", reason="no rq; pip install rq")
pytest.importorskip("redis", reason="no redis; pip install redis")

import redis_server  # noqa: E402
import rq  # noqa: E402
from background import PATIENCE_S, delivering, finish, running, settings  # noqa: E402
from redis import Redis  # noqa: E402
from rq.exceptions import AbandonedJobError  # noqa: E402

from how_to import unpack  # noqa: E402
from tocsin.event.errors import ConfigError  # noqa: E402
from tocsin.testing import captured_events  # noqa: E402

FAULTS = {
    "divides": ("traceback", "ZeroDivisionError"),
    "exits": ("traceback", "SystemExit"),
    "logs": ("error", ""),
    "logs_and_raises": ("error", "LookupError"),
    "takes_too_long": ("traceback", "rq.timeouts.JobTimeoutException"),
    "tries_again": ("traceback", "TimeoutError"),
}
ARGUMENTS: dict[str, tuple[Any, ...]] = {"divides": (0,), "logs_and_raises": ("hush-hush",)}
MORE: dict[str, dict[str, Any]] = {"tries_again": {"retry": rq.Retry(max=2)}, "takes_too_long": {"job_timeout": 1}}


SPAWNS = pytest.mark.skipif(not hasattr(rq, "SpawnWorker"), reason="no SpawnWorker; pip install 'rq>=3'")


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with redis_server.running() as url:
        yield url


@pytest.fixture
def connection(redis: str) -> Iterator[Any]:
    """Return a connection to a Redis with nothing in it."""
    with Redis.from_url(redis) as connection:
        connection.flushall()
        yield connection


def send(connection: Any, *jobs: str) -> list[Any]:
    queue = rq.Queue(connection=connection)
    return [queue.enqueue(f"rq_jobs.{job}", args=ARGUMENTS.get(job, ()), **MORE.get(job, {})) for job in jobs]


def worker(folder: Path, redis: str, *arguments: str) -> Any:
    return running(folder, [str(HERE / "rq_worker.py"), *arguments], {"BROKER": redis})


def shown(events: list[dict[str, Any]]) -> list[tuple[str, tuple[str, str]]]:
    return sorted(
        (event["task"]["name"].rpartition(".")[2], (event["kind"], (event["exception"] or {}).get("type", "")))
        for event in events
    )


# -- on real workers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Worker", "SimpleWorker", pytest.param("Spawning", marks=SPAWNS)])
def test_every_fault_is_reported_once_with_its_job(kind: str, redis: str, connection: Any, tmp_path: Path) -> None:
    settings(tmp_path)
    with worker(tmp_path, redis, kind) as running_worker:
        jobs = send(connection, "ends_well", *FAULTS)
        running_worker.events(len(FAULTS))  # while the worker lives: nobody waits for its end
        send(connection, "logs")
        found = running_worker.events(len(FAULTS) + 1)
        assert finish(running_worker.process) == 0
        found = running_worker.events(len(FAULTS) + 1)
    assert shown(found) == sorted([*FAULTS.items(), ("logs", ("error", ""))])
    assert {event["task"]["by"] for event in found} == {"rq"}
    assert {event["task"]["id"] for event in found} >= {job.id for job in jobs[1:]}
    assert {event["fields"]["queue"] for event in found} == {"default"}
    assert "hush-hush" not in (tmp_path / "events.jsonl").read_text("utf-8")
    assert "tocsin:" not in running_worker.log  # no complaint of ours
    assert "Listening on" in running_worker.log  # RQ prints what it printed
    assert "exception raised while executing (rq_jobs.divides)" in running_worker.log


@pytest.mark.parametrize("kind", ["Worker", pytest.param("Spawning", marks=SPAWNS)])
def test_killed_work_horse_is_one_error_and_its_last_words_are_kept(
    kind: str, redis: str, connection: Any, tmp_path: Path
) -> None:
    settings(tmp_path)
    with worker(tmp_path, redis, kind) as running_worker:
        send(connection, "is_killed")
        running_worker.events(2)
        send(connection, "logs")
        found = running_worker.events(3)
    assert [event["kind"] for event in found] == ["error"] * 3
    [words] = [event for event in found if event["message"] == "the last words"]
    [killed] = [event for event in found if event["message"].startswith("the work-horse")]
    assert "signal 9 (SIGKILL)" in killed["message"]
    assert killed["task"] == words["task"]


def test_killed_work_horse_whose_job_is_tried_again_is_a_warning(redis: str, connection: Any, tmp_path: Path) -> None:
    settings(tmp_path)
    with worker(tmp_path, redis, "Worker") as running_worker:
        rq.Queue(connection=connection).enqueue("rq_jobs.is_killed", retry=rq.Retry(max=1))
        found = running_worker.events(2, lambda event: event["message"].startswith("the work-horse"))
    assert [event["kind"] for event in found] == ["warning", "error"]


def test_job_that_is_tried_again_and_comes_through_is_no_fault(redis: str, connection: Any, tmp_path: Path) -> None:
    settings(tmp_path)
    with worker(tmp_path, redis, "Worker") as running_worker:
        send(connection, "asks_to_be_tried_again", "tries_again", "ends_well")
        [event] = running_worker.of_task("rq_jobs.tries_again")
    assert event["task"]["name"] == "rq_jobs.tries_again"
    assert len(running_worker.of_task("rq_jobs.tries_again")) == 1


def test_killed_worker_leaves_its_reports_in_the_spool(redis: str, connection: Any, tmp_path: Path) -> None:
    settings(tmp_path, 'delivery = "process"')
    with worker(tmp_path, redis, "Worker") as running_worker:
        send(connection, "divides", "logs", "ends_well")
        running_worker.wait_for("default: Job OK")
        running_worker.wait_for("rq_jobs.ends_well")
        os.killpg(running_worker.process.pid, signal.SIGKILL)
        running_worker.process.wait(PATIENCE_S)
    assert not (tmp_path / "events.jsonl").exists()
    delivering(tmp_path)
    assert len(running_worker.events(2)) == 2


def test_rq_command_with_a_worker_class_of_ones_own(redis: str, connection: Any, tmp_path: Path) -> None:
    settings(tmp_path)
    command = ["-m", "rq.cli", "worker", "--url", redis, "--worker-class", "rq_jobs.Reporting"]
    with running(tmp_path, command, {"PYTHONPATH": str(HERE)}) as running_worker:
        send(connection, "divides")
        assert shown(running_worker.events(1)) == [("divides", FAULTS["divides"])]


@SPAWNS
def test_spawning_worker_without_a_class_of_its_own_is_refused(connection: Any) -> None:
    with captured_events() as captured, pytest.raises(ConfigError, match="whose __init__ calls"):
        captured.reporter.install(rq.SpawnWorker(["default"], connection=connection))


@SPAWNS
def test_work_horse_where_nothing_is_installed_says_what_to_write(redis: str, connection: Any, tmp_path: Path) -> None:
    settings(tmp_path)
    with worker(tmp_path, redis, "BareSpawning") as running_worker:
        send(connection, "divides")
        running_worker.wait_for("have the worker's __init__ install(self)")


# -- in this process ---------------------------------------------------------------------------------------------


def simple(connection: Any) -> Any:
    return rq.SimpleWorker([rq.Queue(connection=connection)], connection=connection, name=uuid.uuid4().hex)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a worker in this process from handling the run's own signals."""
    monkeypatch.setattr(rq.SimpleWorker, "_install_signal_handlers", lambda self: None)


def test_other_exception_handlers_are_called_as_before(connection: Any) -> None:
    told: list[str] = []
    with captured_events(logs=True) as captured:
        worker = simple(connection)
        worker.push_exc_handler(lambda job, kind, exc, trace: told.append("first"))
        captured.reporter.install(worker)
        worker.push_exc_handler(lambda job, kind, exc, trace: told.append("last"))
        send(connection, "divides")
        worker.work(burst=True)
        captured.assert_one(ZeroDivisionError)
    assert told == ["first", "last"]


def test_second_install_binds_only(connection: Any) -> None:
    worker = simple(connection)
    with captured_events(logs=True) as first:
        assert first.reporter.install(worker) is worker
        with captured_events(logs=True) as second:
            second.reporter.install(worker)
            send(connection, "divides")
            worker.work(burst=True)
            second.assert_one(ZeroDivisionError)
            assert len(second) == 1
        first.assert_none()


def test_after_close_jobs_run_and_nothing_is_reported(connection: Any) -> None:
    worker = simple(connection)
    with captured_events() as captured:
        captured.reporter.install(worker)
    send(connection, "divides")
    assert worker.work(burst=True)
    captured.assert_none()


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_put_on_the_worker(mode: str, connection: Any) -> None:
    with captured_events(mode=mode) as captured:
        worker = captured.reporter.install(simple(connection))
    assert "perform_job" not in vars(worker)


def test_job_of_a_worker_that_is_gone_is_reported_by_the_one_that_finds_it(connection: Any) -> None:
    with captured_events() as captured:
        worker = captured.reporter.install(simple(connection))
        [job] = send(connection, "divides")
        worker.handle_exception(job, AbandonedJobError, AbandonedJobError("no heartbeat"), None)
        event = captured.assert_one(AbandonedJobError)
    assert event.task is not None
    assert (event.task.name, event.task.id) == ("rq_jobs.divides", job.id)


def test_failure_of_rq_itself_within_a_work_horse_is_reported(connection: Any) -> None:
    """Such a work-horse ends by os._exit(1), and RQ knows only that it ended."""
    with captured_events() as captured:
        worker = simple(connection)

        def broken(job: Any, queue: Any, execution: Any) -> bool:
            raise ConnectionResetError("Redis is gone")

        worker.perform_job = broken
        captured.reporter.install(worker)
        [job] = send(connection, "divides")
        with pytest.raises(ConnectionResetError):
            worker.perform_job(job, None, None)
        assert captured.assert_one(ConnectionResetError).task.name == "rq_jobs.divides"


def test_job_that_cannot_be_loaded_is_reported(connection: Any) -> None:
    with captured_events(logs=True) as captured:
        worker = captured.reporter.install(simple(connection))
        job = rq.Queue(connection=connection).enqueue("rq_jobs.no_such_job")
        worker.work(burst=True)
        event = captured.assert_one(ValueError)
        assert len(captured) == 1
    assert event.task is not None
    assert event.task.id == job.id


# -- the page ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["worker.py"], ["-m", "rq.cli", "worker", "-w", "workers.ReportingWorker"]])
def test_page(command: list[str], redis: str, connection: Any, tmp_path: Path) -> None:
    """Its application, under both commands it shows, reports what it says."""
    unpack("rq.md", tmp_path)
    if command[0] == "-m":
        command = [*command, "--url", redis]
    env = {"BROKER": redis, "PYTHONPATH": str(tmp_path)}
    with running(tmp_path, command, env, cwd=tmp_path) as shop:
        rq.Queue(connection=connection).enqueue("jobs.invoice", 0)
        found = shop.of_task("jobs.invoice", 2)
    assert [(event["kind"], event["fields"]) for event in found] == [
        ("warning", {"queue": "default"}),
        ("traceback", {"queue": "default"}),
    ]
