"""asyncio: an event loop and an intake go in, the same loop leaves, reporting what its callbacks and tasks lost.

By `set_exception_handler`: asyncio calls that with exceptions of callbacks, of protocols, and of tasks and futures that
nobody awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from tocsin.complaints import complain
from tocsin.integrations.binding import BINDING, Binding
from tocsin.integrations.faults import is_fault

if TYPE_CHECKING:
    from tocsin.intake import Intake

__all__ = ["install"]

_Context = dict[str, Any]


def install(app: asyncio.AbstractEventLoop, intake: Intake) -> asyncio.AbstractEventLoop:
    """Make an event loop report to ``intake``; the same loop comes back.

    The handler that was set, or asyncio's own, which logs, is called after it. Installing again only binds it to the
    intake given last. Outside production nothing is set.
    """
    previous = app.get_exception_handler()
    bound = getattr(previous, BINDING, None)
    if bound is not None:
        bound.intake = intake
    elif intake.settings.mode == "production":
        app.set_exception_handler(_handler(Binding(intake), previous))
    return app


def _handler(binding: Binding, previous: Any) -> Callable[[asyncio.AbstractEventLoop, _Context], object]:
    def handle(loop: asyncio.AbstractEventLoop, context: _Context) -> object:
        try:
            exc = context.get("exception")
            if exc is not None and is_fault(exc):
                binding.intake.exception(exc, via="asyncio", fields=_fields(context))
        except Exception as own:  # noqa: BLE001 - asyncio's own handling goes on whatever happens to the report
            complain("asyncio", f"an exception could not be reported: {type(own).__name__}", own)
        if previous is None:
            return loop.default_exception_handler(context)
        return previous(loop, context)

    handle.__dict__[BINDING] = binding
    return handle


def _fields(context: _Context) -> dict[str, Any]:
    """Return what asyncio says of it, but for the arguments of a callback, and the task's name and coroutine."""
    message = context.get("message")
    fields: dict[str, Any] = {"asyncio": message.partition("(")[0] if type(message) is str else ""}
    task = context.get("task")
    if task is None:  # not by `or`, which asks a `__bool__` of the application's
        task = context.get("future")
    if issubclass(type(task), asyncio.Task):
        fields["task"] = asyncio.Task.get_name(task)  # type: ignore[arg-type]
        coroutine = asyncio.Task.get_coro(task)  # type: ignore[arg-type]
        if type(coroutine) is CoroutineType:
            fields["coroutine"] = coroutine.__qualname__
    return fields
