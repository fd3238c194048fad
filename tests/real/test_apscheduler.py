"""APScheduler 3: each fault once, from every scheduler and executor, wherever the job runs; the page."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

pytest.importorskip("apscheduler", reason="no apscheduler; pip install 'apscheduler<4'")

import scheduled_jobs as jobs  # noqa: E402
from apscheduler.schedulers.asyncio import AsyncIOScheduler  # noqa: E402
from apscheduler.schedulers.background import BackgroundScheduler  # noqa: E402
from apscheduler.schedulers.blocking import BlockingScheduler  # noqa: E402
from background import PATIENCE_S, delivering, running, settings  # noqa: E402

from how_to import unpack  # noqa: E402
from tocsin import integrations  # noqa: E402
from tocsin.event.errors import ConfigError  # noqa: E402
from tocsin.integrations import apscheduler as integration  # noqa: E402
from tocsin.testing import Captured, captured_events  # noqa: E402

# Spawned, as is the default since 3.11: a forked child would have the fixtures' own reporter.
SPAWNED = {"mp_context": multiprocessing.get_context("spawn")}
POOLS: dict[str, dict[str, Any]] = {
    "default": {"type": "threadpool", "max_workers": 2},
    "processes": {"type": "processpool", "max_workers": 1, "pool_kwargs": SPAWNED},
}


@pytest.fixture
def captured() -> Iterator[Captured]:
    with captured_events(logs=True) as events:
        yield events


@pytest.fixture
def scheduler(captured: Captured) -> Iterator[BackgroundScheduler]:
    patient = {"misfire_grace_time": 60}  # a machine that is busy begins late, and that is no miss here
    made = captured.reporter.install(
        BackgroundScheduler(executors={k: {**v} for k, v in POOLS.items()}, job_defaults=patient)
    )
    made.start()
    yield made
    if made.running:
        made.shutdown()


def run(scheduler: BackgroundScheduler, job: Any, **options: Any) -> None:
    """Run a job once, and wait until the scheduler has told what became of it."""
    ended: list[Any] = []
    scheduler.add_listener(ended.append)
    name = scheduler.add_job(job, **options).id
    wait_for(lambda: any(_ends(event) and event.job_id == name for event in ended))
    scheduler.remove_listener(ended.append)


def _ends(event: Any) -> bool:
    return hasattr(event, "scheduled_run_time")


def wait_for(is_so: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


# -- what is a fault ---------------------------------------------------------------------------------------------


def test_job_that_raises_is_one_fault_with_its_task_and_time(
    scheduler: BackgroundScheduler, captured: Captured
) -> None:
    before = datetime.now(UTC)
    run(scheduler, jobs.divides, id="nightly")
    event = captured.assert_one(ZeroDivisionError)
    assert len(captured) == 1
    assert event.task is not None
    assert (event.task.name, event.task.by, event.task.id) == ("scheduled_jobs:divides", "apscheduler", "nightly")
    assert before <= datetime.fromisoformat(event.fields["scheduled"]) <= datetime.now(UTC)
    assert event.exception is not None
    assert event.exception.frames[-1].function == "divides"


def test_job_that_logs_and_raises_is_one_fault(scheduler: BackgroundScheduler, captured: Captured) -> None:
    run(scheduler, jobs.logs_and_raises)
    captured.assert_one(LookupError)
    assert len(captured) == 1


def test_report_shows_local_variables_before_they_are_cleared() -> None:
    with captured_events(logs=True, locals=True) as captured:
        scheduler = captured.reporter.install(BackgroundScheduler())
        scheduler.start()
        run(scheduler, jobs.divides)
        scheduler.shutdown()
    event = captured.assert_one(ZeroDivisionError)
    assert event.exception is not None
    assert event.exception.frames[-1].locals == {"number": "0"}


def test_exception_that_is_raised_again_by_another_run_is_another_fault(
    scheduler: BackgroundScheduler, captured: Captured
) -> None:
    run(scheduler, jobs.raises_always)
    run(scheduler, jobs.raises_always)
    captured.assert_times(2, RuntimeError)


def test_where_records_are_turned_off_the_event_tells(scheduler: BackgroundScheduler, captured: Captured) -> None:
    logger = logging.getLogger("apscheduler")
    logger.setLevel(logging.CRITICAL)
    try:
        run(scheduler, jobs.divides)
        late = datetime.now(UTC) - timedelta(seconds=60)
        run(scheduler, jobs.ends_well, trigger="date", run_date=late, misfire_grace_time=1)
    finally:
        logger.setLevel(logging.NOTSET)
    assert captured.assert_one(ZeroDivisionError).task is not None
    captured.assert_one(kind="warning")
    assert len(captured) == 2


def test_without_a_handler_of_ours_faults_are_reported_all_the_same() -> None:
    with captured_events() as captured:
        scheduler = captured.reporter.install(BackgroundScheduler())
        scheduler.start()
        run(scheduler, jobs.divides)
        scheduler.shutdown()
    captured.assert_one(ZeroDivisionError)


def test_missed_run_is_a_warning_with_its_time(scheduler: BackgroundScheduler, captured: Captured) -> None:
    late = datetime.now(UTC) - timedelta(seconds=60)
    run(scheduler, jobs.ends_well, trigger="date", run_date=late, misfire_grace_time=1, id="late")
    event = captured.assert_one(kind="warning")
    assert len(captured) == 1
    assert event.task is not None
    assert (event.task.name, event.task.id) == ("scheduled_jobs:ends_well", "late")
    assert datetime.fromisoformat(event.fields["scheduled"]) == late


@pytest.mark.parametrize(("job", "faults"), [(jobs.exits, 0), (jobs.exits_badly, 1), (jobs.ends_well, 0)])
def test_job_that_exits_has_failed_only_by_its_status(
    scheduler: BackgroundScheduler, captured: Captured, job: Any, faults: int
) -> None:
    run(scheduler, job)
    captured.assert_times(faults, SystemExit)
    assert len(captured) == faults


# -- processes ---------------------------------------------------------------------------------------------------


def test_job_in_another_process_is_one_fault_with_the_text_of_its_traceback(
    scheduler: BackgroundScheduler, captured: Captured
) -> None:
    run(
        scheduler, jobs.divides, executor="processes", id="other", trigger="interval", seconds=600, next_run_time=soon()
    )
    event = captured.assert_one(ZeroDivisionError)
    assert len(captured) == 1
    assert event.task is not None
    assert event.task.name == "scheduled_jobs:divides"
    assert "in divides" in event.fields["traceback"]


def test_failures_of_other_functions_in_another_process_are_other_faults(
    scheduler: BackgroundScheduler, captured: Captured
) -> None:
    for job in (jobs.divides, jobs.logs_and_raises, jobs.divides):
        run(scheduler, job, executor="processes")
    first, other, again = captured
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_killed_process_and_exception_that_does_not_come_back_are_one_fault_each(
    scheduler: BackgroundScheduler, captured: Captured
) -> None:
    scheduler.add_job(jobs.unpicklable, executor="processes", id="odd")
    wait_for(lambda: len(captured) == 1)
    scheduler.add_job(jobs.is_killed, executor="processes", id="killed")
    wait_for(lambda: len(captured) == 2)
    scheduler.shutdown()
    assert [event.task.id for event in captured if event.task] == ["odd", "killed"]
    assert len(captured) == 2


def soon() -> datetime:
    return datetime.now(UTC)


CHILD_THAT_REPORTS = """
import multiprocessing, sys, time, tocsin, scheduled_jobs
from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.schedulers.background import BackgroundScheduler
tocsin.setup()
scheduler = tocsin.install(BackgroundScheduler(executors={"default": {"type": "processpool", "max_workers": 1,
    "pool_kwargs": {"mp_context": multiprocessing.get_context(sys.argv[1])}}}, job_defaults={"misfire_grace_time": 60}))
