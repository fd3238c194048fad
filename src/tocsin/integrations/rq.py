"""RQ: a worker and an intake go in, the same worker leaves, reporting what its jobs raise, in whatever process.

A worker forks a work-horse for each job, and that ends by `os._exit`: what it reports is in the spool by then, and the
worker itself, which lives on, delivers it. An exception handler tells of a job that failed; three methods are put on
the worker itself (no hook tells when a job begins, or that a horse was killed).
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import rq
from rq.defaults import DEFAULT_LOGGING_DATE_FORMAT, DEFAULT_LOGGING_FORMAT
from rq.logutils import ColorizingStreamHandler

from tocsin.capture.piece import Piece
from tocsin.capture.work import Work
from tocsin.complaints import say
from tocsin.config.loggers import is_handled_elsewhere
from tocsin.event.errors import ConfigError
from tocsin.intake.told import settle
from tocsin.system.interrupts import let_through

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rq.job import Job
    from rq.worker import BaseWorker

    from tocsin.intake import Intake

__all__ = ["install"]

_LOGGERS: Final = ("rq.worker", "rq.job")
_TOLD_IN: Final = ("handle_exception", "monitor_work_horse", "handle_work_horse_killed")
_SAID_IN: Final = ("handle_job_success",)  # below WARNING, so of a lead-up only; its message tells arguments too
_CALL: Final = re.compile(r"([A-Za-z_][\w.]*)\(")  # how RQ describes a job, where nobody else has

_bindings: Final[weakref.WeakValueDictionary[str, _Binding]] = weakref.WeakValueDictionary()  # by the worker's name


def install(worker: BaseWorker, intake: Intake) -> BaseWorker:
    """Make an RQ worker report to ``intake``; the same object comes back.

    Installing again only binds it to the intake given last. Outside production nothing is connected. Raises
    ConfigError for a SpawnWorker that isn't of a class of its own: its work-horse makes the worker anew by its class.
    """
    bound = _bindings.get(worker.name)
    if bound is not None and bound.worker() is worker:
        bound.bind(intake)
    elif intake.settings.mode == "production":
        if type(worker) is getattr(rq, "SpawnWorker", None):  # old versions have none
            raise ConfigError(
                "install(SpawnWorker): its work-horses are new interpreters that make the worker by its class; derive "
                "one in a module of yours whose __init__ calls tocsin.setup() and tocsin.install(self)"
            )
        bound = _bindings[worker.name] = _Binding(worker)
        bound.bind(intake)
        bound.connect(worker)
    return worker


class _Binding:
    """Tie one worker to its intake, and be its exception handler. The worker keeps it alive."""

    def __init__(self, worker: BaseWorker) -> None:
        self.worker = weakref.ref(worker)
        self.intake: Intake | None = None
        self._name = worker.name
        self._present = ""  # the job under way in this process

    def bind(self, intake: Intake) -> None:
        """Report to this intake from now on, until it is closed."""
        self.intake = intake
        intake.on_close(lambda: self._unbind(intake))

    def connect(self, worker: BaseWorker) -> None:
        """Put what is needed on the worker, and see the records by which RQ tells the same once more."""
        worker.push_exc_handler(self)  # type: ignore[no-untyped-call]
        for name, around in (
            ("bootstrap", self._bootstrap),
            ("execute_job", self._execute_job),
            ("perform_job", self._perform_job),
            ("handle_work_horse_killed", self._handle_work_horse_killed),
        ):
            setattr(worker, name, partial(around, getattr(worker, name)))
        logging.getLogger(_LOGGERS[0]).addFilter(_settle_told)

    def _unbind(self, intake: Intake) -> None:
        if self.intake is intake:
            self.intake = None

    # -- what RQ calls -----------------------------------------------------------------------------------------

    def __call__(self, job: Job, _: type[BaseException], exc: BaseException, __: TracebackType | None) -> bool:
        """Be the exception handler: report the try that is the last one; the other handlers go on."""
        if self.intake is not None and not _is_tried_again(job):
            if self._present == job.id:
                self.intake.exception(exc, via="rq")
            else:  # of a worker that is gone: another one finds its job abandoned
                with _work(job, _described(job)) as work:
                    self.intake.exception(exc, via="rq", environ=work.environ)
        return True

    def __reduce__(self) -> tuple[type[_ByName], tuple[str]]:
        return _ByName, (self._name,)

    def _bootstrap(self, bootstrap: Callable[..., None], *args: Any, **named: Any) -> None:
        for name in _LOGGERS:
            _keep_printing(logging.getLogger(name))
        bootstrap(*args, **named)

    def _execute_job(self, execute_job: Callable[..., None], *args: Any, **named: Any) -> None:
        """Begin delivery here, in the process that lives on."""
        if self.intake is not None and self.intake.is_asleep:
            self.intake.wake()
        execute_job(*args, **named)

    def _perform_job(self, perform_job: Callable[..., bool], job: Job, *args: Any, **named: Any) -> bool:
        if self.intake is None:
            return perform_job(job, *args, **named)
        with _work(job, _loaded(job)) as work:
            self._present = job.id
            try:
                return perform_job(job, *args, **named)
            except Exception as exc:
                # Redis is gone, say: a work-horse ends by this without a word.
                self.intake.exception(exc, via="rq perform_job", environ=work.environ)
                raise
            finally:
                self._present = ""

    def _handle_work_horse_killed(
        self, handle: Callable[..., None], job: Job, retpid: Any, ret_val: Any, *rest: Any
    ) -> None:
        if self.intake is not None:
            name = _described(job)
            how = _ending(ret_val)
            is_tried_again = _is_tried_again(job)
            piece = Piece(
                "warning" if is_tried_again else "error",
                logging.WARNING if is_tried_again else logging.ERROR,
                message=f"the work-horse of {name or 'a job'} ended before its job did: {how}",
                logger=_LOGGERS[0],
                custom_fingerprint=f"rq work-horse {name} {how}",
            )
            with _work(job, name) as work:
                self.intake.take(piece, None, via="rq", environ=work.environ)
        handle(job, retpid, ret_val, *rest)


class _ByName:
    """Be the exception handler in a work-horse that is a new interpreter: find what was installed there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *args: Any) -> bool:
        bound = _bindings.get(self._name)
        if bound is None:
            say("a job failed in a work-horse where nothing is installed; have the worker's __init__ install(self)")
            return True
        return bound(*args)


