"""Work of the application's own: a name goes in; what leaves the block or the function as an exception is reported."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextvars import ContextVar, Token
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from tocsin.capture.context import is_coroutine_function
from tocsin.capture.present import leave
from tocsin.capture.work import Work
from tocsin.event.errors import ConfigError
from tocsin.integrations.faults import is_fault

if TYPE_CHECKING:
    from tocsin.intake import Intake

__all__ = ["Station", "Watch"]

_F = TypeVar("_F", bound=Callable[..., Any])

# The run that this code is within, if any.
_INNERMOST: Final[ContextVar[_Run | None]] = ContextVar("tocsin_run", default=None)


class Station(NamedTuple):
    """Say where a watch reports to. ``settle`` is called when its work is over, and may wait for delivery."""

    intake: Intake
    settle: Callable[[], None]


class Watch:
    """Report what leaves a block or a function as an exception, and raise the very same exception again.

    ``with`` serves synchronous and asynchronous code. As a decorator it takes functions, coroutine functions, generator
    functions and asynchronous ones, and enters anew for each call. SystemExit, KeyboardInterrupt, GeneratorExit and
    cancellation are no faults. Blocks within each other report an exception once.
    """

    __slots__ = ("_find", "_name", "_runs", "_said")

    def __init__(
        self, name: str, find: Callable[[], Station | None], tags: Mapping[str, Any] | None, fields: Mapping[str, Any]
    ) -> None:
        """``find`` is asked at each beginning: a function may be decorated before `setup` is called.

        Raises ConfigError where ``name`` is no text.
        """
        if type(name) is not str:
            raise ConfigError('watch() takes a name first: with tocsin.watch("nightly import"):')
        self._name = name
        self._find = find
        self._said = {"fields": fields, "tags": tags}
        self._runs: list[_Run] = []  # those of `with`, which threads and tasks may share one object for

    def __enter__(self) -> Watch:
        run = self._run()
        run.__enter__()
        self._runs.append(run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        run = self._pop()
        run.__exit__(kind, exc, trace)
        run.settle()

    def _pop(self) -> _Run:
        """Return the innermost run of this code; where it is left in another context than entered, the latest one."""
        run = _INNERMOST.get()
        while run is not None and run not in self._runs:
            run = run.outer
        if run is None:
            return self._runs.pop()
        self._runs.remove(run)
        return run

    def __call__(self, function: _F) -> _F:
        """Return ``function`` watched. Raises ConfigError for what is no function."""
        outer: Any = type(function)
        if outer in (staticmethod, classmethod):
            return outer(self(function.__func__))  # type: ignore[attr-defined, no-any-return]
        if not callable(function) or isinstance(function, type):
            raise ConfigError(f"watch() decorates functions, not {type(function).__name__} objects or classes")
        wrap = self._function
        if is_coroutine_function(function):
            wrap = self._coroutine
        elif inspect.isgeneratorfunction(function):
            wrap = self._generator
        elif inspect.isasyncgenfunction(function):
            wrap = self._async_generator
        watched: _F = wrap(function)
        return watched

    def _function(self, function: Any) -> Any:
        @wraps(function)
        def watched(*args: Any, **named: Any) -> Any:
            run = self._run()
            try:
                with run:
                    return function(*args, **named)
            finally:
                run.settle()

        return watched

    def _run(self) -> _Run:
        return _Run(self._name, self._find(), self._said)

    def _coroutine(self, function: Any) -> Any:
        @wraps(function)
        async def watched(*args: Any, **named: Any) -> Any:
            run = self._run()
            try:
                with run:
                    return await function(*args, **named)
            finally:
                run.settle()

        return watched

    def _generator(self, function: Any) -> Any:
        @wraps(function)
        def watched(*args: Any, **named: Any) -> Generator[Any, Any, Any]:
            run = self._run()
            try:
                return (yield from _driven(function(*args, **named), run))
            finally:
                run.settle()

        return watched

    def _async_generator(self, function: Any) -> Any:
        @wraps(function)
        async def watched(*args: Any, **named: Any) -> AsyncGenerator[Any, Any]:
            run = self._run()
            inner = function(*args, **named)
            resume, value = inner.asend, None
            try:
                while True:
                    with run:
                        try:
                            item = await resume(value)
                        except StopAsyncIteration:
                            return
                    try:
                        resume, value = inner.asend, (yield item)
                    except GeneratorExit:
                        with run:
                            await inner.aclose()
                        raise
                    except BaseException as thrown:  # noqa: BLE001 - it is the inner generator's to take
                        resume, value = inner.athrow, thrown
            finally:
                run.settle()

        return watched


class _Run:
    """Be one run of what is watched. A generator enters it for each of its steps, and leaves it to whoever asked."""

    __slots__ = ("_entered", "_station", "_work", "depth", "outer")

    def __init__(self, name: str, station: Station | None, said: Mapping[str, Any]) -> None:
        is_on = station is not None and station.intake.is_on
        self._station = station if is_on else None
        self._work = Work(name, by="watch", **said)
        self._entered: Token[_Run | None] | None = None
        self.outer: _Run | None = None
        self.depth = 0

    def __enter__(self) -> None:
        # First: it may take a while, and what a signal handler raises meanwhile must find nothing entered.
        if self._station is not None and self._station.intake.is_asleep:
            self._station.intake.wake()
        self.outer = _INNERMOST.get()
        self.depth = 1 if self.outer is None else self.outer.depth + 1
        self._entered = _INNERMOST.set(self)
        if self._station is not None:
            self._work.begin()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._station is not None and exc is not None and is_fault(exc):
                # An exception is seen by each block that it leaves, on a way of its own; by the same block it is seen
                # in its next run, which is another occurrence.
                self._station.intake.exception(exc, via=f"watch {self.depth}", environ=self._work.environ)
        finally:
            self._work.end()
            if self._entered is not None:
                leave(_INNERMOST, self._entered)

    def settle(self) -> None:
        """Have delivered what is to be delivered when work ends."""
        if self._station is not None:
            self._station.settle()


def _driven(inner: Generator[Any, Any, Any], run: _Run) -> Generator[Any, Any, Any]:
    """Step a generator within the run: between its steps other code runs, whose reports are not its."""
    resume: Callable[[Any], Any] = inner.send
    value: Any = None
    while True:
        with run:
            try:
                item = resume(value)
            except StopIteration as end:
                return end.value
        try:
            resume, value = inner.send, (yield item)
        except GeneratorExit:
            with run:
                inner.close()
            raise
        except BaseException as thrown:  # noqa: BLE001 - it is the inner generator's to take
            resume, value = inner.throw, thrown
