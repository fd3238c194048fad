"""The table of what WSGI applications do: a name and a callback go in, an application and what must be seen leave.

Run against a fake server and `wsgiref.validate` in the unit tests, and over sockets on real servers.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from wsgiref.util import FileWrapper

__all__ = ["CASES", "Case", "by_name"]

TEXT = ("Content-Type", "text/plain; charset=utf-8")

App = Callable[..., Any]
Closed = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Case:
    """State one way to answer, and what must come of it behind tocsin.

    ``outcome``: ``same`` as without tocsin to the byte; our ``page``; ``marked``, the same with X-Error-Id;
    or ``raises``: the exception ``raised`` reaches the server, and what was sent is what is sent without tocsin.
    ``make`` takes a callback that the body's ``close()`` calls and returns the application.
    """

    name: str
    make: Callable[[Closed], App]
    outcome: Literal["same", "page", "marked", "raises"] = "same"
    status: str = "200 OK"
    body: bytes = b"hello world"
    method: str = "GET"
    reports: tuple[str, ...] = ()  # exception types
    answers: tuple[str, ...] = ()  # statuses
    closes: int = 0
    raised: type[BaseException] | None = None
    is_valid: bool = True  # False: the application itself breaks PEP 3333
    # True: servers don't do here what PEP 3333 says of exc_info (gunicorn sends both sets of headers, uWSGI an empty
    # body, or an OSError of its own), so there is nothing to be the same as.
    is_beyond_servers: bool = False


CASES: list[Case] = []


def by_name(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def case(**expected: Any) -> Callable[[App], App]:
    """Enter a function ``(environ, start_response, closed)`` into the table under its own name."""

    def enter(function: App) -> App:
        def make(closed: Closed) -> App:
            return lambda environ, start_response: function(environ, start_response, closed)

        CASES.append(Case(function.__name__, make, **expected))
        return function

    return enter


class Body:
    """An iterable with ``close()``, as frameworks return it; ``close`` may fail."""

    def __init__(self, chunks: Iterator[bytes], closed: Closed, failure: Exception | None = None) -> None:
        self._chunks = chunks
        self._closed = closed
        self._failure = failure

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        self._closed()
        if self._failure is not None:
            raise self._failure


def _failing(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks
    raise ValueError("in the body")


# -- answers that must pass as they are ------------------------------------------------------------------------


@case()
def a_list(environ, start_response, closed):
    start_response("200 OK", [TEXT, ("Content-Length", "11")])
    return [b"hello ", b"world"]


@case()
def a_list_of_one(environ, start_response, closed):
    start_response("200 OK", [TEXT])
    return [b"hello world"]


@case()
def a_tuple(environ, start_response, closed):
    start_response("200 OK", [TEXT])
    return (b"hello ", b"world")


@case(body=b"", status="204 No Content")
def an_empty_list(environ, start_response, closed):
    start_response("204 No Content", [])
    return []


@case(body=b"", status="304 Not Modified")
def not_modified(environ, start_response, closed):
    start_response("304 Not Modified", [("ETag", '"1"')])
    return []


@case(body=b"", status="304 Not Modified", closes=1)
def not_modified_with_an_empty_body(environ, start_response, closed):
    start_response("304 Not Modified", [("ETag", '"1"')])
    return Body(iter(()), closed)


@case(body=b"", method="HEAD")
def head_of_a_list(environ, start_response, closed):
    start_response("200 OK", [TEXT, ("Content-Length", "11")])
    return []


@case(body=b"", method="HEAD", closes=1)
def head_of_a_stream(environ, start_response, closed):
    start_response("200 OK", [TEXT, ("Content-Length", "11")])
    return Body(iter(()), closed)


@case(closes=1)
def a_stream_with_close(environ, start_response, closed):
    start_response("200 OK", [TEXT])
    return Body(iter((b"hello ", b"world")), closed)


@case()
def a_generator_that_starts_late(environ, start_response, closed):
    start_response("200 OK", [TEXT])
    yield b"hello "
    yield b"world"


@case(closes=1)
def empty_chunks_first(environ, start_response, closed):
    start_response("200 OK", [TEXT, ("Content-Length", "11")])
    return Body(iter((b"", b"", b"hello ", b"", b"world")), closed)


@case(body=b"", closes=1)
def only_empty_chunks(environ, start_response, closed):
    start_response("200 OK", [TEXT, ("Content-Length", "0")])
    return Body(iter((b"", b"")), closed)


@case(body=b"x" * 300_000, closes=1)
def a_long_stream(environ, start_response, closed):
    start_response("200 OK", [TEXT, ("Content-Length", "300000")])
    return Body(iter([b"x" * 30_000] * 10), closed)


@case(is_valid=False)  # the validator's wrapper hides the file from the server
def a_wrapped_file(environ, start_response, closed):
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the server closes it
    file.write(b"hello world")
    file.seek(0)
    start_response("200 OK", [TEXT, ("Content-Length", "11")])
    return environ.get("wsgi.file_wrapper", FileWrapper)(file, 4096)  # the key is optional


@case()
def written(environ, start_response, closed):
    write = start_response("200 OK", [TEXT, ("Content-Length", "11")])
    write(b"hello ")
    write(b"world")
    return []


@case(closes=1)
def written_and_streamed(environ, start_response, closed):
    write = start_response("200 OK", [TEXT, ("Content-Length", "11")])
    write(b"hello ")
    return Body(iter((b"world",)), closed)


@case(status="404 Not Found")
def not_found(environ, start_response, closed):
    start_response("404 Not Found", [TEXT])
    return [b"hello world"]


@case(status="203 Non-Authoritative Information", is_beyond_servers=True)
def started_again_with_exc_info(environ, start_response, closed):
    start_response("200 OK", [TEXT])
    try:
        raise ValueError("handled")
    except ValueError:
        start_response("203 Non-Authoritative Information", [TEXT], sys.exc_info())
    return [b"hello world"]


# -- answers that are told of ----------------------------------------------------------------------------------


@case(status="400 Bad Request", answers=("400 Bad Request",))
def a_bad_request(environ, start_response, closed):
    start_response("400 Bad Request", [TEXT])
    return [b"hello world"]


@case(outcome="marked", status="500 Oops", answers=("500 Oops",))
def a_hand_written_500(environ, start_response, closed):
    start_response("500 Oops", [TEXT])
    return [b"hello world"]


@case(outcome="marked", status="500 Oops", answers=("500 Oops",), closes=1)
def a_streamed_500(environ, start_response, closed):
    start_response("500 Oops", [TEXT])
    return Body(iter((b"hello ", b"world")), closed)


@case(outcome="marked", status="500 Oops", answers=("500 Oops",))
def a_written_500(environ, start_response, closed):
    start_response("500 Oops", [TEXT, ("Content-Length", "11")])(b"hello world")
    return []


@case(outcome="marked", status="503 Down", reports=("ValueError",), is_beyond_servers=True)
def an_exception_made_an_answer(environ, start_response, closed):
    try:
        raise ValueError("handled")
    except ValueError:
        start_response("503 Down", [TEXT], sys.exc_info())
    return [b"hello world"]


# -- failures before anything was sent: the page ---------------------------------------------------------------


@case(outcome="page", reports=("ValueError",))
def fails_at_once(environ, start_response, closed):
    raise ValueError("in the call")


@case(outcome="page", reports=("ValueError",))
def fails_after_start(environ, start_response, closed):
    start_response("200 OK", [TEXT, ("Set-Cookie", "half=done"), ("Content-Length", "11")])
    raise ValueError("in the call")


@case(outcome="page", reports=("ValueError",), method="HEAD")
def fails_on_head(environ, start_response, closed):
    raise ValueError("in the call")


@case(outcome="page", reports=("ValueError",), closes=1)
def fails_before_the_first_chunk(environ, start_response, closed):
    start_response("200 OK", [TEXT])
    return Body(_failing(), closed)


@case(outcome="page", reports=("ValueError",), closes=1)
def fails_after_an_empty_chunk(environ, start_response, closed):
    start_response("200 OK", [TEXT])
    return Body(_failing(b"", b""), closed)


@case(outcome="page", reports=("ValueError",))
def a_generator_that_fails_before_start(environ, start_response, closed):
    raise ValueError("in the body")
    yield b""


@case(outcome="page", reports=("AssertionError",), is_valid=False)
def never_starts(environ, start_response, closed):
    return [b"hello world"]


@case(outcome="page", reports=("AssertionError",), is_valid=False, closes=1)
def a_stream_that_never_starts(environ, start_response, closed):
    return Body(iter((b"hello world",)), closed)


@case(outcome="page", reports=("TypeError",), is_valid=False)
def a_status_that_is_a_number(environ, start_response, closed):
    start_response(200, [TEXT])
    return [b"hello world"]


@case(outcome="page", reports=("TypeError",), is_valid=False)
def no_body_at_all(environ, start_response, closed):
    start_response("200 OK", [TEXT])


# -- failures after the start: told, raised again, nothing appended --------------------------------------------


@case(outcome="raises", raised=ValueError, reports=("ValueError",), body=b"hello ", closes=1)
def fails_after_the_first_chunk(environ, start_response, closed):
    start_response("200 OK", [TEXT, ("Content-Length", "11")])
    return Body(_failing(b"hello "), closed)


@case(outcome="raises", raised=ValueError, reports=("ValueError",), body=b"hello ", closes=1)
def fails_in_a_chunked_stream(environ, start_response, closed):
    start_response("200 OK", [TEXT])
    return Body(_failing(b"hello "), closed)


@case(outcome="raises", raised=ValueError, reports=("ValueError",), body=b"hello ")
def fails_after_write(environ, start_response, closed):
    start_response("200 OK", [TEXT, ("Content-Length", "11")])(b"hello ")
    raise ValueError("in the call")


@case(outcome="raises", raised=ValueError, reports=("ValueError",), closes=1)
def fails_in_close(environ, start_response, closed):
    start_response("200 OK", [TEXT])
    return Body(iter((b"hello ", b"world")), closed, ValueError("in close()"))


@case(outcome="raises", raised=ValueError, reports=("ValueError",), body=b"hello ", closes=1, is_beyond_servers=True)
def handles_its_failure_too_late(environ, start_response, closed):
    def chunks() -> Iterator[bytes]:
        yield b"hello "
        try:
            raise ValueError("in the body")
        except ValueError:
            start_response("500 Oops", [TEXT], sys.exc_info())

    start_response("200 OK", [TEXT, ("Content-Length", "11")])
    return Body(chunks(), closed)


@case(outcome="raises", raised=BrokenPipeError, body=b"", status="")
def the_client_has_gone(environ, start_response, closed):
    raise BrokenPipeError("nobody reads this")
