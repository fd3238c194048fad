"""ASGI scopes: found by the context, told like any request, nothing foreign run."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextvars import copy_context
from functools import partial
from typing import Any

import pytest

from tocsin.capture import requests
from tocsin.capture.requests import RequestPolicy, find_environ, from_environ
from tocsin.capture.scopes import ENVIRON, SCOPE, environ_of
from tocsin.event.environ import ERROR_ID
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Request

SCRUBBER = Scrubber()
HEADERS = [
    (b"host", b"shop.example.com"),
    (b"user-agent", b"curl/8 \xe9"),
    (b"referer", b"https://shop.example.com/x?session=1"),
    (b"cookie", b"sid=secret"),
    (b"authorization", b"Bearer abc"),
    (b"content-type", b"application/json"),
    (b"content-length", b"17"),
]


def scope_of(**more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "root_path": "/shop",
        "path": "/shop/orders/café",
        "query_string": b"token=abc&page=2",
        "headers": HEADERS,
        "client": ("203.0.113.77", 4711),
        "server": ("127.0.0.1", 8000),
    } | more


def told(policy: RequestPolicy | None = None, **more: Any) -> Request:
    return from_environ(environ_of(scope_of(**more)), SCRUBBER, policy or RequestPolicy())


def test_request_tells_what_was_asked_without_its_secrets() -> None:
    """The same as of a WSGI request."""
    request = told()
    assert (request.method, request.scheme, request.host) == ("POST", "https", "shop.example.com")
    assert request.path == "/shop/orders/café"
    assert request.query == "token=[masked: token]&page=2"
    assert dict(request.headers) == {
        "Content-Length": "17",
        "Content-Type": "application/json",
        "Host": "shop.example.com",
        "Referer": "https://shop.example.com/x?session=[masked: session]",
        "User-Agent": "curl/8 é",
    }
    assert (request.client, request.route, request.endpoint) == (None, None, None)


@pytest.mark.parametrize(
    ("root", "path", "told_path"),
    [
        ("", "/x", "/x"),
        ("", "", ""),
        ("/shop", "/shop/x", "/shop/x"),  # the ASGI specification, Uvicorn
        ("/shop", "/x", "/shop/x"),  # Hypercorn
        ("/shop", "/shop", "/shop"),
        ("/shop", "/shopping", "/shop/shopping"),
        ("/größe", "/größe/\udcff", "/größe/?"),
    ],
)
def test_root_path_counts_once(root: str, path: str, told_path: str) -> None:
    assert told(root_path=root, path=path).path == told_path


def test_headers_said_twice_are_joined_and_an_underscore_is_no_hyphen() -> None:
    """Else a client could write into what its proxy says."""
    headers = [
        (b"X-Forwarded-For", b"192.0.2.1"),
        (b"x-forwarded-for", b"192.0.2.2"),
        (b"x_forwarded_for", b"192.0.2.66"),
        (b":authority", b"shop.example.com"),
    ]
    trusted = RequestPolicy(client_address="full", trust_proxy_headers=True)
    assert told(trusted, headers=headers).client == "192.0.2.2"
    assert told(RequestPolicy(client_address="full"), headers=headers).client == "203.0.113.77"
    assert told(trusted, headers=headers).headers == {}


@pytest.mark.parametrize(
    ("client", "server", "host"),
    [(None, None, ""), (("/run/x.sock", None), ("/run/x.sock", None), "/run/x.sock"), (("::1", 1), ["::1", 80], "::1")],
)
def test_addresses_may_be_missing_or_sockets(client: Any, server: Any, host: str) -> None:
    request = told(RequestPolicy(client_address="full"), headers=(), client=client, server=server)
    assert request.client == ("::1" if client == ("::1", 1) else None)
    assert request.host == host


class Route:
    def __init__(self, path: str) -> None:
        self.path = path


class Endpoint:
    def method(self) -> None:
        """Be an endpoint."""

    @classmethod
    def of_class(cls) -> None:
        """Be an endpoint."""


def function() -> None:
    """Be an endpoint."""


HERE = __name__


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        (function, f"{HERE}.function"),
        (Endpoint, f"{HERE}.Endpoint"),
        (Endpoint(), f"{HERE}.Endpoint"),
        (Endpoint().method, f"{HERE}.Endpoint.method"),
        (Endpoint.of_class, f"{HERE}.Endpoint.of_class"),
        (partial(function), "functools.partial"),
        (None, None),
    ],
)
def test_endpoint_is_named(endpoint: object, name: str | None) -> None:
    assert told(endpoint=endpoint).endpoint == name


def test_route_is_that_of_the_router_once_there_is_one() -> None:
    """What is reported before routing has none; the application's own word comes first."""
    scope = scope_of()
    environ = environ_of(scope)
    assert from_environ(environ, SCRUBBER).route is None
    scope["route"] = Route("/orders/{name}")
    assert environ_of(scope) is environ
    assert from_environ(environ, SCRUBBER).route == "/orders/{name}"
    own = {"tocsin.route": "/orders", "tocsin.endpoint": "orders"}
    request = told(route=scope["route"], endpoint=function, **own)
    assert (request.route, request.endpoint) == ("/orders", "orders")


