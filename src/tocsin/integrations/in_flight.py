"""Requests that are under way: an application goes in, one leaves that notes each request while it lasts.

Only with the setting ``deaths``, and around what would be there without it: nothing is added to a request otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from inspect import iscoroutinefunction
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from tocsin.capture.disconnects import is_worker_timeout
from tocsin.capture.requests import path_of
from tocsin.capture.work import WATCHERS
from tocsin.event.environ import text as environ_text
from tocsin.event.limits import ENVIRON_CHARS
from tocsin.integrations.binding import Binding
from tocsin.integrations.wsgi.body import SizedBody
from tocsin.integrations.wsgi.exchange import Environ, Exchange
from tocsin.spool.deaths import Deaths

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

    from tocsin.capture.scopes import Scope
    from tocsin.event.model import Task
    from tocsin.intake import Intake
    from tocsin.spool.in_flight import FlightLog

__all__ = ["Words", "noted_asgi", "noted_handler", "noted_wsgi", "of_environ", "watch"]

_F = TypeVar("_F", bound=Callable[..., Any])
# Of a framework's request: where it keeps notes, its method, its path.
Words: TypeAlias = Callable[[Any], tuple[MutableMapping[str, Any], str, str]]

_NOTED: Final = "tocsin.in_flight"  # of several wrapped applications around each other the outermost notes


def watch(intake: Intake) -> None:
    """Have an intake's process tell of its death, from its first request, task or event on."""
    deaths = Deaths()

    def began(task: Task) -> Callable[[], None]:
        if intake.is_asleep:
            intake.wake()
        log, name = deaths.log, intake.scrubber.name
        if log is None:
            return _nothing
        return _Flight(log, log.begin("task", name(task.name), name(task.by), name(task.id))).end

    def close() -> None:
        WATCHERS.remove(began)
        deaths.end()

    intake.deaths = deaths
    WATCHERS.append(began)
    intake.on_close(close)


def _nothing() -> None:
    return


class _Flight:
    """Be one request under way, until `end`; or until it is forgotten, by a server that closes no body."""

    __slots__ = ("_log", "_slot")

    def __init__(self, log: FlightLog, slot: int) -> None:
        self._log = log
        self._slot = slot

    def end(self) -> None:
        slot, self._slot = self._slot, -1
        self._log.end(slot)

    def failed(self, fault: BaseException) -> None:
        """Look at what comes out of the application: a worker's timeout was taken by a handler, and kills nobody."""
        if is_worker_timeout(fault):
            self._log.abort_handled()

    __del__ = end


class _Body:
    """Be a body until it is closed, and the request until then under way."""

    def __init__(self, body: Any, flight: _Flight) -> None:
        self._body = body
        self._flight = flight

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except BaseException as fault:
            self._flight.failed(fault)
            raise

    def close(self) -> None:
        try:
            self._body.close()
        except BaseException as fault:
            self._flight.failed(fault)
            raise
        finally:
            self._flight.end()


class _Stream(_Body):
    """Be a generator's body: its own iterator, so that it is closed when the server says so, and not before."""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._body)  # type: ignore[no-any-return]
        except StopIteration:
            raise
        except BaseException as fault:
            self._flight.failed(fault)
            raise


class _SizedBody(_Body):
    def __len__(self) -> int:
        return len(self._body)


def noted_wsgi(guest: WSGIApplication, binding: Binding) -> WSGIApplication:
    """Return a wrapped application, wrapped once more: each request is noted until its body is closed."""

    def noted(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        flight = _begun(binding.intake, environ, *of_environ(environ))
        if flight is None:
            return guest(environ, start_response)
        try:
            body: Any = guest(environ, start_response)
        except BaseException as fault:
            flight.failed(fault)
            flight.end()
            raise
        finally:
            environ.pop(_NOTED, None)
        kind = type(body)
        if kind is GeneratorType:
            return _Stream(body, flight)
        if kind is Exchange:
            return _Body(body, flight)
        if kind is SizedBody:
            return _SizedBody(body, flight)
        flight.end()  # a list is the server's from now on, and so is a file, which must reach it as it is
        return body  # type: ignore[no-any-return]

    return noted


def noted_asgi(guest: Callable[..., Awaitable[Any]], binding: Binding) -> Callable[..., Awaitable[Any]]:
    """Return a wrapped application, wrapped once more: each http request is noted until it returns.

    Not websockets: they are open for hours without doing anything, and a deploy that kills them breaks off nothing.
    """

    async def noted(scope: Scope, receive: Any, send: Any) -> Any:
        flight = _begun(binding.intake, scope, *_of_scope(scope)) if scope["type"] == "http" else None
        if flight is None:
            return await guest(scope, receive, send)
        try:
            return await guest(scope, receive, send)
        except BaseException as fault:
            flight.failed(fault)
            raise
        finally:
            flight.end()
            scope.pop(_NOTED, None)

    return noted


def noted_handler(handler: _F, intake: Intake, words: Words) -> _F:
    """Return what a framework calls with a request, sync or async; each is noted while the call lasts.

    For integrations that work by middleware: a body that is still to be streamed is not part of it.
    """
    if iscoroutinefunction(handler):

        async def noted_later(request: Any, *more: Any) -> Any:
            with _handled(intake, *words(request)):
                return await handler(request, *more)

        return noted_later  # type: ignore[return-value]

    def noted(request: Any, *more: Any) -> Any:
        with _handled(intake, *words(request)):
            return handler(request, *more)

    return noted  # type: ignore[return-value]


@contextmanager
def _handled(intake: Intake, notes: MutableMapping[str, Any], method: str, path: str) -> Iterator[None]:
    flight = _begun(intake, notes, method, path)
    try:
        yield
    except BaseException as fault:
        if flight is not None:
            flight.failed(fault)
        raise
    finally:
        if flight is not None:
            flight.end()


def _begun(intake: Intake, notes: MutableMapping[str, Any], method: str, path: str) -> _Flight | None:
    """Note a request, masked; return None where one further out has, as ``notes`` say, or none can be."""
    if intake.is_asleep:
        intake.wake()
    deaths = intake.deaths
    log = None if deaths is None else deaths.log
    if log is None or _NOTED in notes:
        return None
    notes[_NOTED] = True
    name = intake.scrubber.name
    return _Flight(log, log.begin("request", name(method), name(path), name(threading.current_thread().name)))


def of_environ(environ: Environ) -> tuple[str, str]:
    """Return the method and the path of a WSGI request, bounded."""
    return environ_text(environ, "REQUEST_METHOD"), path_of(environ)


def _of_scope(scope: Scope) -> tuple[str, str]:
    method, path = scope.get("method"), scope.get("path")
    return (method if type(method) is str else ""), (path[:ENVIRON_CHARS] if type(path) is str else "")
