"""Celery: an application and an intake go in, the same application leaves, reporting by its documented signals.

`task_prerun` and `task_postrun` bound the work, `task_failure` and `task_internal_error` tell what broke in it. What
ends a pool's child from without (a time limit, a kill) the worker's main process tells, by `task_failure` as well.
Delivery happens in the main process, which outlives its children: some of them end with the task.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from celery.exceptions import Ignore, Reject, Retry

from tocsin.capture.piece import Piece
from tocsin.capture.present import PRESENT, Present, leave, remember
from tocsin.capture.work import Work
from tocsin.event import limits
from tocsin.intake.mark import recall
from tocsin.intake.told import settle

if TYPE_CHECKING:
    from celery import Celery

    from tocsin.intake import Intake

__all__ = ["install"]

_NO_FAULTS: Final = (Ignore, Reject, Retry)  # how a task says what is to become of it
_FROM_WITHOUT: Final = (TimeLimitExceeded, WorkerLostError)

_bindings: Final[dict[int, _Binding]] = {}


def install(app: Celery, intake: Intake) -> Celery:
    """Make a Celery application's tasks report to ``intake``; the same object comes back.

    Installing again only binds it to the intake given last. Outside production nothing is connected.
    """
    bound = _bindings.get(id(app))
    if bound is None and intake.settings.mode == "production":
        bound = _bindings[id(app)] = _Binding(app, intake)
        bound.connect()
    if bound is not None:
        bound.intake = intake
        intake.on_close(lambda: bound.disconnect(intake))
    return app


class _Binding:
    """Tie one application to its intake; its methods receive the signals of this application's tasks only."""

    def __init__(self, app: Celery, intake: Intake) -> None:
        self.app = app
        self.intake = intake
        self._runs: dict[int, _Run] = {}  # by Celery's own object for each
        self._overdue: dict[str, str | None] = {}  # error ids by task, of those past their hard time limit
        self._handlers = [each for each in logging.getLogger().handlers if getattr(each, "is_tocsin", False)]
        self._receivers = (
            (signals.task_prerun, self._begin),
            (signals.task_postrun, self._end),
            (signals.task_failure, self._failed),
            (signals.task_internal_error, self._failed_within),
            (signals.worker_ready, self._ready),
            (signals.after_setup_logger, self._keep_listening),
            (signals.after_setup_task_logger, self._keep_listening),
        )
        self._filters = (
            ("celery.app.trace", self._see_trace),
            ("celery.worker.request", self._see_main_process),
            ("celery.redirected", _skip),
        )

    def connect(self) -> None:
        """Receive signals, and see the records by which Celery tells the same once more."""
        for signal, receiver in self._receivers:
            signal.connect(receiver, weak=False, dispatch_uid=f"tocsin {id(self)}")
        for name, look in self._filters:
            logging.getLogger(name).addFilter(look)

    def disconnect(self, intake: Intake) -> None:
        """Undo `connect`, unless another intake has taken the place of this one."""
        if self.intake is not intake or _bindings.pop(id(self.app), None) is None:
            return
        for signal, _ in self._receivers:
            signal.disconnect(dispatch_uid=f"tocsin {id(self)}")
        for name, look in self._filters:
            logging.getLogger(name).removeFilter(look)
        for handler in self._handlers:
            logging.getLogger("celery.task").removeHandler(handler)

    # -- signals ---------------------------------------------------------------------------------------------

    def _begin(self, sender: Any, task_id: str, **_: Any) -> None:
        if sender.app is self.app:
            request = sender.request
            run = self._runs[id(request)] = _Run(sender.name, task_id, request)
            run.work.begin()

    def _end(self, sender: Any, state: str | None = None, **_: Any) -> None:
        if sender.app is not self.app:
            return
        request = sender.request
        run = self._runs.pop(id(request), None)
        if run is None:
            return
        present = PRESENT.get()
        run.work.end()
        leaving = sys.exception() if state is None and request.is_eager else None
        if leaving is not None:  # to whoever called the task, and there it is reported
            token = PRESENT.set(present)
            remember(leaving)
            leave(PRESENT, token)

    def _failed(self, sender: Any, task_id: str, exception: BaseException, **_: Any) -> None:
        if sender.app is self.app and _is_fault(exception, sender):
            exc = _original(exception)
            run = self._runs.get(id(sender.request))
            if run is None:
                self._failed_outside(sender, task_id, exc)
            else:
                run.is_told = True
                # By depth: what an eager task raises may pass the tasks and the tries around it, and is one fault.
                run.error_id = self.intake.exception(exc, via=f"celery {_depth()}", environ=run.work.environ)

    def _failed_outside(self, task: Any, task_id: str, exc: BaseException) -> None:
        """Report what the worker's main process tells of a task, or Celery after its end."""
        if task_id in self._overdue:
            return  # Celery tells of it twice, and logs it
        # Such an exception has no frames of the task's by which to know the fault.
        fingerprint = f"celery {type(exc).__name__} {task.name}" if isinstance(exc, _FROM_WITHOUT) else ""
        piece = Piece("traceback", logging.ERROR, custom_fingerprint=fingerprint)
        with Work(task.name, by="celery", id=task_id, fields=_fields(task.request)) as work:
            error_id = self.intake.take(piece, exc, via="celery", environ=work.environ)
        if isinstance(exc, TimeLimitExceeded):
            self._remember_overdue(task_id, error_id)

    def _failed_within(self, sender: Any, task_id: str, exception: BaseException, request: Any, **_: Any) -> None:
        """Report what broke around the task, in Celery or its backend, say; the work has ended by then."""
        if sender.app is self.app and _item(request, "is_eager") is not True:  # that leaves to its caller
            with Work(sender.name, by="celery", id=task_id) as work:
                self.intake.exception(exception, via="celery internal", environ=work.environ)

    def _ready(self, sender: Any, **_: Any) -> None:
        """Begin delivery in the main process, once the pool's first children are forked."""
        if sender.app is self.app and self.intake.is_asleep:
            self.intake.wake()

    def _keep_listening(self, logger: logging.Logger, **_: Any) -> None:
        """Put the handler of `setup` back: Celery takes all from the root logger, and has none see tasks' loggers."""
        if logger.parent is None or not logger.propagate:
            for handler in self._handlers:
                if handler not in logger.handlers:
                    logger.addHandler(handler)

    # -- records of logging ----------------------------------------------------------------------------------

    def _see_trace(self, record: logging.LogRecord) -> bool:
        """Have the record of a failed task be the report that was made of it.

        Mostly the exception's mark says so; but for one that can't be pickled Celery logs another in its place.
        """
        task = self.app.current_task
        run = None if task is None or record.levelno < logging.WARNING else self._runs.get(id(task.request))
        if run is None or _item(record.__dict__.get("data"), "id") != task.request.id:
            return True
        if run.is_told or (type(record.exc_info) is tuple and isinstance(record.exc_info[1], _NO_FAULTS)):
            settle(record, run.error_id)
        return True

    def _see_main_process(self, record: logging.LogRecord) -> bool:
        """Tell of a time limit and of a lost child once."""
        if record.funcName == "on_timeout":
            if record.levelno == logging.WARNING:
                settle(record, None)  # the soft one: the task is told of it, and if that fails of it, so are we
            elif record.levelno >= logging.ERROR:
                self._overtaken(record)
        elif type(record.exc_info) is tuple and isinstance(record.exc_info[1], ExceptionWithTraceback):
            seen = recall(record.exc_info[1].exc, "celery record", "")
            if seen is not None:
                settle(record, seen.error_id)
        return True

    def _overtaken(self, record: logging.LogRecord) -> None:
        told: Any = record.args
        if type(told) is not tuple or len(told) != 3 or type(told[1]) is not str or type(told[2]) is not str:
            return
        _, name, task_id = told
        if task_id not in self._overdue:  # in some versions and pools it comes first, or alone
            piece = Piece(
                "error",
                record.levelno,
                message=record.getMessage(),
                logger=record.name,
                custom_fingerprint=f"celery TimeLimitExceeded {name}",
            )
            with Work(name, by="celery", id=task_id) as work:
                self._remember_overdue(task_id, self.intake.take(piece, None, via="celery", environ=work.environ))
        settle(record, self._overdue.get(task_id))

    def _remember_overdue(self, task_id: str, error_id: str | None) -> None:
        while len(self._overdue) >= limits.OVERDUE_TASKS:
            self._overdue.pop(next(iter(self._overdue)), None)
        self._overdue[task_id] = error_id


