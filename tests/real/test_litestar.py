"""Litestar: the page's own code, by its test client and on servers; then each way in which a part of it fails."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

pytest.importorskip("litestar", reason="no litestar; pip install litestar")

from asgi_servers import SERVERS, Shop, running, skip_if_missing, wait_until_up  # noqa: E402
from litestar import Litestar, Request, Response, Router, WebSocket, get, post, websocket  # noqa: E402
from litestar.background_tasks import BackgroundTask  # noqa: E402
from litestar.exceptions import (  # noqa: E402
    HTTPException,
    InternalServerException,
    NotAuthorizedException,
    ServiceUnavailableException,
    WebSocketException,
)
from litestar.logging import LoggingConfig  # noqa: E402
from litestar.response import Stream  # noqa: E402
from litestar.testing import TestClient  # noqa: E402

from asgi_crowd import busy, crowd, strays  # noqa: E402
from how_to import unpack  # noqa: E402
from tocsin.testing import Captured, captured_events  # noqa: E402

PAGE = "litestar.md"
# Parameters are declared in the way that older versions know as well.
pytestmark = pytest.mark.filterwarnings("ignore:.*inferred style")


# -- the page ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["uvicorn", "hypercorn"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    skip_if_missing(request.param)
    unpack(PAGE, tmp_path)
    with running(SERVERS[request.param], "shop:app", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        yield Shop(port, tmp_path / "events.jsonl")


def test_page_on_its_server_tells_what_it_shows(shop: Shop) -> None:
    broken = shop.ask("/orders/0")
    assert b'"number":8' in shop.read(shop.begin("/orders", method="POST")).body
    sold_out = shop.read(shop.begin("/orders/7/parcels", method="POST"))
    assert shop.ask("/orders/seven").status.startswith("404")
    assert sold_out.status.startswith("503")
    events = {event["exception"]["type"]: event for event in shop.events(3)}
    assert sorted(events) == ["ConnectionRefusedError", "ZeroDivisionError", "shop.OutOfStock"]
    assert {event["kind"] for event in events.values()} == {"traceback"}
    assert broken.error_ids == [events["ZeroDivisionError"]["error_id"]]
    assert sold_out.error_ids == [events["shop.OutOfStock"]["error_id"]]
    assert events["ZeroDivisionError"]["request"]["route"] == "/orders/{number}"
    assert events["ZeroDivisionError"]["request"]["endpoint"] == "shop.Orders.order"


# -- each way to fail --------------------------------------------------------------------------------------------


class Sold(Exception):
    """What handlers take."""


@get("/fails/{number:int}")
async def fails(number: int) -> None:
    raise ValueError("fails")


@get("/threaded", sync_to_thread=True)
def threaded() -> None:
    raise ValueError("threaded")


@get("/sold")
async def sold() -> None:
    raise Sold("sold")


@get("/stream")
async def stream() -> Stream:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ValueError("stream")

    return Stream(chunks())


@get("/background")
async def background() -> Response[str]:
    async def late() -> None:
        await asyncio.sleep(0)
        raise LookupError("background")

    return Response("soon", background=BackgroundTask(late))


@get("/model")
async def model() -> object:
    return object()


@get("/internal")
async def internal() -> None:
    raise InternalServerException("own words")


@get("/meant/{status:int}")
async def meant(status: int) -> None:
    raise HTTPException("meant", status_code=status)


@post("/typed")
async def typed(number: int) -> None:
    pass


@get("/busy/{number:int}")
async def of_a_crowd(number: int) -> None:
    await busy(number)


@websocket("/track/{number:int}")
async def track(socket: WebSocket[Any, Any, Any], number: int) -> None:
    await socket.accept()
    raise ValueError("track")


@websocket("/refuse/{way:str}")
async def refuse(socket: WebSocket[Any, Any, Any], way: str) -> None:
    await socket.accept()
    raise WebSocketException(detail="refused") if way == "socket" else NotAuthorizedException("refused")


HANDLERS = [fails, threaded, sold, stream, background, model, internal, meant, typed, of_a_crowd, track, refuse]


def make(**parts: Any) -> Litestar:
    return Litestar(
        [Router("/orders", route_handlers=HANDLERS)], logging_config=parts.pop("logging_config", None), **parts
    )


@pytest.fixture
def events() -> Iterator[Captured]:
    with captured_events(logs=True) as captured:
        yield captured


def client(app: Litestar, events: Captured) -> TestClient[Litestar]:
    assert events.reporter.install(app) is app
    events.listen()
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("path", "told", "route", "endpoint"),
    [
        ("fails/7", "ValueError: fails", "fails/{number}", "fails"),
        ("threaded", "ValueError: threaded", "threaded", "threaded"),
        ("sold", "Sold: sold", "sold", "sold"),
        ("background", "LookupError: background", "background", "background"),
    ],
)
def test_fault_is_told_once_with_its_route(events: Captured, path: str, told: str, route: str, endpoint: str) -> None:
    answer = client(make(), events).get(f"/orders/{path}")
    [event] = events
    assert (event.kind, event.message.removeprefix("tests.real.test_litestar.")) == ("traceback", told)
    assert event.request.route == f"/orders/{route}"
    assert event.request.endpoint.rpartition(".")[2] == endpoint
    assert answer.headers.get("x-error-id", event.error_id) == event.error_id
    assert path == "background" or answer.headers["x-error-id"] in answer.text


def test_broken_stream_is_told_as_what_broke_it(events: Captured) -> None:
    """Not as the two exceptions that Litestar puts around it, nor as the group of the task that sends it."""
    client(make(), events).get("/orders/stream")
    [event] = events
    assert event.message == "ValueError: stream"
    assert event.exception.frames[-1].function == "stream.<locals>.chunks"


def test_answer_that_cannot_be_serialised_is_a_fault(events: Captured) -> None:
    answer = client(make(), events).get("/orders/model")
    assert [event.error_id for event in events] == [answer.headers["x-error-id"]]


def test_page_is_said_in_the_form_that_is_asked_for(events: Captured) -> None:
    to_all = client(make(), events)
    for accept, media_type in (
        ("application/json", "application/problem+json"),
        ("text/html", "text/html; charset=utf-8"),
    ):
        answer = to_all.get("/orders/fails/7", headers={"Accept": accept})
        assert answer.headers["content-type"] == media_type
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert answer.headers["x-error-id"] in answer.text


def test_internal_server_exception_keeps_its_answer_and_is_told(events: Captured) -> None:
    answer = client(make(), events).get("/orders/internal")
    event = events.assert_one(kind="traceback")
    assert answer.json()["status_code"] == 500
    assert answer.headers["x-error-id"] == event.error_id


@pytest.mark.parametrize("status", [401, 404, 409, 503])
def test_http_exception_is_an_answer(events: Captured, status: int) -> None:
    answer = client(make(), events).get(f"/orders/meant/{status}")
    assert (answer.status_code, answer.headers.get("x-error-id")) == (status, None)
    events.assert_none()


def test_service_that_says_it_is_unavailable_is_no_fault(events: Captured) -> None:
    """Litestar derives this exception from the one of 500."""

    @get("/closed")
    async def closed() -> None:
        raise ServiceUnavailableException("counting the stock")

    answer = client(Litestar([closed]), events).get("/closed")
    assert (answer.status_code, answer.headers.get("x-error-id")) == (503, None)
    events.assert_none()


def test_request_that_does_not_fit_is_a_warning(events: Captured) -> None:
    assert client(make(), events).post("/orders/typed?number=seven").status_code == 400
    assert [event.kind for event in events] == ["warning"]


@pytest.mark.parametrize("key", [500, ValueError, Exception])
def test_own_page_stays_and_gets_the_id(events: Captured, key: Any) -> None:
    def sorry(request: Request[Any, Any, Any], exc: Exception) -> Response[Any]:
        return Response({"sorry": str(exc)}, status_code=500)

    answer = client(make(exception_handlers={key: sorry}), events).get("/orders/fails/7")
    [event] = events
    assert answer.json() == {"sorry": "fails"}
    assert answer.headers.get_list("x-error-id") == [event.error_id]


@pytest.mark.parametrize(("status", "told"), [(503, 1), (500, 1), (409, 0)])
def test_handler_that_makes_a_fault_an_answer(events: Captured, status: int, told: int) -> None:
    def sorry(request: Request[Any, Any, Any], exc: Exception) -> Response[Any]:
        return Response({}, status_code=status)

    answer = client(make(exception_handlers={Sold: sorry}), events).get("/orders/sold")
    assert len(events) == told == len(answer.headers.get_list("x-error-id"))


def test_websocket_is_told_and_closed_as_without(events: Captured) -> None:
    closed = []
    for app in (make(), make()):
        to_all = TestClient(app) if not closed else client(app, events)
        with pytest.raises(Exception) as caught, to_all.websocket_connect("/orders/track/7") as link:
            link.receive_text()
        closed.append((type(caught.value), caught.value.code))  # type: ignore[attr-defined]
    assert closed[0] == closed[1]
    [event] = events
    assert (event.kind, event.message, event.request.route) == (
        "traceback", "ValueError: track", "/orders/track/{number}",
    )  # fmt: skip


@pytest.mark.parametrize("way", ["socket", "http"])
def test_websocket_that_is_refused_is_no_fault(events: Captured, way: str) -> None:
    with pytest.raises(Exception), client(make(), events).websocket_connect(f"/orders/refuse/{way}") as link:  # noqa: B017
        link.receive_text()
    events.assert_none()


# -- what Litestar logs ------------------------------------------------------------------------------------------


@pytest.fixture
def logging_kept() -> Iterator[None]:
    """Have the loggers that Litestar configures be as they were."""
    root, litestar = logging.getLogger(), logging.getLogger("litestar")
    before = [(each, each.handlers[:], each.level, each.propagate) for each in (root, litestar)]
    yield
    for each, handlers, level, propagate in before:
        for handler in set(each.handlers) - set(handlers):
            getattr(handler, "listener", handler).stop() if hasattr(handler, "listener") else handler.close()
        each.handlers[:], each.propagate = handlers, propagate
        each.setLevel(level)


def heard(logged: bool) -> LoggingConfig | None:
    if not logged:
        return None
    loud = {"level": "INFO", "handlers": [], "propagate": True}
    return LoggingConfig(log_exceptions="always", configure_root_logger=False, loggers={"litestar": loud})


@pytest.mark.usefixtures("logging_kept")
@pytest.mark.parametrize("logged", [False, True])
@pytest.mark.parametrize(("path", "kinds"), [("fails/7", ["traceback"]), ("meant/404", []), ("meant/503", [])])
def test_is_told_alike_whether_litestar_logs_it_or_not(
    events: Captured, caplog: pytest.LogCaptureFixture, path: str, kinds: list[str], logged: bool
) -> None:
    """`log_exceptions="always"` logs answers too, and logs faults before anybody else has seen them."""
    to_all = client(make(logging_config=heard(logged)), events)
    caplog.clear()
    to_all.get(f"/orders/{path}")
    assert any(record.name == "litestar" for record in caplog.records) == logged
    assert [event.kind for event in events] == kinds


# -- the rest ----------------------------------------------------------------------------------------------------


def test_client_of_tests_gets_what_it_gets_without(events: Captured) -> None:
    """Litestar answers all by itself, and raises nothing to the server."""
    app = events.reporter.install(make())
    assert TestClient(app).get("/orders/fails/7").status_code == 500


def test_user_of_the_connection_is_told_if_the_settings_let_it() -> None:
    def sign_in(app: Any) -> Any:
        async def signed_in(scope: Any, receive: Any, send: Any) -> None:
            scope["user"] = {"id": 7}
            await app(scope, receive, send)

        return signed_in

    with captured_events(user_id="full") as events:
        client(make(middleware=[sign_in]), events).get("/orders/fails/7")
        assert [event.request.user for event in events] == ["7"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_failing_lifespan_is_told_where_the_application_is_wrapped_too(events: Captured, wrapped: bool) -> None:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    app = events.reporter.install(make(lifespan=[lifespan]))
    served: Any = events.reporter.asgi(app) if wrapped else app
    sent: list[Any] = []

    async def start() -> None:
        async def receive() -> Any:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await served({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    with pytest.raises(ExceptionGroup):  # of the task group that emits Litestar's events
        asyncio.run(start())
    assert sent == ["lifespan.startup.failed"]
    assert [member.message for event in events for member in event.exception.members] == ["no database"] * wrapped


def test_each_of_a_crowd_of_requests_is_told_as_its_own(events: Captured) -> None:
    pytest.importorskip("httpx", reason="no httpx; pip install httpx")
    ids = crowd(events.reporter.install(Litestar([of_a_crowd], logging_config=None)))
    assert strays(events, ids) == []


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_done(mode: str) -> None:
    with captured_events(mode=mode) as events:
        app = make()
        before = app.asgi_handler, list(app.after_exception), dict(app.exception_handlers)
        assert events.reporter.install(app) is app
        assert (app.asgi_handler, app.after_exception, app.exception_handlers) == before


@pytest.mark.parametrize("path", ["/orders/meant/404", "/orders/fails/7"])
def test_application_that_has_answered_already_may_be_installed(events: Captured, path: str) -> None:
    """Litestar looks its handlers and hooks up anew for each request, so nothing is missed of the ones to come."""
    app = make()
    assert TestClient(app).get(path).status_code >= 400
    answer = client(app, events).get("/orders/fails/7", headers={"Accept": "application/json"})
    [event] = events
    assert answer.json()["error_id"] == answer.headers["x-error-id"] == event.error_id
    assert event.request.route == "/orders/fails/{number}"


def test_installing_again_binds_to_the_last_reporter() -> None:
    app = make()
    with captured_events() as first:
        to_all = client(app, first)
    with captured_events() as second:
        client(app, second)
        to_all.get("/orders/fails/7")
        assert [event.request.route for event in second] == ["/orders/fails/{number}"]
    assert list(first) == []


def test_filter_on_litestars_logger_goes_with_the_reporter() -> None:
    logger = logging.getLogger("litestar")
    before = logger.filters[:]
    with captured_events() as events:
        events.reporter.install(make(logging_config=heard(True)))
        assert len(logger.filters) == len(before) + 1
    assert logger.filters == before


def test_page_of_debug_mode_stays(events: Captured) -> None:
    answer = client(make(debug=True), events).get("/orders/fails/7")
    assert "Traceback" in answer.text
    events.assert_one("ValueError")
