"""Quart: the page's own code, by its test client and on servers; then each way in which a part of it fails."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

pytest.importorskip("quart", reason="no quart; pip install quart")

from asgi_servers import SERVERS, Shop, running, skip_if_missing, wait_until_up  # noqa: E402
from quart import Blueprint, Quart, Response, abort, request, websocket  # noqa: E402
from quart.testing.connections import WebsocketDisconnectError  # noqa: E402

from asgi_crowd import busy, crowd, strays  # noqa: E402
from how_to import unpack  # noqa: E402
from tocsin.testing import Captured, captured_events  # noqa: E402

PAGE = "quart.md"


# -- the page ----------------------------------------------------------------------------------------------------


def uvicorn(app: str, port: int) -> list[str]:
    return [*SERVERS["uvicorn"](app, port), "--factory"]


def hypercorn(app: str, port: int) -> list[str]:
    return SERVERS["hypercorn"](f"{app}()", port)


@pytest.fixture(params=[uvicorn, hypercorn])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    skip_if_missing(request.param.__name__)
    unpack(PAGE, tmp_path)
    with running(request.param, "shop:create_app", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        yield Shop(port, tmp_path / "events.jsonl")


def test_page_on_its_server_tells_what_it_shows(shop: Shop) -> None:
    pytest.importorskip("websockets", reason="no websockets; pip install websockets")
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    broken = shop.ask("/orders/0")
    assert shop.read(shop.begin("/orders", method="POST")).status.startswith("202")
    with connect(f"ws://127.0.0.1:{shop.port}/orders/7/track", proxy=None) as link:
        assert link.recv(10) == "order 7 is packed"
        with pytest.raises(ConnectionClosed):
            link.recv(10)
    events = {event["exception"]["type"]: event for event in shop.events(3)}
    assert sorted(events) == ["ConnectionRefusedError", "LookupError", "ZeroDivisionError"]
    assert {event["kind"] for event in events.values()} == {"traceback"}
    assert broken.error_ids == [events["ZeroDivisionError"]["error_id"]]
    assert f"Please quote {broken.error_ids[0]}.".encode() in broken.body
    routes = {name: event["request"]["route"] for name, event in events.items()}
    assert routes == {
        "ZeroDivisionError": "/orders/<int:number>",
        "ConnectionRefusedError": "/orders",
        "LookupError": "/orders/<int:number>/track",
    }


# -- each way to fail --------------------------------------------------------------------------------------------


def make(**config: Any) -> Quart:
    """Return a small application with a view for each way to break."""
    app = Quart("shop")
    app.config.update(config)
    orders = Blueprint("orders", "orders", url_prefix="/orders")

    @orders.get("/<int:number>")
    async def order(number: int) -> str:
        raise ValueError("order")

    @app.get("/fine")
    async def fine() -> str:
        return "fine"

    @app.get("/threaded")
    def threaded() -> str:
        raise ValueError("threaded")

    @app.get("/aborts/<int:status>")
    async def aborts(status: int) -> str:
        abort(status)

    @app.get("/stream")
    async def stream() -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"begun"
            raise ValueError("stream")

        return Response(chunks())

    @app.get("/background")
    async def background() -> str:
        async def late() -> None:
            raise LookupError("background")

        app.add_background_task(late)
        return "soon"

    @app.websocket("/track/<int:number>")
    async def track(number: int) -> None:
        await websocket.accept()
        raise ValueError("track")

    app.register_blueprint(orders)
    return app


@pytest.fixture
def events() -> Iterator[Captured]:
    with captured_events(logs=True) as captured:
        yield captured


def ask(app: Quart, path: str, events: Captured, method: str = "GET") -> Any:
    """Install, ask once, and return the answer with its body in ``text``."""
    assert events.reporter.install(app) is app

    async def asked() -> Any:
        answer = await app.test_client().open(path, method=method)
        answer.text = await answer.get_data(as_text=True)
        await asyncio.gather(*app.background_tasks, return_exceptions=True)
        return answer

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("path", "told", "route", "endpoint"),
    [
        ("/orders/7", "ValueError: order", "/orders/<int:number>", "orders.order"),
        ("/threaded", "ValueError: threaded", "/threaded", "threaded"),
        ("/background", "LookupError: background", "/background", "background"),
    ],
)
def test_fault_is_told_once_with_its_route(events: Captured, path: str, told: str, route: str, endpoint: str) -> None:
    """Quart logs each of them as well."""
    answer = ask(make(), path, events)
    [event] = events
    assert (event.kind, event.message) == ("traceback", told)
    assert (event.request.route, event.request.endpoint) == (route, endpoint)
    if path != "/background":
        assert answer.headers.getlist("x-error-id") == [event.error_id]
        assert event.error_id in answer.text


def test_broken_stream_is_told_and_raised(events: Captured) -> None:
    with pytest.raises(ValueError, match="stream"):
        ask(make(), "/stream", events)
    [event] = events
    assert (event.message, event.request.route) == ("ValueError: stream", "/stream")


@pytest.mark.parametrize("hook", ["before_request", "teardown_request"])
def test_failing_hook_is_told_once_with_the_route(events: Captured, hook: str) -> None:
    async def fail(*args: Any) -> Any:
        raise LookupError("in a hook")

    app = make()
    getattr(app, hook)(fail)
    answer = ask(app, "/fine", events)
    [event] = events
    assert (event.message, event.request.route) == ("LookupError: in a hook", "/fine")
    assert answer.headers["x-error-id"] == event.error_id


@pytest.mark.parametrize(("path", "told"), [("/fine", ["LookupError"]), ("/orders/7", ["ValueError", "LookupError"])])
def test_hook_that_fails_again_on_the_answer_to_its_failure_is_one_report(path: str, told: list[str]) -> None:
    """Quart runs it for the 500 as well, and logs that; on the answer to another failure it is a fault of its own."""

    async def fail(response: Any) -> Any:
        raise LookupError("in a hook")

    app = make()
    app.after_request(fail)
    with captured_events(logs=True) as events:
        assert ask(app, path, events).status_code == 500
    assert [event.exception.type for event in events] == told


def test_abort_500_is_an_error_with_our_page(events: Captured) -> None:
    answer = ask(make(), "/aborts/500", events)
    event = events.assert_one(kind="error")
    assert answer.headers.getlist("x-error-id") == [event.error_id]
    assert event.error_id in answer.text


def test_answer_to_head_has_the_id(events: Captured) -> None:
    answer = ask(make(), "/orders/7", events, "HEAD")
    assert [event.error_id for event in events] == answer.headers.getlist("x-error-id")


@pytest.mark.parametrize(("status", "kinds"), [(404, []), (409, []), (503, []), (400, ["warning"])])
def test_abort_is_an_answer(events: Captured, status: int, kinds: list[str]) -> None:
    answer = ask(make(), f"/aborts/{status}", events)
    assert (answer.status_code, answer.headers.get("x-error-id")) == (status, None)
    assert [event.kind for event in events] == kinds


def test_our_page_keeps_what_the_answer_varies_by(events: Captured) -> None:
    app = make()

    @app.after_request
    async def varied(response: Response) -> Response:
        response.headers["Vary"] = "Origin"
        return response

    assert ask(app, "/orders/7", events).headers["Vary"] == "Origin, Accept"


@pytest.mark.parametrize("key", [500, Exception, ValueError])
def test_own_page_stays_and_gets_the_id(events: Captured, key: Any) -> None:
    app = make()

    @app.errorhandler(key)
    async def sorry(exc: Exception) -> tuple[str, int]:
        return "our own words", 500

    answer = ask(app, "/orders/7", events)
    [event] = events
    assert answer.text == "our own words"
    assert answer.headers.getlist("x-error-id") == [event.error_id]
    assert event.message == "ValueError: order"


@pytest.mark.parametrize(("status", "told"), [(503, 1), (409, 0)])
def test_handler_that_makes_a_fault_an_answer(events: Captured, status: int, told: int) -> None:
    app = make()

    @app.errorhandler(ValueError)
    async def sorry(exc: Exception) -> tuple[str, int]:
        return "sold out", status

    answer = ask(app, "/orders/7", events)
    assert len(events) == told == len(answer.headers.getlist("x-error-id"))


@pytest.mark.parametrize("is_handled", [False, True])
def test_websocket_is_told_and_closed_as_without(events: Captured, is_handled: bool) -> None:
    def shaped() -> Quart:
        app = make()
        if is_handled:
            app.register_error_handler(ValueError, _sorry)
        return app

    async def talk(app: Quart) -> Any:
        with pytest.raises(WebsocketDisconnectError) as caught:
            async with app.test_client().websocket("/track/7") as link:
                await link.receive()
        return caught.value.args

    bare = asyncio.run(talk(shaped()))
    events.clear()
    assert asyncio.run(talk(events.reporter.install(shaped()))) == bare
    [event] = events
    assert (event.kind, event.message, event.request.route) == ("traceback", "ValueError: track", "/track/<int:number>")


async def _sorry(exc: Exception) -> tuple[str, int]:
    return "sorry", 500


def test_exception_propagates_where_quart_lets_it_and_is_told_once(events: Captured) -> None:
    with pytest.raises(ValueError, match="order"):
        ask(make(PROPAGATE_EXCEPTIONS=True), "/orders/7", events)
    events.assert_one("ValueError")


def test_traceback_page_of_quarts_tests_stays(events: Captured) -> None:
    answer = ask(make(TESTING=True), "/orders/7", events)
    [event] = events
    assert "ValueError" in answer.text
    assert answer.headers.getlist("x-error-id") == [event.error_id]


@pytest.mark.parametrize("when", ["before_serving", "after_serving"])
def test_what_fails_before_or_after_serving_is_told_once(events: Captured, when: str) -> None:
    app = events.reporter.install(make())

    async def fail() -> None:
        raise LookupError(when)

    getattr(app, when)(fail)

    async def serve() -> list[str]:
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent: list[str] = []

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)  # type: ignore[typeddict-item,arg-type]
        return sent

    assert asyncio.run(serve())[-1].endswith(".failed" if when == "after_serving" else ".complete")
    assert [event.exception.message for event in events] == [when]


def test_user_is_told_if_the_settings_let_it() -> None:
    app = make()

    @app.before_request
    async def sign_in() -> None:
        request.scope["tocsin.user"] = 7  # type: ignore[typeddict-unknown-key]

    with captured_events(user_id="full") as events:
        ask(app, "/orders/7", events)
        assert [event.request.user for event in events] == ["7"]


def test_each_of_a_crowd_of_requests_is_told_as_its_own(events: Captured) -> None:
    pytest.importorskip("httpx", reason="no httpx; pip install httpx")
    app = Quart("shop")

    @app.get("/busy/<int:number>")
    async def of_a_crowd(number: int) -> None:
        await busy(number)

    ids = crowd(events.reporter.install(app))
    assert strays([event for event in events if event.logger != "shop"], ids) == []


def test_application_that_has_answered_already_may_be_installed(events: Captured) -> None:
    app = make()
    asyncio.run(app.test_client().get("/fine"))
    ask(app, "/orders/7", events)
    assert [event.request.route for event in events] == ["/orders/<int:number>"]


def test_installing_again_binds_to_the_last_reporter() -> None:
    app = make()
    with captured_events() as first:
        first.reporter.install(app)
    with captured_events() as second:
        ask(app, "/orders/7", second)
        second.assert_one("ValueError")
    assert list(first) == []


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_connected(mode: str) -> None:
    with captured_events(mode=mode) as events:
        app = make()
        before: Callable[..., Any] = app.asgi_app
        assert events.reporter.install(app) is app
        assert app.asgi_app == before
        assert app.extensions == {}
        assert ask(app, "/orders/7", events).status_code == 500
        events.assert_none()
