"""The table of what ASGI applications do: a name goes in, an application and what must be seen leave.

Run against a fake server in the unit tests, and over sockets on real servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["CASES", "Case", "by_name"]

TEXT = (b"content-type", b"text/plain; charset=utf-8")

App = Callable[[dict[str, Any], Any, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """State one way to answer, and what must come of it behind tocsin.

    ``outcome``: ``same`` as without tocsin to the byte; our ``page``; or ``marked``, the same with X-Error-Id.
    ``raised`` is what reaches the server as well.
    """

    name: str
    app: App
    outcome: Literal["same", "page", "marked"] = "same"
    method: str = "GET"
    reports: tuple[str, ...] = ()  # exception types
    answers: tuple[str, ...] = ()  # statuses
    raised: type[BaseException] | None = None
    ends_server: bool = False


CASES: list[Case] = []


def by_name(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def case(**expected: Any) -> Callable[[App], App]:
    """Enter an application into the table under its own name."""

    def enter(app: App) -> App:
        CASES.append(Case(app.__name__, app, **expected))
        return app

    return enter


async def start(send: Any, status: int = 200, *more: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [TEXT, *more]})


async def answer(send: Any, status: int = 200, body: bytes = b"hello world") -> None:
    await start(send, status, (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.body", "body": body})


# -- answers that must pass as they are ------------------------------------------------------------------------


@case()
async def one_body(scope, receive, send):
    await answer(send)


@case(method="HEAD")
async def head(scope, receive, send):
    await answer(send)


@case()
async def a_stream(scope, receive, send):
    await start(send)
    for chunk in (b"hello ", b"", b"world"):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@case()
async def no_content(scope, receive, send):
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


@case(method="POST")
async def reads_its_body(scope, receive, send):
    assert (await receive())["type"] == "http.request"
    await answer(send)


@case()
async def not_found(scope, receive, send):
    await answer(send, 404, b"not found")


@case()
async def answers_within_its_own_except(scope, receive, send):
    try:
        raise LookupError("handled")
    except LookupError:
        await answer(send, 404, b"not found")


@case()
async def sends_from_a_task(scope, receive, send):
    await asyncio.create_task(answer(send))


# -- answers that are told of ------------------------------------------------------------------------------------


@case(answers=("400 Bad Request",))
async def bad_request(scope, receive, send):
    await answer(send, 400, b"what?")


@case(outcome="marked", answers=("500 Internal Server Error",))
async def own_error_page(scope, receive, send):
    await answer(send, 500, b"sorry")


@case()
async def unavailable_is_not_watched(scope, receive, send):
    await answer(send, 503, b"later")


@case(outcome="marked", reports=("ValueError",))
async def own_error_page_within_its_except(scope, receive, send):
    try:
        raise ValueError("made an answer")
    except ValueError:
        await answer(send, 503, b"sorry")


@case(outcome="marked", reports=("ValueError",), raised=ValueError)
async def own_error_page_then_raised_again(scope, receive, send):
    try:
        raise ValueError("as Starlette does it")
    except ValueError:
        await answer(send, 500, b"sorry")
        raise


# -- failures ----------------------------------------------------------------------------------------------------


@case(outcome="page", reports=("ValueError",))
async def fails_at_once(scope, receive, send):
    raise ValueError("at once")


@case(outcome="page", reports=("ValueError",), method="HEAD")
async def fails_at_head(scope, receive, send):
    raise ValueError("at once")


@case(outcome="page", reports=("ValueError",), method="POST")
async def fails_after_reading(scope, receive, send):
    await receive()
    await asyncio.sleep(0)
    raise ValueError("after reading")


@case(outcome="page", reports=("ZeroDivisionError",))
async def fails_in_a_thread(scope, receive, send):
    await asyncio.to_thread(lambda: 1 / 0)


@case(outcome="page", reports=("ExceptionGroup",))
async def fails_in_a_task_group(scope, receive, send):
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(lambda: 1 / 0))


@case(reports=("ValueError",), raised=ValueError)
async def fails_after_the_start(scope, receive, send):
    await start(send)
    raise ValueError("after the start")


@case(reports=("ValueError",), raised=ValueError)
async def fails_in_its_stream(scope, receive, send):
    await start(send)
    await send({"type": "http.response.body", "body": b"hello ", "more_body": True})
    raise ValueError("in the stream")


@case(reports=("ValueError",), raised=ValueError)
async def fails_after_its_answer(scope, receive, send):
    await answer(send)
    raise ValueError("in the background")


@case(raised=asyncio.CancelledError, ends_server=True)
async def is_cancelled(scope, receive, send):
    raise asyncio.CancelledError


@case(raised=SystemExit, ends_server=True)
async def exits(scope, receive, send):
    raise SystemExit(3)


@case(raised=ConnectionError)
async def client_has_gone(scope, receive, send):
    raise ConnectionError("what the intake doesn't report isn't answered either")


# -- what is no ASGI ---------------------------------------------------------------------------------------------


@case(reports=("TypeError",), outcome="page")
async def calls_without_arguments(scope, receive, send):
    await send()
