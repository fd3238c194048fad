"""APScheduler 3: a scheduler and an intake go in, the same scheduler leaves, reporting what its jobs raise and miss.

An executor logs what a job raised, where its frames still have their local variables and its job is known; so that is
where it is reported. The scheduler's own event, which comes later and knows less, tells what nobody logged here: what
was raised in another process. Runs that were missed are warnings.
"""

from __future__ import annotations

import logging
import re
import weakref
from asyncio import CancelledError
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tocsin.capture.anatomy import traceback
from tocsin.capture.piece import Piece
from tocsin.capture.work import Work
from tocsin.event import limits
from tocsin.event.errors import ConfigError
from tocsin.intake.mark import recall
from tocsin.intake.told import TOLD, settle

try:
    from apscheduler.events import (
        EVENT_EXECUTOR_ADDED,
        EVENT_JOB_ERROR,
        EVENT_JOB_MISSED,
        EVENT_SCHEDULER_STARTED,
    )
    from apscheduler.job import Job
except ImportError:  # version 4 has another API
    IS_KNOWN = False
else:
    IS_KNOWN = True

if TYPE_CHECKING:
    from apscheduler.schedulers.base import BaseScheduler

    from tocsin.intake import Intake

__all__ = ["install"]

_LOGGERS: Final = "apscheduler.executors"
_FUNCTION: Final = re.compile(r"^  File .*, line \d+, in (.+)$", re.MULTILINE)

_bindings: Final[weakref.WeakKeyDictionary[Any, _Binding]] = weakref.WeakKeyDictionary()


def install(scheduler: BaseScheduler, intake: Intake) -> BaseScheduler:
    """Make a scheduler of APScheduler 3 report to ``intake``; the same object comes back, started or not.

    Installing again only binds it to the intake given last. Outside production nothing is connected. Raises
    ConfigError for a scheduler of version 4.
    """
    if not IS_KNOWN:
        raise ConfigError(
            "install(): tocsin knows schedulers of APScheduler 3, and this is version 4; pip install 'apscheduler<4', "
            'or write `with reporter.watch("name of the job"):` in each job'
        )
    bound = _bindings.get(scheduler)
    if bound is None and intake.settings.mode == "production":
        bound = _bindings[scheduler] = _Binding(weakref.ref(scheduler))
        ours = EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_EXECUTOR_ADDED | EVENT_SCHEDULER_STARTED
        scheduler.add_listener(bound, ours)
    if bound is not None:
        bound.bind(intake)
    return scheduler