def _work(job: Job, name: str) -> Work:
    fields = {"queue": job.origin, "retries": getattr(job, "number_of_retries", None)}
    told = {key: value for key, value in fields.items() if value and type(value) in (str, int)}
    return Work(name, by="rq", id=job.id, fields=told)


def _is_tried_again(job: Job) -> bool:
    left = job.retries_left
    return left is not None and left > 0


def _loaded(job: Job) -> str:
    """Return the name of a job's function where the job is about to be run, and RQ is about to ask for it as well."""
    try:
        return job.func_name or ""
    except Exception as fault:  # noqa: BLE001 - what can't be loaded RQ tells of itself, in a moment
        let_through(fault)
        return _described(job)


def _described(job: Job) -> str:
    """Return the name of a job's function where its arguments must not be loaded, "" where nothing tells it."""
    found = _CALL.match(job.description or "")
    return found[1] if found else ""


def _ending(status: Any) -> str:
    if type(status) is not int:
        return "nobody knows how"
    if not os.WIFSIGNALED(status):
        return f"exit status {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    known = number in signal.valid_signals()
    return f"signal {number} ({signal.Signals(number).name})" if known else f"signal {number}"


def _settle_told(record: logging.LogRecord) -> bool:
    """Keep our handler from the records of what is reported anyway, or will be tried again: they tell arguments."""
    is_told = record.funcName in (_TOLD_IN if record.levelno >= logging.WARNING else _SAID_IN)
    if is_told and any(bound.intake is not None for bound in list(_bindings.values())):
        settle(record, None)
    return True


def _keep_printing(logger: logging.Logger) -> None:
    """Have RQ's records shown as it shows them by itself, where only our handler is in the way of it."""
    if is_handled_elsewhere(logger):
        return
    for stream, is_error in ((sys.stdout, False), (sys.stderr, True)):
        handler = ColorizingStreamHandler(stream=stream)  # type: ignore[no-untyped-call]
        handler.setFormatter(logging.Formatter(DEFAULT_LOGGING_FORMAT, DEFAULT_LOGGING_DATE_FORMAT))
        handler.addFilter(partial(_is_of, is_error))
        logger.addHandler(handler)


def _is_of(is_error: bool, record: logging.LogRecord) -> bool:
    return (record.levelno >= logging.ERROR) is is_error
