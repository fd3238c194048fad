"""aiohttp.web with its middlewares, streams and websockets, in process, by web.run_app and gunicorn; the page's own."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="no aiohttp; pip install aiohttp")

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import aiohttp  # noqa: E402
from aiohttp import ClientResponse, ClientSession, web  # noqa: E402
from aiohttp.test_utils import TestClient, TestServer  # noqa: E402
from asgi_servers import PATIENCE_S, Shop, running, wait_until_up  # noqa: E402

import tocsin  # noqa: E402
from how_to import unpack  # noqa: E402
from tocsin.event.errors import ConfigError  # noqa: E402
from tocsin.testing import Captured, captured_events  # noqa: E402

View = Callable[[web.Request], Awaitable[Any]]


@pytest.fixture
def events() -> Iterator[Captured]:
    with captured_events(logs=True) as captured:
        yield captured


async def fail(request: web.Request) -> web.StreamResponse:
    raise ValueError("no such order")


def make(view: View = fail, *middlewares: Any) -> web.Application:
    app = web.Application(middlewares=middlewares)
    app.router.add_get("/order/{number}", view)
    return app


@asynccontextmanager
async def served(app: web.Application, **more: Any) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(app), **more) as client:
        yield client


def ask(app: web.Application, path: str = "/order/7", **more: Any) -> tuple[ClientResponse, bytes]:
    async def asked() -> tuple[ClientResponse, bytes]:
        async with served(app) as client, client.get(path, **more) as answer:
            return answer, await answer.read()

    return asyncio.run(asked())


def test_what_a_handler_raises_is_reported_once_and_answered_by_our_page(events: Captured) -> None:
    answer, body = ask(tocsin.install(make()), "/order/7?token=secret")
    event = events.assert_one(ValueError, kind="traceback")
    assert len(events) == 1
    assert (answer.status, answer.headers.getall("X-Error-Id")) == (500, [event.error_id])
    assert event.error_id in body.decode()
    request = event.request
    assert (request.method, request.path, request.query) == ("GET", "/order/7", "token=[masked: token]")
    assert (request.route, request.endpoint) == ("/order/{number}", f"{__name__}.fail")
    assert dict(request.headers)["Host"].startswith("127.0.0.1:")
    assert answer.headers["Connection"] == "close"


def test_our_page_is_what_the_client_accepts(events: Captured) -> None:
    answer, _ = ask(tocsin.install(make()), headers={"Accept": "application/json"})
    assert answer.content_type == "application/problem+json"


def test_record_logged_in_a_handler_and_in_its_tasks_names_the_request(events: Captured) -> None:
    async def view(request: web.Request) -> web.Response:
        async def later() -> None:
            logging.getLogger("shop").error("in a task")

        logging.getLogger("shop").error("in the handler")
        await asyncio.create_task(later())
        await asyncio.to_thread(logging.getLogger("shop").error, "in a thread")
        return web.Response()

    ask(tocsin.install(make(view)))
    assert [event.request.route for event in events] == ["/order/{number}"] * 3
    assert [event.message for event in events] == ["in the handler", "in a task", "in a thread"]


def test_task_that_outlives_its_request_still_names_it(events: Captured) -> None:
    async def view(request: web.Request) -> web.Response:
        async def later() -> None:
            await over.wait()
            logging.getLogger("shop").error("in the background")

        tasks.append(asyncio.create_task(later()))
        return web.Response()

    async def run() -> None:
        async with served(tocsin.install(make(view))) as client:
            await client.get("/order/7")
            over.set()
            await tasks.pop()

    tasks: list[asyncio.Task[None]] = []
    over = asyncio.Event()
    asyncio.run(run())
    assert events.assert_one(kind="error").request.path == "/order/7"


def test_record_logged_after_a_request_names_none(events: Captured) -> None:
    """Nor that of another request, on the same connection."""

    async def view(request: web.Request) -> Any:
        logging.getLogger("shop").error("here")
        return web.Response()

    async def run() -> None:
        async with served(tocsin.install(make(view))) as client:
            await client.get("/order/7")
            await client.get("/order/8")
            logging.getLogger("shop").error("afterwards")

    asyncio.run(run())
    assert [event.request and event.request.path for event in events] == ["/order/7", "/order/8", None]


def test_answers_are_the_same_as_without(events: Captured) -> None:
    async def view(request: web.Request) -> Any:
        return web.json_response({"number": request.match_info["number"]})

    def said(app: web.Application) -> tuple[int, dict[str, str], bytes]:
        answer, body = ask(app)
        return answer.status, {key: value for key, value in answer.headers.items() if key != "Date"}, body

    assert said(tocsin.install(make(view))) == said(make(view))


def test_what_aiohttp_logs_of_a_fault_is_the_same_event(events: Captured) -> None:
    """After the answer began there is nothing to answer: aiohttp gets the exception, and logs it."""

    async def view(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        raise ValueError("in the stream")

    async def raw(app: web.Application) -> bytes:
        async with TestServer(app, skip_url_asserts=True) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /order/7 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer.partition(b"\r\n\r\n")[2]

    assert asyncio.run(raw(tocsin.install(make(view)))) == b"5\r\nfirst\r\n"
    assert len(events) == 1
    assert events[0].request.route == "/order/{number}"


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (web.HTTPNotFound, []), (web.HTTPForbidden, []), (web.HTTPBadRequest, ["warning"]),
        (web.HTTPInternalServerError, ["error"]), (web.HTTPServiceUnavailable, []), (web.HTTPNoContent, []),
    ],
)  # fmt: skip
def test_http_exceptions_are_answers(events: Captured, answer: Any, kinds: list[str]) -> None:
    async def view(request: web.Request) -> Any:
        raise answer(reason="words of ours")

    found, _ = ask(tocsin.install(make(view)))
    assert (found.status, found.reason) == (answer.status_code, "words of ours")
    assert [event.kind for event in events] == kinds
    assert ("X-Error-Id" in found.headers) == (kinds == ["error"])


def test_redirect_and_unknown_path_are_nothing(events: Captured) -> None:
    async def view(request: web.Request) -> Any:
        raise web.HTTPFound("/elsewhere")

    answer, _ = ask(tocsin.install(make(view)), allow_redirects=False)
    assert answer.status == 302
    assert ask(tocsin.install(make(view)), "/nowhere")[0].status == 404
    events.assert_none()


@pytest.mark.parametrize("status", [409, 500, 503])
def test_middleware_of_the_application_keeps_its_answer(events: Captured, status: int) -> None:
    """It decides whether an exception was a fault; with 500 and above it was."""

    @web.middleware
    async def sorry(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            response: web.StreamResponse = await handler(request)
        except ValueError:
            return web.Response(status=status, text="our own words")
        return response

    answer, body = ask(tocsin.install(make(fail, sorry)))
    assert (answer.status, body) == (status, b"our own words")
    if status == 409:
        events.assert_none()
        assert "X-Error-Id" not in answer.headers
    else:
        assert answer.headers["X-Error-Id"] == events.assert_one(ValueError, kind="traceback").error_id


def test_middleware_that_logs_and_answers_is_one_event(events: Captured) -> None:
    @web.middleware
    async def sorry(request: web.Request, handler: Any) -> Any:
        try:
            return await handler(request)
        except ValueError:
            logging.getLogger("shop").exception("order failed")
            return web.json_response({}, status=500)

    answer, _ = ask(tocsin.install(make(fail, sorry)))
    assert answer.headers["X-Error-Id"] == events[0].error_id
    assert len(events) == 1


def test_middleware_of_the_application_can_show_the_error_id(events: Captured) -> None:
    @web.middleware
    async def sorry(request: web.Request, handler: Any) -> Any:
        try:
            return await handler(request)
        except ValueError as fault:
            return web.Response(status=500, text=tocsin.report(fault))

    answer, body = ask(tocsin.install(make(fail, sorry)))
    assert [event.error_id for event in events] == [body.decode()] == answer.headers.getall("X-Error-Id")


def test_middleware_that_fails_is_reported(events: Captured) -> None:
    @web.middleware
    async def broken(request: web.Request, handler: Any) -> Any:
        raise LookupError("in the middleware")

    answer, _ = ask(tocsin.install(make(fail, broken)))
    assert answer.headers["X-Error-Id"] == events.assert_one(LookupError).error_id


@pytest.mark.parametrize("is_installed_twice", [True, False])
def test_sub_application_is_part_of_its_parent(events: Captured, is_installed_twice: bool) -> None:
    inner, outer = make(), web.Application()
    if is_installed_twice:
        tocsin.install(inner)
    outer.add_subapp("/inner", inner)
    answer, _ = ask(tocsin.install(outer), "/inner/order/7")
    event = events.assert_one(ValueError)
    assert event.request.route == "/inner/order/{number}"
    assert answer.headers.getall("X-Error-Id") == [event.error_id]


def test_class_based_view_is_named(events: Captured) -> None:
    class Orders(web.View):
        async def get(self) -> web.Response:
            raise ValueError("no such order")

    ask(tocsin.install(make(Orders)))
    assert events[0].request.endpoint.endswith(".Orders")


def test_handler_that_runs_out_of_time_is_answered_as_aiohttp_does(events: Captured) -> None:
    async def view(request: web.Request) -> Any:
        raise TimeoutError("database")

    bare, body = ask(make(view))
    events.clear()
    answer, ours = ask(tocsin.install(make(view)))
    event = events.assert_one(TimeoutError, kind="traceback")
    assert len(events) == 1
    assert (answer.status, ours) == (bare.status, body) == (504, body)
    assert answer.headers["Content-Type"] == bare.headers["Content-Type"]
    assert answer.headers["X-Error-Id"] == event.error_id


def test_handler_without_an_answer_is_told_by_the_record_of_aiohttp(events: Captured) -> None:
    async def view(request: web.Request) -> Any:
        return None

    answer, _ = ask(tocsin.install(make(view)))
    assert answer.status == 500
    assert events.assert_one(kind="error", logger="aiohttp.server").request.route == "/order/{number}"


def test_websocket_that_breaks_is_reported_and_closed_as_ever(events: Captured) -> None:
    async def view(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str(await ws.receive_str())
        raise ValueError("chat")

    async def talk() -> Any:
        async with served(tocsin.install(make(view))) as client, client.ws_connect("/order/7") as link:
            await link.send_str("hello")
            assert await link.receive_str() == "hello"
            return (await link.receive()).type.name

    assert asyncio.run(talk()) in ("CLOSED", "CLOSE", "ERROR")
    assert events.assert_one(ValueError).request.route == "/order/{number}"
    assert len(events) == 1


# -- clients that leave ----------------------------------------------------------------------------------------------


async def _write_on(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65536)
        await asyncio.sleep(0)


async def _read_on(request: web.Request) -> web.StreamResponse:
    await request.read()
    return web.Response()


async def _read_chunks_on(request: web.Request) -> web.StreamResponse:
    async for _ in request.content.iter_any():
        pass
    return web.Response()


async def _read_parts_on(request: web.Request) -> web.StreamResponse:
    await request.post()
    return web.Response()


async def _chat_on(request: web.Request) -> web.StreamResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    while True:
        await ws.send_str("x" * 65536)
        await asyncio.sleep(0)


async def _wait_on(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(PATIENCE_S)
    return web.Response()


_BODY = "Content-Length: 1000\r\n"
_PARTS = "Content-Type: multipart/form-data; boundary=x\r\n"
_UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\n"
)
_READERS_AND_WRITERS = [
    (_write_on, ""),
    (_read_on, _BODY),
    (_read_chunks_on, _BODY),
    (_read_parts_on, _BODY + _PARTS),
    (_chat_on, _UPGRADE),
]
_GET = "GET {path} HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("view", "more", "is_cancelled"),
    [
        (_wait_on, "", True),
        *((view, more, is_cancelled) for is_cancelled in (True, False) for view, more in _READERS_AND_WRITERS),
    ],
)
def test_clients_that_leave_are_no_report(events: Captured, view: View, more: str, is_cancelled: bool) -> None:
    """With handlers that aiohttp cancels then, and without."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def watched(request: web.Request) -> Any:
        begun.set()
        try:
            return await view(request)
        finally:
            ended.set()

    async def run() -> None:
        runner = web.AppRunner(tocsin.install(make(watched)), handler_cancellation=is_cancelled)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(f"{_GET}{more}\r\n".format(path="/order/7").encode())
        if view in (_write_on, _chat_on):
            await reader.read(100)
        else:
            await asyncio.wait_for(begun.wait(), PATIENCE_S)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()
        await asyncio.wait_for(ended.wait(), PATIENCE_S)
        await runner.cleanup()

    asyncio.run(run())
    events.assert_none()


