"""Starlette: the page's own code on servers; what Starlette has that FastAPI, tested at length, has not."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

pytest.importorskip("starlette", reason="no starlette; pip install starlette")
pytest.importorskip("httpx", reason="no httpx; pip install httpx")

from starlette.applications import Starlette  # noqa: E402
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser  # noqa: E402
from starlette.endpoints import HTTPEndpoint  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.middleware.authentication import AuthenticationMiddleware  # noqa: E402
from starlette.middleware.base import BaseHTTPMiddleware  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse  # noqa: E402
from starlette.routing import Host, Mount, Route, Router  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have a client that has just been made
    from starlette.testclient import TestClient
from asgi_servers import SERVERS, Shop, running, skip_if_missing, wait_until_up  # noqa: E402

from asgi_crowd import busy, crowd, strays  # noqa: E402
from how_to import unpack  # noqa: E402
from tocsin.testing import Captured, captured_events  # noqa: E402


@pytest.fixture(params=["uvicorn", "hypercorn"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    skip_if_missing(request.param)
    unpack("starlette.md", tmp_path)
    with running(SERVERS[request.param], "shop:app", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        yield Shop(port, tmp_path / "events.jsonl")


def test_page_on_its_server_tells_what_it_shows(shop: Shop) -> None:
    answer = shop.ask("/orders/0")
    with shop.begin("/orders/", method="POST", length=13) as link:
        link.sendall(b'{"number": 8}')
        assert shop.read(link).status.startswith("202")
    events = {event["exception"]["type"]: event for event in shop.events(2)}
    assert sorted(events) == ["ConnectionRefusedError", "ZeroDivisionError"]
    assert answer.error_ids == [events["ZeroDivisionError"]["error_id"]]
    assert answer.error_ids[0].encode() in answer.body
    assert events["ZeroDivisionError"]["request"]["route"] == "/orders/{number:int}"
    assert events["ConnectionRefusedError"]["request"]["endpoint"] == "shop.new_order"


class Sold(Exception):
    """What handlers take."""


async def failing(request: Request) -> None:
    raise ValueError("failing")


async def sold(request: Request) -> None:
    raise Sold("sold")


async def sorry(request: Request, exc: Exception) -> JSONResponse:
    return JSONResponse({}, 503)


class Orders(HTTPEndpoint):
    async def get(self, request: Request) -> None:
        raise ValueError("class")


async def pass_on(request: Request, call_next: Any) -> Any:
    return await call_next(request)


BEHIND = [Middleware(BaseHTTPMiddleware, dispatch=pass_on)]


@pytest.fixture
def events() -> Iterator[Captured]:
    with captured_events(logs=True) as captured:
        yield captured


def client(app: Starlette, events: Captured) -> TestClient:
    assert events.reporter.install(app) is app
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/plain/7", "/plain/{number}"),
        ("/class", "/class"),
        ("/a/b/7", "/a/b/{number:int}"),
        ("/of/ada/orders/7", "/of/{name}/orders/{number}"),
        ("/router/7", "/router/{number}"),
        ("/behind/7", "/behind/{number}"),
    ],
)
def test_template_is_told_whole(events: Captured, path: str, route: str) -> None:
    own = [Route("/{number}", failing)]
    app = Starlette(
        routes=[
            Route("/plain/{number}", failing),
            Route("/class", Orders),
            Mount("/a", routes=[Mount("/b", routes=[Route("/{number:int}", failing)])]),
            Mount("/of/{name}", routes=[Mount("/orders", routes=own)]),
            Mount("/router", app=Router(own)),
            Mount("/behind", routes=own, middleware=BEHIND),
        ]
    )
    client(app, events).get(path)
    [event] = events
    assert event.request.route == route


def test_template_within_a_host(events: Captured) -> None:
    app = Starlette(routes=[Host("{tenant}.example.org", app=Router([Route("/orders/{number}", failing)]))])
    client(app, events).get("/orders/7", headers={"Host": "ada.example.org"})
    [event] = events
    assert event.request.route == "/orders/{number}"


def test_no_route_is_told_where_none_was_found(events: Captured) -> None:
    async def refuse(request: Request, call_next: Any) -> Any:
        raise ValueError("refused")

    client(Starlette(middleware=[Middleware(BaseHTTPMiddleware, dispatch=refuse)]), events).get("/nowhere")
    [event] = events
    assert (event.message, event.request.route) == ("ValueError: refused", None)


@pytest.mark.parametrize("depth", ["application", "mount"])
def test_handler_of_a_fault_is_seen_behind_a_middleware_of_another_task(events: Captured, depth: str) -> None:
    routes = [Route("/sold", sold)]
    app = Starlette(
        routes=routes if depth == "application" else [Mount("/in", routes=routes, middleware=BEHIND)],
        middleware=BEHIND if depth == "application" else [],
        exception_handlers={Sold: sorry},
    )
    answer = client(app, events).get("/sold" if depth == "application" else "/in/sold")
    [event] = events
    assert (answer.status_code, event.kind, event.message.rpartition(".")[2]) == (503, "traceback", "Sold: sold")
    assert answer.headers.get_list("x-error-id") == [event.error_id]


class ByName(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        return AuthCredentials([]), SimpleUser("ada")


@pytest.mark.parametrize(("setting", "shown"), [("off", False), ("hashed", True), ("full", True)])
def test_user_of_the_authentication_middleware(setting: str, shown: bool) -> None:
    middleware = [Middleware(AuthenticationMiddleware, backend=ByName())]
    with captured_events(user_id=setting) as events:
        client(Starlette(routes=[Route("/", failing)], middleware=middleware), events).get("/")
        [event] = events
    assert (event.request.user is not None) == shown
    assert (event.request.user == "ada") == (setting == "full")


@pytest.mark.parametrize("middleware", [[], BEHIND], ids=["bare", "behind a middleware"])
def test_each_of_a_crowd_of_requests_is_told_as_its_own(events: Captured, middleware: Any) -> None:
    async def of_a_crowd(request: Request) -> None:
        await busy(request.path_params["number"])

    app = Starlette(routes=[Route("/busy/{number:int}", of_a_crowd)], middleware=middleware)
    ids = crowd(events.reporter.install(app))
    assert strays(events, ids) == []


def test_installed_and_wrapped_is_told_once(events: Captured) -> None:
    app = events.reporter.install(Starlette(routes=[Route("/", failing)]))
    answer = TestClient(events.reporter.asgi(app), raise_server_exceptions=False).get("/")
    [event] = events
    assert answer.headers.get_list("x-error-id") == [event.error_id]
