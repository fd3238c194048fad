"""Requests: an environ that a client, a server and a framework have filled goes in. A bounded, masked Request leaves.

Usage: python tests/fuzz/fuzz_environ.py [-max_total_time=600]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fuzzing import Choices, main, watched

with watched():
    from tocsin.capture.requests import RequestPolicy, from_environ
    from tocsin.event import limits, wire
    from tocsin.event.masking.scrub import Scrubber
    from tocsin.event.model import Request

_KEYS = (
    "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "wsgi.url_scheme", "HTTP_HOST", "SERVER_NAME",
    "SERVER_PORT",
    "REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_CF_CONNECTING_IP", "HTTP_REFERER",
    "HTTP_USER_AGENT", "HTTP_X_REQUEST_ID", "HTTP_COOKIE", "CONTENT_TYPE", "CONTENT_LENGTH",
    "tocsin.route", "tocsin.endpoint",
)  # fmt: skip
_NODES = (
    "1.2.3.4",
    "[::1]:80",
    "::ffff:1.2.3.4",
    "fe80::1%eth0",
    'for="[2001:db8::1]:1"',
    "for=_hidden",
    "1.2.3.4, 5.6.7.8",
)
_SCRUBBER = Scrubber()


class _Hostile:
    def __str__(self) -> str:
        raise RuntimeError("asked")

    __repr__ = __len__ = __eq__ = __hash__ = __bool__ = __str__  # type: ignore[assignment]


class _Text(str):
    def __str__(self) -> str:
        raise RuntimeError("asked")

    __len__ = __eq__ = encode = __str__  # type: ignore[assignment]
    __hash__ = str.__hash__


def environ_of(choices: Choices) -> Mapping[str, Any]:
    """Return an environ whose values are anything."""
    environ: dict[str, Any] = {}
    for _ in range(choices.number(12)):
        sort = choices.number(8)
        value: Any = (
            _Hostile() if sort == 0 else _Text("x") if sort == 1 else choices.value() if sort == 2
            else choices.one(_NODES) if sort == 3 else choices.text()
        )  # fmt: skip
        environ[choices.one(_KEYS)] = value
    return environ


def try_one(data: bytes) -> None:
    """Raise where a request can't be told, or is told past its bounds."""
    choices = Choices(data)
    mode = choices.one(("off", "truncated", "hashed", "full", "?"))
    policy = RequestPolicy(mode, bool(choices.number(2)), hash_key=lambda: b"k")
    request = from_environ(environ_of(choices), _SCRUBBER, policy, status=500)
    wire._dumps(wire._request_members(request))
    for text in _texts(request):
        text.encode()
        assert len(text) <= max(limits.PATH_CHARS, limits.QUERY_CHARS, limits.HEADER_CHARS)
    assert _SCRUBBER.request(request) == request, "masking twice changed it"


def _texts(request: Request) -> list[str]:
    shown = [getattr(request, name) for name in Request.__dataclass_fields__]
    return [text for text in (*shown, *request.headers.values(), *request.headers) if type(text) is str]


def seeds() -> list[bytes]:
    """Return inputs to begin with."""
    return [b"", *(bytes([3, 1, 4, 3, number, number, 7, 0, 2, number, 3, 1, number]) for number in range(21))]


if __name__ == "__main__":
    main(try_one, seeds())
