"""Requests: a stack, a context or an environ goes in, a masked Request leaves."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import CodeType, FrameType
from typing import Any, Final, TypeAlias

from tocsin.capture.plain import plain
from tocsin.capture.scopes import current_environ
from tocsin.event import limits
from tocsin.event.environ import ENDPOINT, ROUTE, USER
from tocsin.event.masking.scrub import Scrubber, strict
from tocsin.event.model import Request

__all__ = [
    "ALLOWED_HEADERS",
    "MIDDLEWARE_CODES",
    "ClientAddress",
    "RequestPolicy",
    "find_environ",
    "from_environ",
    "path_of",
]

Shown: TypeAlias = str  # off, hashed or full, of a user
ClientAddress: TypeAlias = str  # off, truncated, hashed, full, or none: no hash either; anything else is off

# The code objects of functions whose local variable `environ` is the request: the WSGI integration adds its own.
# By id: a code object's hash is made anew each time, of all it holds (0.3 µs a frame; by id 0.1).
MIDDLEWARE_CODES: Final[dict[int, CodeType]] = {}

ALLOWED_HEADERS: Final = frozenset(
    {
        "accept",
        "content-length",
        "content-type",
        "host",
        "referer",
        "user-agent",
        "x-request-id",
        "x-requested-with",
    }
)
_BARE_KEYS: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})
# A proxy sets the first two to one address. In the lists the last hop is what the nearest proxy saw; what is
# before it anybody may have written.
_PROXY_KEYS: Final = ("HTTP_CF_CONNECTING_IP", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR")
_HASH_CHARS: Final = 16
_V4_PREFIX: Final = 24
_V6_PREFIX: Final = 48


def _utc_day() -> str:
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """Say what of a request may be told.

    ``headers`` are names in any case. ``hash_key`` returns the secret by which clients are hashed, empty for none; it
    is asked when a request is described. ``today`` returns a text that changes daily.
    """

    client_address: ClientAddress = "off"
    user_id: Shown = "off"
    trust_proxy_headers: bool = False
    headers: Collection[str] = ALLOWED_HEADERS
    hash_key: Callable[[], bytes] = bytes
    today: Callable[[], str] = _utc_day
    allowed: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed", frozenset(name.strip().lower() for name in self.headers))


_DEFAULT_POLICY: Final = RequestPolicy()


def find_environ(frame: FrameType | None) -> Mapping[str, Any] | None:
    """Return the environ of the request that the given frame runs in; None outside of any.

    A WSGI request is found by walking up to the middleware's own frame, at most `STACK_WALK_FRAMES` far; an ASGI
    request, which may have left the stack, by its context. The stack is asked first: where an ASGI application
    runs a WSGI one, that is the inner request. Without any WSGI middleware in the process nothing is walked.
    """
    environ = _on_stack(frame) if MIDDLEWARE_CODES else None
    return current_environ() if environ is None else environ


def _on_stack(frame: FrameType | None) -> Mapping[str, Any] | None:
    for _ in range(limits.STACK_WALK_FRAMES):
        if frame is None:
            return None
        if id(frame.f_code) in MIDDLEWARE_CODES:
            environ = frame.f_locals.get("environ")
            if type(environ) is dict:
                return environ
        frame = frame.f_back
    return None


def from_environ(
    environ: Mapping[str, Any],
    scrubber: Scrubber,
    policy: RequestPolicy = _DEFAULT_POLICY,
    *,
    status: int | None = None,
) -> Request:
    """Return what a report tells of a WSGI request (PEP 3333), masked and bounded.

    Only exact strings of the environ are looked at; the body is not touched. The route and the endpoint are
    what a framework's integration left under ``tocsin.route`` and ``tocsin.endpoint``.
    """
    address = _address(environ, policy.trust_proxy_headers)
    hashed = _hashed(address, policy)
    route, endpoint = _text(environ, ROUTE), _text(environ, ENDPOINT)
    return Request(
        method=scrubber.text(_text(environ, "REQUEST_METHOD"), 32),
        path=scrubber.text(path_of(environ), limits.PATH_CHARS),
        query=scrubber.query(_text(environ, "QUERY_STRING")),
        scheme=scrubber.text(_text(environ, "wsgi.url_scheme"), 32),
        host=scrubber.text(_host(environ), limits.NAME_CHARS),
        route=scrubber.text(route, limits.PATH_CHARS) or None,
        endpoint=scrubber.text(endpoint, limits.NAME_CHARS) or None,
        headers=scrubber.headers(_headers(environ, policy.allowed), policy.allowed),
        client=_shown(address, policy.client_address, hashed),
        client_hash=hashed,
        user=_user(environ, scrubber, policy),
        status=status,
    )


def _text(environ: Mapping[str, Any], key: str) -> str:
    value = environ.get(key)
    return value if type(value) is str else ""


def path_of(environ: Mapping[str, Any]) -> str:
    """Return the path that was asked for, bounded, not masked.

    In an environ it is the request's bytes, each as one character (PEP 3333); they are mostly UTF-8. What isn't is left
    as it is: bytes of another encoding, or a text that a framework (Bottle) has put in their place.
    """
    bound = limits.PATH_CHARS * 4
    raw = (_text(environ, "SCRIPT_NAME")[:bound] + _text(environ, "PATH_INFO")[:bound])[:bound]
    try:
        return raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return strict(raw)


def _host(environ: Mapping[str, Any]) -> str:
    host = _text(environ, "HTTP_HOST")
    if host:
        return host
    name, port = _text(environ, "SERVER_NAME"), _text(environ, "SERVER_PORT")
    return f"{name}:{port}" if name and port not in ("", "80", "443") else name


def _headers(environ: Mapping[str, Any], allowed: frozenset[str]) -> list[tuple[str, str]]:
    found = []
    for name in sorted(allowed):
        key = name.upper().replace("-", "_")
        value = _text(environ, key if key in _BARE_KEYS else f"HTTP_{key}")
        if value:
            found.append((name, value))
    return found


def _address(environ: Mapping[str, Any], trust_proxy_headers: bool) -> str:
    for key in _PROXY_KEYS if trust_proxy_headers else ():
        value = _text(environ, key)[-limits.HEADER_CHARS :]
        found = _parsed(_forwarded_for(value) if key == "HTTP_FORWARDED" else value.rpartition(",")[2])
        if found:
            return found
    return _parsed(_text(environ, "REMOTE_ADDR"))


def _forwarded_for(value: str) -> str:
    """Return the ``for`` of the last element of a Forwarded header (RFC 7239, section 4)."""
    for pair in value.rpartition(",")[2].split(";"):
        name, _, node = pair.partition("=")
        if name.strip().lower() == "for":
            return node.strip().strip('"')
    return ""


def _parsed(node: str) -> str:
    """Return the address of a node that may carry a port, in its canonical form; empty if it is none."""
    node = node.strip().strip('"')[:64]
    if node.startswith("["):
        node = node[1:].partition("]")[0]
    elif node.count(":") == 1:
        node = node.partition(":")[0]
    try:
        return str(ipaddress.ip_address(node.partition("%")[0]))
    except ValueError:
        return ""


def _hashed(address: str, policy: RequestPolicy) -> str | None:
    key = policy.hash_key() if address and policy.client_address != "none" else b""
    if not key:
        return None
    return hmac.new(key, f"{policy.today()}|{address}".encode(), "sha256").hexdigest()[:_HASH_CHARS]


def _user(environ: Mapping[str, Any], scrubber: Scrubber, policy: RequestPolicy) -> str | None:
    """Return who was logged in, as far as the policy lets it be told: a hash names the same user on any day."""
    user = environ.get(USER)
    if policy.user_id not in ("hashed", "full") or type(user) not in (str, int) or user == "":
        return None
    user = strict(str(plain(user)))  # neither a number that has no text nor what can't be encoded loses the report
    if policy.user_id == "full":
        return scrubber.name(user)
    key = policy.hash_key()
    return hmac.new(key, f"user|{user}".encode(), "sha256").hexdigest()[:_HASH_CHARS] if key else None


def _shown(address: str, mode: ClientAddress, hashed: str | None) -> str | None:
    if not address or mode not in ("truncated", "hashed", "full"):
        return None
    if mode != "truncated":
        return address if mode == "full" else hashed
    prefix = _V6_PREFIX if ":" in address else _V4_PREFIX
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False).network_address)
