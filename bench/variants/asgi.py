"""An ASGI request that succeeds: what a middleware adds to it, within one running event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import peers
from measure import Figures, Measure, Skipped
from sink import Sink

__all__ = ["MEASURE", "app", "run"]

_SCOPE: Final = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "https",
    "path": "/order/4711",
    "raw_path": b"/order/4711",
    "query_string": b"page=2",
    "root_path": "",
    "headers": [
        (b"host", b"shop.example.org"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        (b"accept-language", b"en-US,en;q=0.5"),
        (b"accept-encoding", b"gzip, deflate, br"),
        (b"connection", b"keep-alive"),
        (b"cookie", b"session=0123456789abcdef; theme=dark"),
        (b"referer", b"https://shop.example.org/orders"),
    ],
    "client": ("192.0.2.7", 51000),
    "server": ("shop.example.org", 443),
    "state": {},
}
_START: Final = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
_BODY: Final = {"type": "http.response.body", "body": b"fine"}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer at once."""
    await send(_START)
    await send(_BODY)


def bare(app: Any) -> Any:
    """Return the application itself."""
    return app


def floor_try(app: Any) -> Any:
    """See what the application raises; no answers."""

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except Exception:
            raise

    return middleware


def starlette(app: Any) -> Any:
    """Return the application in the middleware that every Starlette application has already."""
    try:
        from starlette.middleware.errors import ServerErrorMiddleware
    except ImportError:
        raise Skipped("starlette isn't installed: make bench installs it in .venv-bench") from None
    return ServerErrorMiddleware(app)


def tocsin(app: Any) -> Any:
    """Return the application as tocsin wraps it."""
    import ours

    reporter = ours.reporter()
    if not hasattr(reporter, "asgi"):
        raise Skipped("this tocsin has no asgi()")
    return reporter.asgi(app)


async def run(app: Any, steps: int) -> float:
    """Return nanoseconds of CPU time per request."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        return None

    for _ in range(max(1, steps // 10)):
        await app(_SCOPE.copy(), receive, send)
    begun = time.process_time_ns()
    for _ in range(steps):
        await app(_SCOPE.copy(), receive, send)
    return (time.process_time_ns() - begun) / steps


def _measured(wrap: Callable[[Any], Any], steps: int) -> Figures:
    return {"ns": asyncio.run(run(wrap(app), steps))}


def _peer(file: str, steps: int) -> Figures:
    with Sink() as sink:
        wrapped = peers.started(file, sink).wrap_asgi(app)
        return {"ns": asyncio.run(run(wrapped, max(steps // 40, 1)))}


def _variants() -> dict[str, Callable[[int], Figures]]:
    ways = {"bare": bare, "a `try`": floor_try, "Starlette's own": starlette, "tocsin": tocsin}
    found: dict[str, Callable[[int], Figures]] = {name: partial(_measured, wrap) for name, wrap in ways.items()}
    for file in peers.NAMES:
        peer = peers.Peer(file)
        if peer.does("wrap_asgi"):
            found[peer.name] = partial(_peer, file)
    return found


MEASURE = Measure("asgi", steps=200_000, few=5, variants=_variants())
