"""A WSGI request that succeeds: what a middleware adds to it. The body is a list, or a generator."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import peers
from measure import Figures, Measure, Step, ns_per_step
from sink import Sink

__all__ = ["ENVIRON", "MEASURE", "generator_app", "list_app", "request"]

Wrap = Callable[[Any], Any]

ENVIRON: Final = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/order/4711",
    "QUERY_STRING": "page=2",
    "RAW_URI": "/order/4711?page=2",
    "SERVER_NAME": "shop.example.org",
    "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.7",
    "REMOTE_PORT": "51000",
    "HTTP_HOST": "shop.example.org",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.5",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br",
    "HTTP_CONNECTION": "keep-alive",
    "HTTP_COOKIE": "session=0123456789abcdef; theme=dark",
    "HTTP_REFERER": "https://shop.example.org/orders",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "https",
    "wsgi.input": io.BytesIO(),
    "wsgi.errors": io.StringIO(),
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
_HEADERS: Final = [("Content-Type", "text/plain"), ("Content-Length", "4")]


def list_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer at once."""
    start_response("200 OK", _HEADERS)
    return [b"fine"]


def generator_app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """Answer by a generator."""
    start_response("200 OK", _HEADERS)
    yield b"fine"


_APPS: Final = {"list": list_app, "generator": generator_app}


def request(app: Any) -> Step:
    """Return a step that does what a server does for one request."""

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        return None

    def step() -> None:
        body = app(ENVIRON.copy(), start_response)
        for _ in body:
            pass
        close = getattr(body, "close", None)
        if close is not None:
            close()

    return step


# -- floors: the least that a middleware can do ------------------------------------------------------------


def bare(app: Any) -> Any:
    """Return the application itself."""
    return app


def floor_try(app: Any) -> Any:
    """See what the call raises: no answers, no errors in the body."""

    def middleware(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            return app(environ, start_response)
        except Exception:
            raise

    return middleware


def floor_deferred(app: Any) -> Any:
    """Also hold status and headers back until the body begins, to be able to answer with a page of one's own."""

    class Held:
        __slots__ = ("headers", "status")

        def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self.status, self.headers = status, headers

    def middleware(environ: dict[str, Any], start_response: Any) -> Any:
        held = Held()
        try:
            body = app(environ, held.start)
            if body.__class__ is list:
                start_response(held.status, held.headers)
                return body
        except Exception:
            raise
        return _rest(held, body, start_response)

    return middleware


def _rest(held: Any, body: Any, start_response: Any) -> Iterator[bytes]:
    for chunk in body:
        if held.status is not None:
            start_response(held.status, held.headers)
            held.status = None
        yield chunk


def tocsin(app: Any) -> Any:
    """Return the application as tocsin wraps it."""
    import ours

    return ours.reporter().wsgi(app)


# ----------------------------------------------------------------------------------------------------------


def _measured(wrap: Wrap, app: Any, steps: int) -> Figures:
    return {"ns": ns_per_step(request(wrap(app)), steps)}


def _peer(file: str, app: Any, steps: int) -> Figures:
    with Sink() as sink:
        peer = peers.started(file, sink)
        return {"ns": ns_per_step(request(peer.wrap_wsgi(app)), max(steps // 40, 1))}


def _variants() -> dict[str, Callable[[int], Figures]]:
    ways = {"bare": bare, "a `try`": floor_try, "a `try`, held start": floor_deferred, "tocsin": tocsin}
    found: dict[str, Callable[[int], Figures]] = {}
    for kind, app in _APPS.items():
        found |= {f"{name}, {kind}": partial(_measured, wrap, app) for name, wrap in ways.items()}
        for file in peers.NAMES:
            peer = peers.Peer(file)
            if peer.does("wrap_wsgi"):
                found[f"{peer.name}, {kind}"] = partial(_peer, file, app)
    return found


MEASURE = Measure("wsgi", steps=200_000, few=5, variants=_variants())
