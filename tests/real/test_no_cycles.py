"""A request that failed leaves nothing to the garbage collector: what its frames held is gone when it is answered."""

from __future__ import annotations

import asyncio
import gc
import io
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tocsin.testing import Captured, captured_events

Call = Callable[[str], None]


class Held:
    """Be what a failing view has in hand."""


class View:
    """Fail, and remember by weak references what was in hand then."""

    def __init__(self) -> None:
        self.held: list[weakref.ref[Held]] = []

    def fail(self) -> None:
        held = Held()
        self.held.append(weakref.ref(held))
        raise ValueError("boom")


@pytest.fixture
def events() -> Iterator[Captured]:
    with captured_events() as captured:
        yield captured


def wsgi_call(app: Any) -> Call:
    def call(path: str) -> None:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": ""}
        environ |= {"SERVER_NAME": "shop", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.version": (1, 0)}
        environ |= {"wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "SERVER_PROTOCOL": "HTTP/1.1"}
        list(app(environ, lambda status, headers, exc_info=None: None))

    return call


def asgi_call(app: Any) -> Call:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        return

    def call(path: str) -> None:
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "path": path}
        scope |= {"raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": [], "scheme": "http"}
        scope |= {"client": ("198.51.100.7", 1), "server": ("shop", 80), "state": {}}

        async def visit() -> None:
            try:
                await app(scope, receive, send)
            except ValueError:
                pass  # some raise it again for the server's log

        asyncio.run(visit())

    return call


def wsgi(events: Captured, view: View) -> Call:
    return wsgi_call(events.reporter.wsgi(lambda environ, start_response: view.fail()))


def asgi(events: Captured, view: View) -> Call:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        view.fail()

    return asgi_call(events.reporter.asgi(app))


def falcon(events: Captured, view: View) -> Call:
    module = pytest.importorskip("falcon")

    class Orders:
        def on_get(self, req: Any, resp: Any) -> None:
            view.fail()

    app = module.App()
    app.add_route("/fail", Orders())
    return wsgi_call(events.reporter.install(app))


def starlette(events: Captured, view: View, answering: int = 0) -> Call:
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    class Outer:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            try:
                await self.app(scope, receive, send)
            except ValueError:
                if not answering:
                    raise
                await PlainTextResponse("sorry", answering)(scope, receive, send)

    async def orders(request: Any) -> None:
        view.fail()

    app = Starlette(routes=[Route("/fail", orders)], middleware=[Middleware(Outer)])
    return asgi_call(events.reporter.install(app))


def starlette_503(events: Captured, view: View) -> Call:
    return starlette(events, view, 503)


def starlette_404(events: Captured, view: View) -> Call:
    return starlette(events, view, 404)


def litestar(events: Captured, view: View) -> Call:
    module = pytest.importorskip("litestar")

    async def orders() -> str:
        view.fail()
        return ""

    return asgi_call(events.reporter.install(module.Litestar([module.get("/fail")(orders)])))


@pytest.mark.parametrize("made", [wsgi, asgi, falcon, starlette, starlette_503, starlette_404, litestar])
def test_what_a_failing_request_held_is_gone_when_it_is_answered(
    made: Callable[[Captured, View], Call], events: Captured
) -> None:
    view = View()
    call = made(events, view)
    call("/fail")  # what is imported and compiled at the first time may leave cycles of its own
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            call("/fail")
        assert len(view.held) == 4
        assert [each for each in view.held if each() is not None] == []
    finally:
        gc.enable()