def test_connection_to_somebody_else_that_breaks_is_a_fault(events: Captured) -> None:
    async def view(request: web.Request) -> Any:
        raise ConnectionResetError("database")

    answer, _ = ask(tocsin.install(make(view)))
    assert answer.headers["X-Error-Id"] == events.assert_one(ConnectionResetError).error_id


def test_websocket_to_somebody_else_that_breaks_is_a_fault(events: Captured) -> None:
    """Its client and its server write by the same code."""

    async def echo(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.receive_str()
        return ws

    async def view(request: web.Request) -> Any:
        async with ClientSession() as session, session.ws_connect(request.url.with_path("/echo")) as link:
            link._response.connection.transport.abort()  # type: ignore[union-attr]
            await link.send_str("hello")

    app = make(view)
    app.router.add_get("/echo", echo)
    answer, _ = ask(tocsin.install(app))
    event = events.assert_one(getattr(aiohttp, "ClientConnectionResetError", ConnectionResetError))  # by the version
    assert answer.headers["X-Error-Id"] == event.error_id


# -- installing ------------------------------------------------------------------------------------------------------


def test_installing_twice_is_harmless(events: Captured) -> None:
    app = make()
    assert tocsin.install(tocsin.install(app)) is app
    assert len(app.middlewares) == 1
    ask(app)
    assert len(events) == 1


def test_started_application_is_refused(events: Captured) -> None:
    app = make()
    app.freeze()
    with pytest.raises(ConfigError, match="before it starts"):
        tocsin.install(app)


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_connected(mode: str) -> None:
    with captured_events(mode=mode):
        assert list(tocsin.install(make()).middlewares) == []


# -- the manual ------------------------------------------------------------------------------------------------------


def by_itself(app: str, port: int) -> list[str]:
    return [sys.executable, "-m", "aiohttp.web", "-H", "127.0.0.1", "-P", str(port), "served_by_itself:main"]


def by_gunicorn(app: str, port: int) -> list[str]:
    return [
        sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{port}",
        "--worker-class", "aiohttp.GunicornWebWorker", app,
    ]  # fmt: skip


@pytest.mark.parametrize("more", ["", "deaths = true\n"])
@pytest.mark.parametrize("server", [by_itself, by_gunicorn])
def test_application_of_the_manual_works_as_it_says(tmp_path: Path, server: Any, more: str) -> None:
    unpack("aiohttp.md", tmp_path)
    config = tmp_path / "tocsin.toml"
    config.write_text(more + config.read_text())
    (tmp_path / "served_by_itself.py").write_text(
        "from shop import make_app\n\ndef main(argv):\n    return make_app()\n"
    )
    if server is by_gunicorn:
        pytest.importorskip("gunicorn", reason="no gunicorn; pip install gunicorn")
    with running(server, "shop:make_app()", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        shop = Shop(port, tmp_path / "events.jsonl")
        assert shop.ask("/orders/4").body == b'{"number": 4, "total": 25.0}'
        answer = shop.ask("/orders/0")
        [event] = shop.of_path("/orders/0")
        assert answer.error_ids == [event["error_id"]]
        assert (event["request"]["route"], event["request"]["endpoint"]) == ("/orders/{number}", "shop.order")
        assert shop.ask("/nothing").status.startswith("404")
        assert len(shop.events(1)) == 1


_KILLED = """
import os, signal

from aiohttp import web

import tocsin


async def die(request):
    os.kill(os.getpid(), signal.SIGKILL)


async def fine(request):
    return web.Response(text="fine")


def make_app():
    tocsin.setup("tocsin.toml")
    app = web.Application()
    app.add_routes([web.get("/die/{number}", die), web.get("/fine", fine)])
    return tocsin.install(app)
"""


def test_request_that_a_killed_worker_was_in_is_told(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn", reason="no gunicorn; pip install gunicorn")
    unpack("aiohttp.md", tmp_path)
    (tmp_path / "shop.py").write_text(_KILLED)
    config = tmp_path / "tocsin.toml"
    config.write_text("deaths = true\n" + config.read_text())
    with running(by_gunicorn, "shop:make_app()", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        shop = Shop(port, tmp_path / "events.jsonl")
        assert shop.ask("/fine").body == b"fine"
        with suppress(OSError):
            shop.ask("/die/7")
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with suppress(OSError):
                if shop.ask("/fine").body == b"fine":  # of the next worker, which leads
                    break
        [event] = shop.of_path("/die/7")
        assert event["exception"]["type"] == "ProcessVanished"
