"""A WSGI server by the letter of PEP 3333: an application goes in; what it sent, and every step in order, leave."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults

__all__ = ["Exchange", "environ_of", "serve"]


@dataclass
class Exchange:
    """Tell what came of one request. ``steps`` are the server's and, noted by `note`, the application's, in order."""

    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    is_sent: bool = False  # status and headers have left
    fault: BaseException | None = None  # out of the call or the body
    raised: BaseException | None = None  # in the end: out of close(), or the same
    steps: list[str] = field(default_factory=list)
    is_over: bool = False

    def note(self, step: str) -> None:
        if not self.is_over:  # what is thrown away later ends whenever that is
            self.steps.append(step)


def environ_of(method: str = "GET", **more: Any) -> dict[str, Any]:
    """Return the environ of a request with a body of a few bytes."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "wsgi.file_wrapper": FileWrapper, "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO(b"some input")
    return environ | more


def serve(app: Callable[..., Any], exchange: Exchange, method: str = "GET", *, chunks: int = 1_000_000) -> Exchange:
    """Be the server; after ``chunks`` that are not empty the client is gone.

    Headers are taken as they are when `start_response` is called. They leave with the first chunk that is not empty,
    with `write`, or at the end.
    """
    said: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        if exc_info and exchange.is_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if said and not exc_info:
            raise AssertionError("started twice")
        said[:] = [status, list(headers)]
        return write

    def write(chunk: bytes) -> None:
        if not said:
            raise AssertionError("a chunk before the start")
        if not exchange.is_sent:
            exchange.is_sent = True
            exchange.status, exchange.headers = said
            exchange.note("head leaves")
        if not isinstance(chunk, bytes):
            raise TypeError(f"a chunk of type {type(chunk).__name__}")
        exchange.body += chunk
        if chunk:
            exchange.note(f"{len(chunk)} bytes leave")

    try:
        body = _called(app, environ_of(method), start_response, exchange)
        _iterate(body, exchange, write, said, chunks)
    except BaseException as fault:
        exchange.raised = fault
    exchange.is_over = True
    return exchange


def _called(app: Any, environ: dict[str, Any], start_response: Any, exchange: Exchange) -> Any:
    try:
        return app(environ, start_response)
    except BaseException as fault:
        exchange.fault = fault
        raise


def _iterate(body: Any, exchange: Exchange, write: Callable[[bytes], None], said: list[Any], chunks: int) -> None:
    try:
        for chunk in body:
            if chunk or not isinstance(chunk, bytes):
                write(chunk)
                chunks -= 1
            if not chunks:
                return
        if said:
            write(b"")
            exchange.note("end leaves")
    except BaseException as fault:
        exchange.fault = fault
        raise
    finally:
        if hasattr(body, "close"):
            body.close()