if __name__ == "__main__":
    scheduler.start()
    scheduler.add_listener(lambda event: print("the scheduler was told"), EVENT_JOB_ERROR)
    scheduler.add_job(scheduled_jobs.divides, id="other")
    time.sleep(600)
"""


@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_child_that_has_a_reporter_of_its_own_makes_it_no_second_fault(start: str, tmp_path: Path) -> None:
    """The mark travels with the exception."""
    settings(tmp_path, 'delivery = "process"')
    (tmp_path / "clock.py").write_text(CHILD_THAT_REPORTS)
    with running(tmp_path, ["clock.py", start], {"PYTHONPATH": str(HERE)}, cwd=tmp_path) as clock:
        clock.wait_for("the scheduler was told")
    delivering(tmp_path)
    [event] = clock.events(1)
    assert event["exception"]["frames"][-1]["function"] == "divides"


# -- schedulers --------------------------------------------------------------------------------------------------


def test_coroutine_jobs_are_reported_and_cancelled_ones_are_not(captured: Captured) -> None:
    async def main() -> None:
        scheduler = captured.reporter.install(AsyncIOScheduler())
        scheduler.start()
        scheduler.add_job(jobs.raises_in_the_loop, id="loop")
        scheduler.add_job(jobs.divides, id="thread")
        scheduler.add_job(jobs.waits)
        end = time.monotonic() + PATIENCE_S
        while len(captured) < 2 and time.monotonic() < end:
            await asyncio.sleep(0.01)
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        assert waiting
        scheduler.shutdown()
        await asyncio.wait_for(
            asyncio.gather(*waiting, return_exceptions=True), PATIENCE_S
        )  # what hears of it was first

    asyncio.run(main())
    assert sorted(event.task.id for event in captured if event.task) == ["loop", "thread"]
    assert len(captured) == 2


def test_blocking_scheduler_and_one_that_runs_already(captured: Captured) -> None:
    scheduler = BlockingScheduler()

    def install_late() -> None:
        captured.reporter.install(scheduler)
        scheduler.add_job(jobs.divides, id="late")
        scheduler.add_job(scheduler.shutdown, "date", kwargs={"wait": False}, run_date=soon() + timedelta(seconds=1))

    scheduler.add_job(install_late)
    scheduler.start()
    captured.assert_one(ZeroDivisionError)
    assert len(captured) == 1


def test_second_install_binds_only_and_close_undoes(captured: Captured) -> None:
    scheduler = BackgroundScheduler()
    assert captured.reporter.install(scheduler) is scheduler
    scheduler.start()
    with captured_events(logs=True) as second:
        second.reporter.install(scheduler)
        run(scheduler, jobs.divides)
        assert len(second) == 1
    captured.assert_none()
    assert not logging.getLogger("apscheduler.executors.default").filters
    run(scheduler, jobs.ends_well)
    scheduler.shutdown()


def test_two_schedulers_with_executors_of_one_name_report_once_each(captured: Captured) -> None:
    first, second = (captured.reporter.install(BackgroundScheduler()) for _ in range(2))
    first.start()
    second.start()
    run(first, jobs.divides, id="first")
    run(second, jobs.logs_and_raises, id="second")
    first.shutdown()
    second.shutdown()
    assert len(captured) == 2


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_connected(mode: str) -> None:
    with captured_events(mode=mode) as captured:
        scheduler = captured.reporter.install(BackgroundScheduler())
    assert scheduler not in integration._bindings


def test_version_4_is_refused_with_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    class AsyncScheduler:
        __module__ = "apscheduler._schedulers.async_"
        __qualname__ = "AsyncScheduler"

    monkeypatch.setattr(integration, "IS_KNOWN", False)
    with captured_events() as captured, pytest.raises(ConfigError, match="apscheduler<4"):
        integrations.install(AsyncScheduler(), captured.reporter.intake)


# -- the page ----------------------------------------------------------------------------------------------------


def test_page(tmp_path: Path) -> None:
    unpack("apscheduler.md", tmp_path)
    with running(tmp_path, ["clock.py"], {}, cwd=tmp_path) as clock:
        rates = clock.of_task("__main__:fetch_rates")[0]
        stock = clock.of_task("stocktaking")[0]
    assert (rates["task"]["id"], rates["exception"]["type"]) == ("rates", "TimeoutError")
    assert stock["fields"]["article"] == 7
    assert "Error" in clock.log