class _Run:
    """Hold what is known of one run of a task, until it ends."""

    __slots__ = ("error_id", "is_told", "work")

    def __init__(self, name: str, task_id: str, request: Any) -> None:
        self.work = Work(name, by="celery", id=task_id, fields=_fields(request))
        self.is_told = False  # its failure, by a report or, if that was ignored, by a count
        self.error_id: str | None = None


def _fields(request: Any) -> dict[str, Any]:
    """Return what a report tells of a run besides name and id: never its arguments."""
    fields = {"queue": _item(request.delivery_info, "routing_key"), "retries": request.retries}
    return {name: value for name, value in fields.items() if value and type(value) in (str, int)}


def _item(table: Any, name: str) -> Any:
    return table.get(name) if type(table) is dict else None


def _depth() -> int:
    """Return how many tasks are under way here, one within the other."""
    found, task = 0, None
    present: Present | None = PRESENT.get()
    while present is not None:
        if present.task is not None and present.task is not task:
            found, task = found + 1, present.task
        present = present.outer
    return found


def _is_fault(exc: BaseException, task: Any) -> bool:
    return not isinstance(exc, _NO_FAULTS) and not (task.throws and isinstance(exc, task.throws))


def _original(exc: BaseException) -> BaseException:
    """Return what the task raised, where Celery tells of a stand-in because that can't be pickled."""
    raised = sys.exception()
    if raised is not None and raised.__traceback__ is not None and raised.__traceback__ is exc.__traceback__:
        return raised
    return exc


def _skip(record: logging.LogRecord) -> bool:
    """Have what a task prints be no warning, as Celery logs it."""
    settle(record, None)
    return True
