"""concurrent.futures: an executor and an intake go in, the same executor leaves, reporting what its calls raise.

Its `submit` is replaced on the object itself, as Flask's documentation does with `wsgi_app`; `map` and
`loop.run_in_executor` go through it. A call in a thread reports from within, with frames, fields, tags and request of
whoever submitted it. One in another process can't: its exception is reported where the future gets it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from tocsin.capture.context import context
from tocsin.complaints import complain
from tocsin.integrations.binding import BINDING, Binding
from tocsin.integrations.faults import is_fault

if TYPE_CHECKING:
    from tocsin.intake import Intake

__all__ = ["install"]

_VIA: Final = "concurrent.futures"
_OTHER_INTERPRETERS: Final = (
    "InterpreterPoolExecutor"  # a ThreadPoolExecutor by class; its calls see none of our objects
)


def install(app: Executor, intake: Intake) -> Executor:
    """Make an executor report to ``intake`` what its calls raise; the same executor comes back.

    The future raises it as before, and where the request that submitted it fails of it, that is the same event.
    Installing again only binds it to the intake given last. Outside production nothing is replaced.
    """
    bound = getattr(app.submit, BINDING, None)
    if bound is not None:
        bound.intake = intake
    elif intake.settings.mode == "production":
        app.submit = _submitting(app, Binding(intake))  # type: ignore[method-assign]
    return app


def _submitting(app: Executor, binding: Binding) -> Callable[..., Future[Any]]:
    send: Callable[..., Future[Any]] = app.submit
    names = {base.__name__ for base in type(app).__mro__}
    is_here = isinstance(app, ThreadPoolExecutor) and _OTHER_INTERPRETERS not in names

    def submit(fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        if is_here:
            return send(context()(_Call(binding, fn)), *args, **named)
        future = send(fn, *args, **named)
        future.add_done_callback(context()(_Done(binding)))
        return future

    submit.__dict__[BINDING] = binding
    return submit


class _Call:
    """Be a submitted call that reports what it raises."""

    def __init__(self, binding: Binding, function: Callable[..., Any]) -> None:
        self._binding = binding
        self._function = function

    def __call__(self, *args: Any, **named: Any) -> Any:
        try:
            return self._function(*args, **named)
        except BaseException as fault:
            if is_fault(fault):
                self._binding.intake.exception(fault, via=_VIA)
            raise


class _Done:
    """Report what a future was given by another process: its frames are in the text of its cause."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding

    def __call__(self, future: Future[Any]) -> None:
        try:
            fault = None if future.cancelled() else future.exception()
            if fault is not None and is_fault(fault):
                self._binding.intake.exception(fault, via=_VIA)
        except Exception as own:  # noqa: BLE001 - the future's other callbacks and its result are not ours
            complain("executor", f"an exception could not be reported: {type(own).__name__}", own)