def test_nothing_foreign_is_run() -> None:
    """A scope may hold what middleware put there: only exact built-in types are looked at."""

    class Foreign:
        @property
        def path(self) -> str:
            raise AssertionError("run")

        def __getattr__(self, name: str) -> Any:
            raise AssertionError("run")

        __iter__ = __str__ = __len__ = __bool__ = __eq__ = __getattr__  # type: ignore[assignment]
        __class__ = __dict__ = property(lambda self: 1 / 0)  # type: ignore[assignment]

    class Slotted:
        __slots__ = ("path",)

    class Text(str):
        def __add__(self, other: str) -> str:
            raise AssertionError("run")

    assert told(route=Foreign()).route is None
    for value in (Foreign(), Slotted(), Text("x"), 3, (Foreign(),), [(Foreign(), Text("x"), 2)], None):
        scope = {**dict.fromkeys((*scope_of(), "route", "endpoint", "tocsin.route", ENVIRON), value), "type": "http"}
        request = from_environ(environ_of(scope), SCRUBBER, RequestPolicy(client_address="full"))
        assert (request.method, request.path, request.route, request.client) == ("GET", "", None, None)
    assert environ_of({"type": "http"})["PATH_INFO"] == ""


def test_what_is_made_of_a_scope_is_bounded() -> None:
    """Whatever a middleware, or a server without limits, put there."""
    huge = 10_000_000
    headers = [(b"a" * huge, b"b"), *[(b"x-forwarded-for", b"192.0.2.1" * 1_000)] * 20]
    headers += [(b"x-%d" % number, b"b" * 10_000) for number in range(1_000)]
    scope = scope_of(path="/" * huge, query_string=b"q" * huge, headers=headers, method="M" * huge)
    assert sum(len(str(value)) for value in environ_of(scope).values()) < 256 * 8_192


# -- found -------------------------------------------------------------------------------------------------------


@pytest.fixture
def scope() -> Iterator[dict[str, Any]]:
    made = scope_of()
    token = SCOPE.set(made)
    yield made
    SCOPE.reset(token)


def _found() -> Any:
    return find_environ(sys._getframe())


def test_request_is_found_in_tasks_and_threads_that_copy_the_context(scope: dict[str, Any]) -> None:
    """Always as the same environ, in which the error id is kept; a plain thread has none."""

    async def main() -> list[Any]:
        async def task() -> Any:
            return _found()

        return [_found(), await asyncio.create_task(task()), await asyncio.to_thread(_found)]

    environ = environ_of(scope)
    environ[ERROR_ID] = "7K3QDM-24F2"
    for found in asyncio.run(main()):
        assert found is environ
    kept: list[Any] = []
    thread = threading.Thread(target=lambda: kept.append(copy_context().get(SCOPE)))
    thread.start()
    thread.join()
    assert kept == [None] or sys.flags.thread_inherit_context  # free-threaded Python passes it on


def test_wsgi_request_on_the_stack_is_the_inner_one(scope: dict[str, Any]) -> None:
    """An ASGI application may run a WSGI one, in a thread with its context."""

    def middleware(environ: dict[str, Any]) -> Any:
        return _found()

    code = middleware.__code__
    requests.MIDDLEWARE_CODES[id(code)] = code
    try:
        inner: dict[str, Any] = {}
        assert middleware(inner) is inner
        assert _found() is environ_of(scope)
    finally:
        del requests.MIDDLEWARE_CODES[id(code)]


def test_there_is_none_outside_of_requests() -> None:
    assert _found() is None