class _Binding:
    """Tie one scheduler to its intake: be its listener, and see what its executors log."""

    def __init__(self, scheduler: weakref.ref[Any]) -> None:
        self.intake: Intake | None = None
        self._scheduler = scheduler
        self._seen: dict[str, logging.Logger] = {}
        self._names: dict[str, str] = {}  # of jobs, by id: one that was due for the last time is gone by then

    def bind(self, intake: Intake) -> None:
        """Report to this intake from now on, until it is closed."""
        self.intake = intake
        intake.on_close(lambda: self._unbind(intake))
        self._listen()

    def _unbind(self, intake: Intake) -> None:
        if self.intake is intake:
            self.intake = None
            while self._seen:
                self._seen.popitem()[1].removeFilter(self.see)

    def _listen(self) -> None:
        """See the records of all executors there are; each has a logger of its own, made when it starts."""
        for name, logger in list(logging.Logger.manager.loggerDict.items()):
            if name.startswith(_LOGGERS) and isinstance(logger, logging.Logger) and name not in self._seen:
                self._seen[name] = logger
                logger.addFilter(self.see)

    # -- what executors log ------------------------------------------------------------------------------------

    def see(self, record: logging.LogRecord) -> bool:
        """Report what a job raised, from the record that tells of it, in the job's own thread or task."""
        told: Any = record.args
        subject = told[0] if type(told) is tuple and told else None
        if self.intake is None or record.levelno < logging.WARNING or TOLD in record.__dict__:
            return True
        exc = record.exc_info[1] if type(record.exc_info) is tuple else None
        if isinstance(subject, Job):
            self._remember(subject.id, _name(subject))
            if exc is None or not _is_fault(exc):
                settle(record, None)  # a missed run, which the listener tells of, with its time
            else:
                settle(record, self._report(exc, subject.id, _scheduled(exc)))
        elif type(subject) is str and exc is not None and _is_fault(exc):
            settle(record, self._report(exc, subject, ""))  # the executor itself failed: its process was killed, say
        return True

    def _report(self, exc: BaseException, job_id: str, scheduled: str) -> str | None:
        if self.intake is None:
            return None
        with self._work(job_id, scheduled) as work:
            return self.intake.exception(exc, via="apscheduler", environ=work.environ)

    # -- what the scheduler tells ------------------------------------------------------------------------------

    def __call__(self, event: Any) -> None:
        """Be the scheduler's listener."""
        if self.intake is None:
            return
        if event.code == EVENT_JOB_MISSED:
            self._report_missed(self.intake, event)
        elif event.code == EVENT_JOB_ERROR:
            self._report_event(self.intake, event)
        else:
            self._listen()

    def _report_missed(self, intake: Intake, event: Any) -> None:
        scheduled = event.scheduled_run_time.isoformat()
        with self._work(event.job_id, scheduled) as work:
            name = self._name(event.job_id)
            piece = Piece(
                "warning",
                logging.WARNING,
                message=f"job {name} missed its run of {scheduled}",
                logger=_LOGGERS,
                custom_fingerprint=f"apscheduler missed {name}",
            )
            intake.take(piece, None, via="apscheduler", environ=work.environ)

    def _report_event(self, intake: Intake, event: Any) -> None:
        """Report what was raised where nobody of us saw the record: mostly in another process, without its frames."""
        exc = event.exception
        if not _is_fault(exc) or recall(exc, "apscheduler event", "") is not None:
            return
        piece = Piece("traceback", logging.ERROR)
        if exc.__traceback__ is None:
            functions = " ".join(_FUNCTION.findall(event.traceback))
            piece = piece._replace(
                fields={"traceback": event.traceback},
                custom_fingerprint=f"apscheduler {type(exc).__qualname__} {functions}",
            )
        with self._work(event.job_id, event.scheduled_run_time.isoformat()) as work:
            intake.take(piece, exc, via="apscheduler event", environ=work.environ)

    # -- what a job is called ----------------------------------------------------------------------------------

    def _work(self, job_id: str, scheduled: str) -> Work:
        fields = {"scheduled": scheduled} if scheduled else {}
        return Work(self._name(job_id), by="apscheduler", id=job_id, fields=fields)

    def _name(self, job_id: str) -> str:
        """Return the name of a job's function; its id where nobody knows it any more."""
        scheduler = self._scheduler()
        if job_id not in self._names and scheduler is not None:
            try:
                self._remember(job_id, _name(scheduler.get_job(job_id)))
            except Exception:  # noqa: BLE001 - a job store may fail in any way, and a name is not worth a report
                return job_id
        return self._names.get(job_id) or job_id

    def _remember(self, job_id: str, name: str) -> None:
        while len(self._names) >= limits.JOB_NAMES:
            self._names.pop(next(iter(self._names)), None)
        self._names[job_id] = name


def _name(job: Any) -> str:
    """Return ``module:function`` of a job; of one that has no such name, what it is called."""
    return "" if job is None else str(job.func_ref or job.name)


def _is_fault(exc: BaseException) -> bool:
    """Tell whether a job failed by this: not if it was cancelled, or ended by ``sys.exit()`` without a status."""
    return not isinstance(exc, CancelledError) and not (isinstance(exc, SystemExit) and not exc.code)


def _scheduled(exc: BaseException) -> str:
    """Return the time that a run was scheduled for, of which the record says nothing; "" where it can't be seen."""
    entry = traceback(exc)
    run_time = None if entry is None else entry.tb_frame.f_locals.get("run_time")
    return run_time.isoformat() if type(run_time) is datetime else ""
