"""What the application says of its present work: fields and tags go in by `context`; reports made within it have them.

A context variable holds them, so they follow `await`, tasks and `asyncio.to_thread`. Raw threads and executors start
with an empty context; there `context` wraps the callable.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from contextvars import Token
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar

from tocsin.capture.present import PRESENT, Present, leave, remember, table
from tocsin.capture.requests import find_environ
from tocsin.capture.scopes import ENVIRON, SCOPE, Scope
from tocsin.event import limits
from tocsin.event.errors import ConfigError

__all__ = ["context", "is_coroutine_function"]

_F = TypeVar("_F", bound=Callable[..., Any])


class context:
    """Have every report made within it, log records too, carry ``fields`` and ``tags``.

    As a block (``with tocsin.context(order_id=7):``), for its length, in all tasks that it starts. As a decorator, for
    each call, of functions and coroutine functions. Around a callable that is handed to a thread or an executor
    (``pool.submit(tocsin.context(part=2)(work), ...)``) it also takes along what holds where it is written: outer
    fields and tags, the request, the task.

    An exception that leaves the block is reported with them too, wherever in its request or task it is caught.

    Fields are shown masked, as those of `Reporter.report` are; ``tags`` are short texts that reports are sorted by.
    Of equal names the inner one counts, and a record's own ``extra`` before any. Nothing is looked at before
    something is reported, and neither copied: an object that changes is shown as it is then. Costs nothing where
    nothing is reported but a context variable.

    Raises ConfigError for what can't be wrapped, such as a property: a generator function runs in the contexts of
    whoever asks for its items; write ``with`` inside it.
    """

    __slots__ = ("_said", "_tokens")

    def __init__(self, *, tags: Mapping[str, Any] | None = None, **fields: Any) -> None:
        self._said = Present(fields, table(tags))
        self._tokens: list[Token[Present]] = []  # threads and tasks may share one object

    def __enter__(self) -> context:
        self._tokens.append(PRESENT.set(PRESENT.get().within(self._said)))
        return self

    def __exit__(self, _: type[BaseException] | None, exc: BaseException | None, __: TracebackType | None) -> None:
        try:
            if exc is not None:
                remember(exc)
        finally:  # a signal handler may raise just now
            for token in reversed(self._tokens.copy()):
                if leave(PRESENT, token):  # another's can't be left here
                    self._tokens.remove(token)
                    break
            else:  # entered in another context, by a generator that is closed late; which token was its is not known
                del self._tokens[: -limits.LATE_CONTEXTS]

    def __call__(self, function: _F) -> _F:
        outer: Any = type(function)
        if outer in (staticmethod, classmethod):
            return outer(self(function.__func__))  # type: ignore[attr-defined, no-any-return]
        if not callable(function):
            raise ConfigError(f"context() wraps functions, not {type(function).__name__} objects")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigError("context() can't wrap a generator function; write `with tocsin.context(…):` inside it")
        entered = _Carried(PRESENT.get().within(self._said), _carried_scope())
        if is_coroutine_function(function):

            @wraps(function)
            async def wrapped(*args: Any, **named: Any) -> Any:
                with entered.copy():
                    return await function(*args, **named)

        else:

            @wraps(function)
            def wrapped(*args: Any, **named: Any) -> Any:
                with entered.copy():
                    return function(*args, **named)

        return wrapped  # type: ignore[return-value]


def is_coroutine_function(function: Any) -> bool:
    """Tell whether a call gives a coroutine, of an object with an ``async def __call__`` too."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


class _Carried:
    """Enter what held elsewhere, in whatever thread a call of a wrapped callable happens."""

    __slots__ = ("_present", "_scope", "_tokens")

    def __init__(self, present: Present, scope: Scope | None) -> None:
        self._present = present
        self._scope = scope

    def copy(self) -> _Carried:
        return _Carried(self._present, self._scope)

    def __enter__(self) -> None:
        scope = SCOPE.get() if self._scope is None else self._scope
        self._tokens = PRESENT.set(PRESENT.get().within(self._present)), SCOPE.set(scope)

    def __exit__(self, _: type[BaseException] | None, exc: BaseException | None, __: TracebackType | None) -> None:
        try:
            if exc is not None:
                remember(exc)
        finally:
            present, scope = self._tokens
            leave(SCOPE, scope)
            leave(PRESENT, present)


def _carried_scope() -> Scope | None:
    """Return the present request in the form in which another thread can have it; None outside of any."""
    environ = find_environ(sys._getframe(2))
    return None if environ is None else {ENVIRON: environ}
