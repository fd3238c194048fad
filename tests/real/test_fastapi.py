"""FastAPI: the page's own code, by its test client and on servers; then each way in which a part of it fails."""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

pytest.importorskip("fastapi", reason="no fastapi; pip install fastapi")
pytest.importorskip("httpx", reason="no httpx; pip install httpx")

import anyio  # noqa: E402
from fastapi import APIRouter, BackgroundTasks, Body, Depends, FastAPI, HTTPException, WebSocket  # noqa: E402
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse  # noqa: E402
from starlette.middleware.base import BaseHTTPMiddleware  # noqa: E402
from starlette.requests import Request  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have a client that has just been made
    from fastapi.testclient import TestClient
from asgi_servers import SERVERS, Shop, running, skip_if_missing, wait_until_up  # noqa: E402

import tocsin  # noqa: E402
from asgi_crowd import busy, crowd, strays  # noqa: E402
from how_to import unpack  # noqa: E402
from tocsin.event.errors import ConfigError  # noqa: E402
from tocsin.testing import Captured, captured_events  # noqa: E402

PAGE = "fastapi.md"
LINE = "Internal Server Error"  # FastAPI's own page


# -- the page ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["uvicorn", "hypercorn"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    skip_if_missing(request.param)
    unpack(PAGE, tmp_path)
    with running(SERVERS[request.param], "shop:app", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        yield Shop(port, tmp_path / "events.jsonl")


@pytest.mark.parametrize("handled", ["", "500", "ValueError"])
@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
def test_fault_is_on_stderr_once(tmp_path: Path, server: str, handled: str) -> None:
    """What goes on to the server is in its log; what a handler has made an answer of is in nobody's but ours."""
    skip_if_missing(server)
    (tmp_path / "tocsin.toml").write_text('application = "shop"\nspool = "spool"\nsinks = ["file:events.jsonl"]\n')
    (tmp_path / "quiet.py").write_text(QUIET.format(handler=f"@app.exception_handler({handled})" if handled else ""))
    with running(SERVERS[server], "quiet:app", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        served = Shop(port, tmp_path / "events.jsonl")
        assert served.ask("/fails").status.startswith("500")
        served.events(1)
    said = (tmp_path / "server.log").read_text()
    assert said.count(", in fails\n") == 1, said


QUIET = """
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
import tocsin

tocsin.setup("tocsin.toml")
app = FastAPI()

@app.get("/fails")
def fails():
    raise ValueError("only " + "once")

{handler}
def answer(request, exc):
    return PlainTextResponse("sorry", 500)

tocsin.install(app)
"""


def test_page_on_its_server_tells_what_it_shows(shop: Shop) -> None:
    assert b"a bell" in shop.ask("/v1/orders/7").body
    missing = shop.ask("/v1/orders/9")
    assert missing.status.startswith("500")
    assert shop.read(shop.begin("/v1/orders/", method="POST")).body == b'{"number":8}'
    sold_out = shop.read(shop.begin("/v1/orders/7/parcels", method="POST"))
    assert sold_out.status.startswith("503")
    assert shop.ask("/v1/orders/x").status.startswith("422")
    events = {event["exception"]["type"]: event for event in shop.events(3)}
    assert sorted(events) == ["ConnectionRefusedError", "KeyError", "shop.OutOfStock"]
    assert {event["kind"] for event in events.values()} == {"traceback"}
    assert missing.error_ids == [events["KeyError"]["error_id"]]
    assert sold_out.error_ids == [events["shop.OutOfStock"]["error_id"]]
    assert events["KeyError"]["request"]["route"] == "/v1/orders/{number}"
    assert events["KeyError"]["request"]["endpoint"] == "shop.order"
    assert events["ConnectionRefusedError"]["fields"] == {"order_id": 8}
    assert events["ConnectionRefusedError"]["request"]["route"] == "/v1/orders/"


def test_page_by_the_client_of_its_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpack(PAGE, tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    with captured_events() as events:
        import shop  # type: ignore[import-not-found]

        with pytest.raises(KeyError):
            TestClient(shop.app).get("/v1/orders/9")
        events.assert_one("KeyError")
    monkeypatch.delitem(sys.modules, "shop")


# -- each way to fail --------------------------------------------------------------------------------------------


class Sold(Exception):
    """What handlers take."""


async def _after() -> Any:
    yield "stock"
    raise LookupError("after the answer")


async def _around() -> Any:
    try:
        yield "stock"
    finally:
        logging.getLogger("shop").info("given back")


async def _late() -> None:
    raise LookupError("background")


def _late_in_a_thread() -> None:
    raise LookupError("background in a thread")


def router() -> APIRouter:
    """Return a router with a path for each way to fail."""
    paths = APIRouter(prefix="/orders")

    @paths.get("/fails/{number}")
    async def fails(number: int) -> None:
        raise ValueError("fails")

    @paths.get("/threaded/{number}")
    def threaded(number: int) -> None:
        raise ValueError("threaded")

    @paths.get("/sold")
    async def sold() -> None:
        raise Sold("sold")

    @paths.get("/because/{status}")
    async def because(status: int) -> None:
        try:
            raise LookupError("because")
        except LookupError as fault:
            raise HTTPException(status) from fault

    @paths.get("/meant/{status}")
    async def meant(status: int) -> None:
        raise HTTPException(status, "meant")

    @paths.get("/model", response_model=int)
    async def model() -> Any:
        return "no number"

    @paths.get("/after")
    async def after(stock: Annotated[Any, Depends(_after)]) -> dict[str, str]:
        return {"stock": stock}

    @paths.get("/around/{number}")
    async def around(number: int, stock: Annotated[Any, Depends(_around)]) -> None:
        raise ValueError("around")

    @paths.get("/background")
    async def background(tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(_late)
        return {"done": "soon"}

    @paths.get("/threaded-background")
    async def threaded_background(tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(_late_in_a_thread)
        return {"done": "soon"}

    @paths.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> Any:
            yield b"begun"
            raise ValueError("stream")

        return StreamingResponse(chunks())

    @paths.get("/group")
    async def group() -> None:
        async def fail(what: str) -> None:
            raise ValueError(what)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail, "the first")
            tasks.start_soon(fail, "the second")

    @paths.get("/busy/{number}")
    async def of_a_crowd(number: int) -> None:
        await busy(number)

    @paths.post("/body")
    async def body(order: Annotated[dict[str, Any], Body()]) -> Any:
        return order

    @paths.websocket("/track/{number}")
    async def track(websocket: WebSocket, number: int) -> None:
        await websocket.accept()
        raise ValueError("track")

    return paths


def make(**parts: Any) -> FastAPI:
    app = FastAPI(**parts)
    app.include_router(router())
    return app


@pytest.fixture
def events() -> Iterator[Captured]:
    with captured_events(logs=True) as captured:
        yield captured


def client(app: FastAPI, events: Captured) -> TestClient:
    assert events.reporter.install(app) is app
    return TestClient(app, raise_server_exceptions=False)


async def pass_on(request: Request, call_next: Any) -> Any:
    return await call_next(request)


@pytest.fixture(params=["bare", "behind a middleware"])
def shape(request: pytest.FixtureRequest) -> Callable[[FastAPI], FastAPI]:
    """Return what puts the application behind a middleware that runs it in another task, or leaves it."""

    def shaped(app: FastAPI) -> FastAPI:
        if request.param != "bare":
            app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
        return app

    return shaped


@pytest.mark.parametrize(
    ("path", "status", "told", "route"),
    [
        ("/orders/fails/7", 500, "ValueError: fails", "/orders/fails/{number}"),
        ("/orders/threaded/7", 500, "ValueError: threaded", "/orders/threaded/{number}"),
        ("/orders/around/7", 500, "ValueError: around", "/orders/around/{number}"),
        ("/orders/because/500", 500, "LookupError: because", "/orders/because/{status}"),
        ("/orders/after", 200, "LookupError: after the answer", "/orders/after"),
        ("/orders/background", 200, "LookupError: background", "/orders/background"),
        ("/orders/threaded-background", 200, "LookupError: background in a thread", "/orders/threaded-background"),
        ("/orders/stream", 200, "ValueError: stream", "/orders/stream"),
    ],
)
def test_fault_is_told_once_with_its_route(
    events: Captured, shape: Any, path: str, status: int, told: str, route: str
) -> None:
    answer = client(shape(make()), events).get(path)
    [event] = events
    assert (answer.status_code, event.kind, event.message) == (status, "traceback", told)
    assert (event.request.path, event.request.route) == (path, route)
    assert answer.headers.get("x-error-id") == (event.error_id if status == 500 else None)


def test_uncaught_fault_is_answered_with_our_page(events: Captured, shape: Any) -> None:
    answer = client(shape(make()), events).get("/orders/fails/7", headers={"Accept": "application/json"})
    assert answer.json()["error_id"] == answer.headers["x-error-id"] == events[0].error_id


def test_response_that_does_not_fit_its_model_is_a_fault(events: Captured, shape: Any) -> None:
    answer = client(shape(make()), events).get("/orders/model")
    event = events.assert_one("fastapi.exceptions.ResponseValidationError", kind="traceback")
    assert "1 validation error: response: Input should be a valid integer" in event.message
    assert "no number" not in event.message
    assert answer.headers["x-error-id"] == event.error_id


def test_exceptions_of_a_task_group_are_told_as_one_readable_group(events: Captured, shape: Any) -> None:
    client(shape(make()), events).get("/orders/group")
    [event] = events
    assert event.exception.type == "ExceptionGroup"
    assert {member.message for member in event.exception.members} == {"the first", "the second"}


def test_faults_are_not_chained_to_exceptions_of_a_middleware(events: Captured) -> None:
    """`BaseHTTPMiddleware` waits in a way that raises EndOfStream, and a chain of those would be no help."""
    app = make()
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    client(app, events).get("/orders/fails/7")
    [event] = events
    assert event.exception.cause is None
    assert event.exception.context is None


@pytest.mark.parametrize("status", [404, 409, 503])
@pytest.mark.parametrize("way", ["meant", "because"])
def test_http_exception_is_an_answer(events: Captured, shape: Any, way: str, status: int) -> None:
    answer = client(shape(make()), events).get(f"/orders/{way}/{status}")
    assert (answer.status_code, answer.headers.get("x-error-id")) == (status, None)
    events.assert_none()


def test_http_exception_of_500_is_an_error_without_a_traceback(events: Captured, shape: Any) -> None:
    answer = client(shape(make()), events).get("/orders/meant/500")
    event = events.assert_one(kind="error")
    assert answer.json() == {"detail": "meant"}
    assert answer.headers["x-error-id"] == event.error_id


def test_request_that_does_not_fit_is_no_report(events: Captured, shape: Any) -> None:
    assert client(shape(make()), events).get("/orders/fails/seven").status_code == 422
    events.assert_none()


def test_body_arrives_whatever_its_type_says(events: Captured, shape: Any) -> None:
    """Nothing of the body is read for the report's sake: an empty one with a content type of JSON is a 422."""
    to_all = client(shape(make()), events)
    assert to_all.post("/orders/body", json={"number": 7}).json() == {"number": 7}
    assert to_all.post("/orders/body", headers={"Content-Type": "application/json"}).status_code == 422
    events.assert_none()


def test_websocket_is_told_and_closed_as_without(events: Captured, shape: Any) -> None:
    with pytest.raises(ValueError, match="track"), client(shape(make()), events).websocket_connect("/orders/track/7"):
        pass
    [event] = events
    assert (event.message, event.request.route) == ("ValueError: track", "/orders/track/{number}")


def test_client_of_tests_gets_exceptions_as_ever(events: Captured, shape: Any) -> None:
    app = events.reporter.install(shape(make()))
    with pytest.raises(ValueError, match="fails"):
        TestClient(app).get("/orders/fails/7")
    events.assert_one("ValueError")


# -- routers, mounts ---------------------------------------------------------------------------------------------


def test_template_is_told_behind_prefixes_and_mounts(events: Captured) -> None:
    outer, app, inner = APIRouter(prefix="/v1"), FastAPI(), make()
    outer.include_router(router())
    app.include_router(outer, prefix="/api")
    app.mount("/of/{tenant}", inner)
    app.add_route("/plain/{name}", _plain)
    to_all = client(app, events)
    for path in ("/api/v1/orders/fails/7", "/of/7/orders/fails/8", "/plain/7"):
        to_all.get(path)
    routes = [event.request.route for event in events]
    assert routes == ["/api/v1/orders/fails/{number}", "/of/{tenant}/orders/fails/{number}", "/plain/{name}"]


async def _plain(request: Request) -> None:
    raise ValueError("plain")


def test_application_within_another_is_told_once_and_marked(events: Captured, shape: Any) -> None:
    """It sends its own page, unless it is installed as well; the exception goes on through the outer one."""
    inner, app = make(), FastAPI()
    app.mount("/inner", inner)
    answer = client(shape(app), events).get("/inner/orders/fails/7")
    [event] = events
    assert (answer.text, answer.headers["x-error-id"]) == (LINE, event.error_id)
    assert event.kind == "traceback"


def test_both_may_be_installed(events: Captured, shape: Any) -> None:
    inner, app = make(), FastAPI()
    app.mount("/inner", events.reporter.install(inner))
    answer = client(shape(app), events).get("/inner/orders/fails/7")
    [event] = events
    assert answer.headers.get_list("x-error-id") == [event.error_id]
    assert answer.text != LINE


# -- handlers of the application ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("key", [500, Exception])
def test_own_page_stays_and_gets_the_id(events: Captured, shape: Any, key: Any, is_before: bool) -> None:
    """Registered before or after the installation."""
    app = make()
    if not is_before:
        events.reporter.install(app)

    @app.exception_handler(key)
    async def sorry(request: Request, exc: Exception) -> JSONResponse:
        return JSONResponse({"sorry": str(exc)}, 500)

    answer = client(shape(app), events).get("/orders/fails/7")
    [event] = events
    assert answer.json() == {"sorry": "fails"}
    assert answer.headers.get_list("x-error-id") == [event.error_id]
    assert app.exception_handlers[key] is sorry


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(("status", "told"), [(503, ["Sold"]), (500, ["Sold"]), (409, [])])
def test_handler_that_makes_a_fault_an_answer(
    events: Captured, shape: Any, status: int, told: list[str], is_async: bool
) -> None:
    """Of 500 or above it is a fault still, in whatever task it is; below, it is settled."""
    app = make()

    async def sorry(request: Request, exc: Exception) -> JSONResponse:
        return JSONResponse({}, status)

    def sorry_in_a_thread(request: Request, exc: Exception) -> JSONResponse:
        return JSONResponse({}, status)

    app.add_exception_handler(Sold, sorry if is_async else sorry_in_a_thread)
    answer = client(shape(app), events).get("/orders/sold")
    assert [event.exception.type.rpartition(".")[2] for event in events] == told
    assert ("x-error-id" in answer.headers) == bool(told)


def test_handler_that_reports_itself_makes_no_second_report(events: Captured) -> None:
    app, ids = make(), []

    @app.exception_handler(Exception)
    async def sorry(request: Request, exc: Exception) -> JSONResponse:
        ids.append(events.reporter.report(exc))
        return JSONResponse({}, 500)

    answer = client(app, events).get("/orders/fails/7")
    assert ids == [answer.headers["x-error-id"]] == [event.error_id for event in events]


def test_handler_that_logs_makes_no_second_report(events: Captured) -> None:
    app = make()

    @app.exception_handler(Sold)
    async def sorry(request: Request, exc: Exception) -> JSONResponse:
        logging.getLogger("shop").exception("sold out")
        return JSONResponse({}, 500)

    answer = client(app, events).get("/orders/sold")
    assert [event.error_id for event in events] == [answer.headers["x-error-id"]]


@pytest.mark.parametrize(("status", "told"), [(500, 1), (503, 1), (400, 0)])
def test_middleware_that_catches_and_answers(events: Captured, status: int, told: int) -> None:
    app = make()

    @app.middleware("http")
    async def catch(request: Request, call_next: Any) -> Any:
        try:
            return await call_next(request)
        except ValueError:
            return PlainTextResponse("caught", status)

    answer = client(app, events).get("/orders/fails/7")
    assert (answer.text, answer.status_code) == ("caught", status)
    tracebacks = [event.error_id for event in events if event.kind == "traceback"]
    assert len(tracebacks) == told
    assert answer.headers.get_list("x-error-id") == tracebacks


def test_handler_that_fails_itself_leaves_our_page_and_the_exception(events: Captured) -> None:
    app = make()

    @app.exception_handler(Exception)
    async def sorry(request: Request, exc: Exception) -> JSONResponse:
        raise LookupError("no template")

    to_all = client(app, events)
    answer = to_all.get("/orders/fails/7")
    assert answer.headers["x-error-id"] in answer.text
    [event] = events
    assert event.message == "LookupError: no template"
    with pytest.raises(LookupError):
        TestClient(app).get("/orders/fails/7")


def test_traceback_page_of_debug_mode_stays(events: Captured) -> None:
    answer = client(make(debug=True), events).get("/orders/fails/7")
    assert "Traceback (most recent call last)" in answer.text
    events.assert_one("ValueError")


# -- who is logged in --------------------------------------------------------------------------------------------


class Lazy:
    """A user whose every attribute but what it stores would be a query."""

    def __init__(self) -> None:
        self.id = 7

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")


@pytest.mark.parametrize(
    ("key", "made", "shown"),
    [
        ("user", Lazy, "7"),
        ("user", lambda: {"id": "ada"}, "ada"),
        ("tocsin.user", lambda: 7, "7"),
        ("user", object, None),
    ],
    ids=["an object", "a dict", "by hand", "without an id"],
)
def test_user_is_told_if_the_settings_let_it(key: str, made: Callable[[], Any], shown: str | None) -> None:
    app, user = make(), made()

    @app.middleware("http")
    async def sign_in(request: Request, call_next: Any) -> Any:
        request.scope[key] = user
        return await call_next(request)

    with captured_events(user_id="full") as events:
        client(app, events).get("/orders/fails/7")
        assert [event.request.user for event in events] == [shown]
    with captured_events() as events:
        client(app, events).get("/orders/fails/7")
        assert [event.request.user for event in events] == [None]


# -- the lifespan, the rest --------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["startup", "shutdown"])
def test_failing_lifespan_is_told(events: Captured, when: str) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        if when == "startup":
            raise LookupError(when)
        yield
        raise LookupError(when)

    app = events.reporter.install(make(lifespan=lifespan))
    with pytest.raises(LookupError), TestClient(app):
        pass
    assert [(event.kind, event.message) for event in events] == [("traceback", f"LookupError: {when}")]


def test_each_of_a_crowd_of_requests_is_told_as_its_own(shape: Any) -> None:
    """Each logs from a task, a thread and its handler, and fails, all in the middle of each other."""
    with captured_events(logs=True) as events:
        app = shape(FastAPI())

        @app.get("/busy/{number}")
        async def of_a_crowd(number: int) -> None:
            await busy(number)

        ids = crowd(events.reporter.install(app))
        assert strays(events, ids) == []


def test_request_that_an_outer_middleware_cancels_is_no_fault(events: Captured) -> None:
    app = make()

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(300)

    def in_time(app: Any) -> Any:
        async def limited(scope: Any, receive: Any, send: Any) -> None:
            try:
                async with asyncio.timeout(0.02 if scope["type"] == "http" else None):
                    await app(scope, receive, send)
                return
            except TimeoutError:
                pass
            await PlainTextResponse("too late", 504)(scope, receive, send)

        return limited

    app.add_middleware(in_time)
    assert client(app, events).get("/slow").status_code == 504
    events.assert_none()


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_done(mode: str) -> None:
    with captured_events(mode=mode) as events:
        app = make()
        assert events.reporter.install(app) is app
        assert vars(app).keys() == vars(make()).keys()
        assert TestClient(app, raise_server_exceptions=False).get("/orders/fails/7").text == LINE
        events.assert_none()


def test_installing_again_binds_to_the_last_reporter() -> None:
    app = make()
    with captured_events() as first:
        to_all = client(app, first)
    with captured_events() as second:
        client(app, second)
        to_all.get("/orders/fails/7")
        assert [event.request.route for event in second] == ["/orders/fails/{number}"]
    assert list(first) == []


def test_started_application_is_refused(events: Captured) -> None:
    app = make()
    TestClient(app).get("/orders/meant/404")
    with pytest.raises(ConfigError, match="has started already"):
        events.reporter.install(app)


def test_lists_of_the_application_are_left_as_they_were(events: Captured) -> None:
    app, bare = make(), make()
    to_all = client(app, events)
    to_all.get("/orders/meant/404")
    assert app.user_middleware == bare.user_middleware
    assert app.exception_handlers == bare.exception_handlers


def test_package_installs_by_its_class() -> None:
    with captured_events() as events:
        app = tocsin.install(make())
        assert isinstance(app, FastAPI)
        TestClient(app, raise_server_exceptions=False).get("/orders/fails/7")
        events.assert_one("ValueError")
