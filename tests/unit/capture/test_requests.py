"""Requests: found on the stack, told from environ, masked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tocsin.capture import requests
from tocsin.capture.requests import RequestPolicy, find_environ, from_environ
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber

SCRUBBER = Scrubber()
ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "POST",
    "SCRIPT_NAME": "/shop",
    "PATH_INFO": "/orders/caf\xc3\xa9",
    "QUERY_STRING": "token=abc&page=2",
    "wsgi.url_scheme": "https",
    "HTTP_HOST": "shop.example.com",
    "HTTP_USER_AGENT": "curl/8",
    "HTTP_REFERER": "https://shop.example.com/x?session=1",
    "HTTP_COOKIE": "sid=secret",
    "HTTP_AUTHORIZATION": "Bearer abc",
    "CONTENT_TYPE": "application/json",
    "CONTENT_LENGTH": "17",
    "REMOTE_ADDR": "203.0.113.77",
    "tocsin.route": "/orders/<name>",
    "tocsin.endpoint": "orders.show",
}


def _walk(depth: int) -> object:
    return _walk(depth - 1) if depth else find_environ(sys._getframe())


def _middleware(environ: object, depth: int) -> object:
    return _walk(depth)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    requests.MIDDLEWARE_CODES[id(_middleware.__code__)] = _middleware.__code__
    yield
    del requests.MIDDLEWARE_CODES[id(_middleware.__code__)]


def test_environ_is_found_in_the_middlewares_frame() -> None:
    """However deep the failing code is, within the bound."""
    assert _middleware(ENVIRON, 100) is ENVIRON
    assert _middleware(ENVIRON, limits.STACK_WALK_FRAMES + 1) is None
    assert _walk(3) is None
    assert find_environ(None) is None


def test_environ_that_is_no_dict_is_passed_over() -> None:
    """PEP 3333 says a dict; a subclass may run foreign code."""

    class Foreign(dict):  # type: ignore[type-arg]
        pass

    assert _middleware(Foreign(ENVIRON), 1) is None


def test_request_tells_what_was_asked_without_its_secrets() -> None:
    """Method, decoded path, masked query, host and the allowed headers."""
    request = from_environ(ENVIRON, SCRUBBER, status=500)
    assert (request.method, request.path, request.scheme, request.host) == (
        "POST",
        "/shop/orders/café",
        "https",
        "shop.example.com",
    )
    assert request.query == "token=[masked: token]&page=2"
    assert (request.route, request.endpoint, request.status) == ("/orders/<name>", "orders.show", 500)
    assert request.headers == {
        "Content-Length": "17",
        "Content-Type": "application/json",
        "Host": "shop.example.com",
        "Referer": "https://shop.example.com/x?session=[masked: session]",
        "User-Agent": "curl/8",
    }
    assert (request.client, request.client_hash) == (None, None)


def test_allowed_headers_are_a_setting_and_secret_ones_stay_masked() -> None:
    """What is allowed by name is still masked by name."""
    request = from_environ(ENVIRON, SCRUBBER, RequestPolicy(headers=("Cookie", "User-Agent")))
    assert request.headers == {"Cookie": "[masked: cookie]", "User-Agent": "curl/8"}


@pytest.mark.parametrize(
    ("mode", "address", "shown"),
    [
        ("off", "203.0.113.77", None),
        ("full", "203.0.113.77", "203.0.113.77"),
        ("truncated", "203.0.113.77", "203.0.113.0"),
        ("truncated", "2001:db8:1:2:3::4", "2001:db8:1::"),
        ("full", "/run/socket", None),
        ("full", "", None),
        ("hashed", "203.0.113.77", None),  # there is no key
    ],
)
def test_client_is_told_as_the_setting_says(mode: str, address: str, shown: str | None) -> None:
    """Off, truncated to a network, hashed, or in full."""
    environ = {**ENVIRON, "REMOTE_ADDR": address}
    assert from_environ(environ, SCRUBBER, RequestPolicy(client_address=mode)).client == shown


def test_a_client_may_be_left_out_altogether() -> None:
    """No address, and no hash: that is personal data too."""
    policy = RequestPolicy(client_address="none", hash_key=lambda: b"key")
    request = from_environ(ENVIRON, SCRUBBER, policy)
    assert (request.client, request.client_hash) == (None, None)
    assert from_environ(ENVIRON, SCRUBBER, RequestPolicy(hash_key=lambda: b"key")).client_hash


def test_client_hash_depends_on_key_and_day_only() -> None:
    """It counts distinct clients within a day and names none."""

    def of(key: bytes, day: str) -> str | None:
        policy = RequestPolicy(client_address="hashed", hash_key=lambda: key, today=lambda: day)
        request = from_environ(ENVIRON, SCRUBBER, policy)
        assert request.client == request.client_hash
        return request.client_hash

    assert of(b"k", "1") == of(b"k", "1")
    assert len({of(b"k", "1"), of(b"l", "1"), of(b"k", "2")}) == 3
    assert of(b"", "1") is None


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"HTTP_X_FORWARDED_FOR": "1.1.1.1, 198.51.100.9"}, "198.51.100.9"),
        ({"HTTP_FORWARDED": 'for=1.1.1.1, proto=https;for="[2001:db8::9]:4711"'}, "2001:db8::9"),
        ({"HTTP_X_REAL_IP": "198.51.100.7:80"}, "198.51.100.7"),
        ({"HTTP_CF_CONNECTING_IP": "198.51.100.8", "HTTP_X_REAL_IP": "1.1.1.1"}, "198.51.100.8"),
        ({"HTTP_X_FORWARDED_FOR": "unknown"}, "203.0.113.77"),
        ({"HTTP_X_FORWARDED_FOR": "x" * 100_000}, "203.0.113.77"),
    ],
)
def test_proxy_headers_count_only_if_trusted(headers: dict[str, str], client: str) -> None:
    """Anybody may send them."""
    environ = {**ENVIRON, **headers}
    trusted = RequestPolicy(client_address="full", trust_proxy_headers=True)
    assert from_environ(environ, SCRUBBER, trusted).client == client
    assert from_environ(environ, SCRUBBER, RequestPolicy(client_address="full")).client == "203.0.113.77"


@pytest.mark.parametrize("shown", ["full", "hashed"])
@pytest.mark.parametrize(
    "user",
    [10**5000, "caf\udce9", "\0", "x" * 100_000],
    ids=["huge", "surrogate", "control", "long"],  # pytest could not name the first
)
def test_a_user_however_odd_costs_no_report(user: Any, shown: str) -> None:
    policy = RequestPolicy(user_id=shown, hash_key=lambda: b"k")
    told = from_environ({**ENVIRON, "tocsin.user": user}, SCRUBBER, policy).user
    assert told is not None
    assert len(told.encode()) <= limits.NAME_CHARS + 8


def test_hostile_environ_raises_nothing() -> None:
    """Values that are no exact strings count as absent; odd ones are made presentable."""

    class Foreign(str):
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("foreign code ran")

    for value in (None, 5, b"x", Foreign("x"), object(), []):
        request = from_environ(dict.fromkeys(ENVIRON, value), SCRUBBER)
        assert (request.method, request.path, request.headers) == ("", "", {})
    odd = from_environ(dict.fromkeys(ENVIRON, "\ud800\xff€" * 10_000), SCRUBBER)
    assert odd.path.encode()
    assert len(odd.path) <= limits.PATH_CHARS
    assert from_environ({}, SCRUBBER).host == ""
