"""ASGI: an application and an intake go in, an application leaves that reports what breaks in it.

Nothing of an answer changes but that a failure before its start becomes the 500 page, and that errors carry
``X-Error-Id``. Websockets and the lifespan are only watched: what they raise is reported and raised again.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextvars import Token
from types import MethodType
from typing import TYPE_CHECKING, Any

from tocsin.capture.scopes import SCOPE, Scope
from tocsin.integrations.asgi import exchange as exchanges
from tocsin.integrations.asgi.exchange import Exchange, Message, Send, report
from tocsin.integrations.asgi.lifespan import AsgiLifespan
from tocsin.integrations.binding import BINDING, Binding
from tocsin.integrations.interface import require_asgi

if TYPE_CHECKING:
    from tocsin.intake import Intake

__all__ = ["AsgiApp", "asgi", "guard"]

Receive = Callable[[], Awaitable[Message]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[Any]]


def asgi(app: AsgiApp, intake: Intake) -> AsgiApp:
    """Return ``app`` (ASGI 3) wrapped in production; in the modes debug and off it comes back as it is.

    An application that is wrapped already comes back unchanged, bound to ``intake`` from now on. Raises ConfigError for
    what is no ASGI application.
    """
    bound = getattr(app, BINDING, None)
    if bound is not None:
        bound.intake = intake
        return app
    require_asgi(app)
    return guard(app, Binding(intake)) if intake.settings.mode == "production" else app


def guard(app: AsgiApp, binding: Binding) -> AsgiApp:
    """Return a callable that calls ``app`` and reports to the binding's intake whatever the mode is.

    About a third of its cost is the context variable; the figures are in docs/explanation/performance.md.
    """
    _mark_send()

    async def guest(scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] != "http":
            return await _other(app, binding, scope, receive, send)
        if binding.intake.is_asleep:
            binding.intake.wake()  # delivery starts with a process's first request, not before its forks
        exchange: Exchange = [False, send, scope, binding]
        token = SCOPE.set(scope)
        try:
            return await app(scope, receive, MethodType(exchanges.send, exchange))
        except BaseException as fault:
            if not await exchanges.failed(exchange, fault):
                raise
        finally:
            # Some servers and most test clients run requests in their caller's context: what comes after would pass
            # for a part of this one. Tasks that the request has started keep their copy.
            try:
                SCOPE.reset(token)
            except ValueError:
                pass  # a coroutine that is closed late is closed in whatever context the collector runs in

    wrapped: AsgiApp = guest
    if binding.intake.deaths is not None:
        from tocsin.integrations.in_flight import noted_asgi  # only for those who asked for it

        wrapped = noted_asgi(guest, binding)
    wrapped.__dict__[BINDING] = binding
    return wrapped


async def _other(app: AsgiApp, binding: Binding, scope: Scope, receive: Receive, send: Send) -> Any:
    kind = scope["type"]
    if kind == "websocket":
        return await _connection(app, binding, scope, receive, send)
    if kind == "lifespan":
        lifespan = AsgiLifespan(binding, receive, send)
        try:
            return await app(scope, lifespan.receive, lifespan.send)
        except BaseException as fault:
            lifespan.failed(fault)
            raise
    return await app(scope, receive, send)


async def _connection(app: AsgiApp, binding: Binding, scope: Scope, receive: Receive, send: Send) -> Any:
    """Watch a websocket. Nothing is sent on it: only the application knows what its client would understand."""
    if binding.intake.is_asleep:
        binding.intake.wake()
    token = SCOPE.set(scope)
    try:
        return await app(scope, receive, send)
    except BaseException as fault:
        report(binding, fault, scope, "call", is_raised=True)
        raise
    finally:
        _reset(token)


def _reset(token: Token[Scope | None]) -> None:
    try:
        SCOPE.reset(token)
    except ValueError:
        pass  # as in `guest`, which has it inline: a call would cost 0.05 µs


def _mark_send() -> None:
    """Mark our ``send`` as what it amounts to, a coroutine function: asgiref warns of one that isn't."""
    send: Any = exchanges.send
    if sys.version_info >= (3, 12):
        from inspect import markcoroutinefunction

        markcoroutinefunction(send)
    else:
        from asyncio import coroutines

        send._is_coroutine = coroutines._is_coroutine  # type: ignore[attr-defined] # what `iscoroutinefunction` asks
