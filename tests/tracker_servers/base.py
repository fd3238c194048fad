"""Requests go in; a tracker's documented answers leave. What is common to all: routes, rights, limits and losses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeAlias, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from http_receiver import HttpReceiver, Request, http_receiver

__all__ = ["Answer", "Refusal", "Server", "now", "running"]

Answer: TypeAlias = tuple[int, Any]
TOKEN = "t0ken-of-the-test"
READ_ONLY = "read-0nly-token"


class Refusal(Exception):
    """Carry a documented error."""

    def __init__(self, status: int, value: Any) -> None:
        super().__init__(str(value))
        self.answer: Answer = (status, value)


def now() -> datetime:
    """Return the present second, as APIs tell times."""
    return datetime.now(UTC).replace(microsecond=0)


class Server:
    """Be one tracker. ``faults`` are requests that the documentation doesn't have; a test requires none."""

    routes: ClassVar[dict[str, str]]  # "GET /path/(group)" → the method's name

    def __init__(self) -> None:
        self.tickets: dict[int, dict[str, Any]] = {}
        self.faults: list[str] = []
        self.changes: list[str] = []  # each POST, PUT and PATCH that was done
        self.lose = 0  # so many changes are done, but answered by a 502
        self.limited: dict[str, str] | None = None  # headers of the rate limit's answer
        self.limited_status = 429
        self.odd: Any = ...  # what every request is answered with instead

    # -- one request -----------------------------------------------------------------------------------
    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        if self.limited is not None:
            return self.limited_status, self.limited, b'{"message": "rate limit exceeded"}'
        if self.odd is not ...:
            return 200, {}, json.dumps(self.odd).encode()
        try:
            status, value = self._routed(request)
        except Refusal as refusal:
            status, value = refusal.answer
        if request.method != "GET" and status < 300 and not self._only_reads(request):
            self.changes.append(f"{request.method} {request.path}")
            if self.lose:
                self.lose -= 1
                return 502, {}, b"<html>Bad Gateway"
        body = b"" if value is None else json.dumps(value).encode()
        return status, {"content-type": "application/json"} if body else {}, body

    def _only_reads(self, request: Request) -> bool:
        return "search" in request.path or "bulkfetch" in request.path

    def _routed(self, request: Request) -> Answer:
        self.authenticate(request)
        if request.headers.get("user-agent", "").partition(" ")[0] != "tocsin":
            self.faults.append("no User-Agent")
        parts = urlsplit(request.path)
        for route, name in self.routes.items():
            method, pattern = route.split(" ")
            match = re.fullmatch(pattern, parts.path)
            if match is None or method != request.method:
                continue
            groups = [unquote(group) for group in match.groups()]
            handler: Callable[..., Answer] = getattr(self, name)
            if method == "GET":
                return handler(*groups, query=dict(parse_qsl(parts.query, keep_blank_values=True)))
            if request.headers.get("content-type") != "application/json":
                self.faults.append(f"{request.method} {request.path} without application/json")
            told = request.headers.get("authorization") or request.headers.get("private-token") or ""
            if told.endswith(READ_ONLY) and not self._only_reads(request):
                self.forbid()
            return handler(*groups, value=request.json)
        self.faults.append(f"{request.method} {request.path} is not documented")
        return self.unknown()

    def authenticate(self, request: Request) -> None:
        """Raise Refusal for a wrong token."""
        raise NotImplementedError

    def forbid(self) -> None:
        """Raise Refusal for a right that is missing."""
        raise Refusal(403, {"message": "Forbidden"})

    def unknown(self) -> Answer:
        """Return the answer for what isn't there."""
        return 404, {"message": "Not Found"}

    # -- what handlers use -----------------------------------------------------------------------------
    def fields(self, value: Any, needed: Mapping[str, type], optional: Mapping[str, type]) -> dict[str, Any]:
        """Return a body whose fields are those documented, of their types."""
        known = {**needed, **optional}
        if not isinstance(value, dict) or not set(needed) <= set(value) <= set(known):
            self.faults.append(f"fields {sorted(value)} instead of {sorted(known)}")
        for name, each in value.items():
            if name in known and not isinstance(each, known[name]):
                self.faults.append(f"{name} is {each!r}")
        return dict(value)

    def parameters(self, query: Mapping[str, str], *known: str) -> dict[str, str]:
        """Return a query whose parameters are documented."""
        if not set(query) <= set(known):
            self.faults.append(f"parameters {sorted(query)} instead of {sorted(known)}")
        return dict(query)

    def page(self, rows: list[Any], query: Mapping[str, str], *, size: str = "per_page", most: int = 100) -> list[Any]:
        """Return one page of rows."""
        length = int(query.get(size, 30))
        if not 1 <= length <= most:
            self.faults.append(f"{size}={length}")
        start = (int(query.get("page", 1)) - 1) * length
        return rows[start : start + length]

    # -- what tests use --------------------------------------------------------------------------------
    def text(self, number: int) -> str:
        """Return a ticket's title and description."""
        ticket = self.tickets[number]
        return f"{ticket['title']}\n{ticket['body']}"

    def texts(self) -> list[str]:
        """Return every title with its description, and every comment."""
        out = []
        for number, ticket in self.tickets.items():
            out += [self.text(number), *ticket["comments"]]
        return out

    def is_open(self, number: int) -> bool:
        """Tell whether a ticket is open."""
        return bool(self.tickets[number]["state"] == "open")

    def shut(self, number: int, how: str, at: datetime | None = None) -> None:
        """Close a ticket as a person would: ``fixed`` or ``declined``."""
        raise NotImplementedError


_S = TypeVar("_S", bound=Server)


@contextmanager
def running(server: _S) -> Iterator[tuple[_S, HttpReceiver]]:
    """Run a tracker for the length of the block, and require that it was asked as documented."""
    with http_receiver() as receiver:
        receiver.answer = server.answer
        yield server, receiver
    assert server.faults == []
