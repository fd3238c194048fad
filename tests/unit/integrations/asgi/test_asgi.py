"""The ASGI integration against a fake server."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import warnings
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from asgiref.sync import AsyncToSync

from asgi_cases import CASES, Case, by_name
from recording_intake import RecordingIntake
from tocsin import LogHandler
from tocsin.capture.scopes import SCOPE
from tocsin.complaints import swallowed
from tocsin.event import limits
from tocsin.integrations.asgi import asgi
from tocsin.testing import captured_events

App = Callable[..., Awaitable[Any]]


@dataclass
class Answer:
    """What a server is told, and what it has to bear."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    raised: BaseException | None = None
    returned: Any = None

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.messages[0].get("headers", ()))

    @property
    def error_ids(self) -> list[str]:
        found = [message.get("headers", ()) for message in self.messages]
        return [value.decode() for headers in found for name, value in headers if name == b"x-error-id"]

    @property
    def unmarked(self) -> list[dict[str, Any]]:
        return [
            message | {"headers": [pair for pair in message["headers"] if pair[0] != b"x-error-id"]}
            if "headers" in message
            else message
            for message in self.messages
        ]


def scope_of(kind: str = "http", method: str = "GET", path: str = "/orders", **more: Any) -> dict[str, Any]:
    headers = [(b"host", b"shop.example"), (b"x-test", b"one")]
    return {"type": kind, "method": method, "path": path, "query_string": b"", "headers": headers} | more


async def ask(app: App, scope: dict[str, Any] | None = None) -> Answer:
    """Be a server by the letter of the ASGI specification that gives a request no context of its own."""
    answer = Answer()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        assert isinstance(message["type"], str)
        answer.messages.append(message)

    try:
        answer.returned = await app(scope_of() if scope is None else scope, receive, send)
    except BaseException as fault:
        answer.raised = fault
    return answer


def serve(app: App, scope: dict[str, Any] | None = None) -> Answer:
    return asyncio.run(ask(app, scope))


def guarded(app: App, **more: Any) -> tuple[App, RecordingIntake]:
    intake = RecordingIntake(**more)
    return asgi(app, intake), intake  # type: ignore[arg-type]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_case(case: Case) -> None:
    """Each case of the table comes out as it says."""
    app, intake = guarded(case.app)
    swallowed_before = swallowed()
    got = serve(app, scope_of(method=case.method))
    assert type(got.raised) is (case.raised or type(None)), got.raised
    assert intake.told("exception") == list(case.reports)
    assert intake.told("answer", "status") == list(case.answers)
    assert set(intake.told("announce", "id")) == set(intake.told("exception", "id"))
    assert swallowed() == swallowed_before
    if case.outcome == "page":
        status, _, body = intake.page({}, got.error_ids[0])
        assert [message["type"] for message in got.messages] == ["http.response.start", "http.response.body"]
        assert (str(got.status), len(got.error_ids)) == (status[:3], 1)
        assert all(name == name.lower() for name, _ in got.headers)
        assert got.messages[1]["body"] == (b"" if case.method == "HEAD" else body)
        return
    bare = serve(case.app, scope_of(method=case.method))
    assert got.unmarked == bare.messages
    assert got.error_ids == (intake.told("exception", "id") or intake.told("answer", "id")) * (case.outcome == "marked")


def test_what_the_application_returns_and_sends_reaches_the_server_as_it_is() -> None:
    """Servers complain of what is no ASGI; it isn't for tocsin to do so, nor to hide it."""

    async def odd(scope: Any, receive: Any, send: Any) -> int:
        for message in ({"type": 1}, {}, None, [], {"type": "http.response.start"}, {"type": "x", "status": "500"}):
            with pytest.raises((AssertionError, KeyError, TypeError)):
                await send(message)
        await send({"type": "http.response.start", "status": "no number"})
        return 7

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        assert isinstance(message["type"], str)
        assert message["status"] != "500"

    app, intake = guarded(odd)
    assert asyncio.run(app(scope_of(), None, send)) == 7
    assert sent[:4] == [{"type": 1}, {}, None, []]
    assert intake.events == []


def test_send_returns_the_very_awaitable_of_the_server() -> None:
    """No coroutine is put around it; who makes a task of it gets the server's."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert send({"type": "http.response.start", "status": 200}) is mark

    mark: Any = object()
    wrapped, intake = guarded(app)
    asyncio.run(wrapped(scope_of(), None, lambda message: mark))
    assert intake.events == []


def test_send_passes_for_a_coroutine_function() -> None:
    """asgiref warns of one that doesn't, and warnings are errors here."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            say = AsyncToSync(send)
        await asyncio.to_thread(say, {"type": "http.response.start", "status": 200})

    got = serve(guarded(app)[0])
    assert (got.raised, got.status) == (None, 200)


def test_wraps_by_mode_and_only_once() -> None:
    app = by_name("one_body").app
    for mode in ("debug", "off"):
        assert asgi(app, RecordingIntake(mode=mode)) is app  # type: ignore[arg-type]
    wrapped, first = guarded(by_name("fails_at_once").app)
    second = RecordingIntake()
    assert asgi(wrapped, second) is wrapped  # type: ignore[arg-type]
    serve(wrapped)
    assert (first.events, second.told("exception")) == ([], ["ValueError"])


@pytest.mark.parametrize(("kind", "wakes"), [("http", 1), ("websocket", 1), ("lifespan", 0), ("mqtt", 0)])
def test_delivery_starts_with_the_first_request(kind: str, wakes: int) -> None:
    """Not with the lifespan, which a server may run before it forks; other scopes pass untouched."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    seen: list[Any] = []
    wrapped, intake = guarded(app)
    scope = {"type": kind}
    for _ in range(2):
        asyncio.run(wrapped(scope, len, print))
    assert intake.wakes == wakes
    assert scope == {"type": kind}
    assert seen[0][0] is scope
    assert kind != "mqtt" or seen[0][1:] == (len, print)


def test_page_that_cannot_be_sent_lets_the_exception_through() -> None:
    """The client has gone, say."""

    async def refuse(message: Any) -> None:
        raise BrokenPipeError

    wrapped, intake = guarded(by_name("fails_at_once").app)
    with pytest.raises(ValueError, match="at once"):
        asyncio.run(wrapped(scope_of(), None, refuse))
    assert intake.told("exception") == ["ValueError"]


# -- websockets and the lifespan ---------------------------------------------------------------------------------


@pytest.mark.parametrize("accepts", [False, True])
def test_websocket_that_fails_is_reported_and_nothing_is_sent(accepts: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if accepts:
            await send({"type": "websocket.accept"})
        raise ValueError("in a websocket")

    wrapped, intake = guarded(app)
    got = serve(wrapped, scope_of("websocket"))
    assert isinstance(got.raised, ValueError)
    assert got.messages == [{"type": "websocket.accept"}] * accepts
    assert intake.told("exception") == ["ValueError"]
    assert intake.told("exception", "test") == ["one"]


async def _without_lifespan(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"


async def _failing_lifespan(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    raise ValueError("at startup")


async def _failing_as_starlette_does(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    try:
        raise ValueError("at startup")
    except ValueError:
        await send({"type": "lifespan.startup.failed", "message": "a traceback"})
        raise


async def _failing_in_words(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "no disk"})


async def _cancelled(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("app", "reports", "words"),
    [
        (_without_lifespan, [], []),  # raises at sight of the scope, as the specification allows it to
        (_failing_lifespan, ["ValueError"], []),
        (_failing_as_starlette_does, ["ValueError"], []),
        (_failing_in_words, [], ["lifespan.shutdown.failed: no disk"]),
        (_cancelled, [], []),
    ],
)
def test_lifespan_that_fails_is_reported(app: App, reports: list[str], words: list[str]) -> None:
    wrapped, intake = guarded(app)
    bare, got = serve(app, {"type": "lifespan"}), serve(wrapped, {"type": "lifespan"})
    assert (type(got.raised), got.messages) == (type(bare.raised), bare.messages)
    assert intake.told("exception") == reports
    assert intake.told("message", "text") == words


# -- the request's context ---------------------------------------------------------------------------------------


def test_nothing_of_a_request_stays_behind() -> None:
    """Neither its context in its caller's, nor, by a reference cycle, the request in memory."""

    class Body(dict):  # type: ignore[type-arg]
        """Something of the request that can be seen to end."""

    ended = []

    async def main(app: App) -> None:
        scope = scope_of(state=Body())
        weakref.finalize(scope["state"], ended.append, True)
        await ask(app, scope)
        del scope
        assert SCOPE.get() is None
        assert ended == [True]

    gc.disable()
    try:
        asyncio.run(main(guarded(by_name("one_body").app)[0]))
    finally:
        gc.enable()


def test_request_that_is_closed_from_another_context_is_left_in_peace() -> None:
    """A server that stops drops its coroutines; they are closed wherever the collector runs."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    class Never:
        def __await__(self) -> Any:
            yield

    wrapped, intake = guarded(app)
    for kind in ("http", "websocket"):
        request: Any = wrapped(scope_of(kind), Never, print)
        contextvars.Context().run(request.send, None)
        request.close()
    assert intake.events == []


def test_interleaved_requests_each_report_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 at once, which log in threads, from tasks, and fail in one or the other."""
    monkeypatch.setattr(limits, "BURST", 10**6)
    monkeypatch.setattr(limits, "CAPTURES_PER_MINUTE", 10**6)
    log = logging.getLogger("shop")

    def in_thread(number: int) -> None:
        log.error("thread of %s", number)
        if number % 2:
            raise ValueError(f"fault of {number}")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        number = int(scope["path"].rpartition("/")[2])
        waiting.append(number)
        while len(waiting) < 200:
            await asyncio.sleep(0)
        log.error("request of %s", number)
        await asyncio.gather(asyncio.sleep(number % 7 / 1000), asyncio.create_task(in_task(number)))
        await asyncio.to_thread(in_thread, number)
        raise ValueError(f"fault of {number}")

    async def in_task(number: int) -> None:
        await asyncio.sleep(0)
        log.error("task of %s", number)

    async def main(wrapped: App) -> list[Answer]:
        # `gather` makes a task of each: a context of its own
        return await asyncio.gather(*(ask(wrapped, scope_of(path=f"/orders/{number}")) for number in range(200)))

    waiting: list[int] = []
    with captured_events() as events:
        handler = LogHandler()
        log.addHandler(handler)
        try:
            answers = asyncio.run(main(events.reporter.asgi(app)))
        finally:
            log.removeHandler(handler)
    assert len(events) == 800
    for event in events:
        number = event.message.rpartition(" ")[2]
        assert event.request is not None
        assert event.request.path == f"/orders/{number}", event.message
    for number, answer in enumerate(answers):
        own = {event.error_id for event in events if event.message.rpartition(" ")[2] == str(number)}
        assert len(own) == 4
        assert set(answer.error_ids) <= own


def test_one_inside_the_other_report_once() -> None:
    """A wrapped application mounted in a wrapped one; the scope goes on as it is."""
    for name in ("fails_at_once", "own_error_page_then_raised_again", "bad_request", "fails_in_its_stream"):
        with captured_events() as events:
            inner = events.reporter.asgi(by_name(name).app)

            async def outer(scope: Any, receive: Any, send: Any, inner: App = inner) -> None:
                await inner(scope, receive, send)

            got = serve(events.reporter.asgi(outer))
        assert [event.message for event in events][1:] == [], name
        assert got.error_ids == ([] if name in ("bad_request", "fails_in_its_stream") else [events[0].error_id])


def test_exception_logged_and_then_raised_is_one_event() -> None:
    """By the request's token, which is kept in its scope."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.to_thread(lambda: 1 / 0)
        except ZeroDivisionError:
            logging.getLogger("shop").exception("can't")
            raise

    with captured_events() as events:
        handler = LogHandler()
        logging.getLogger("shop").addHandler(handler)
        got = serve(events.reporter.asgi(app))
        logging.getLogger("shop").removeHandler(handler)
    # the second tells that it is graver than it looked; it is the same occurrence
    assert {event.error_id for event in events} == set(got.error_ids)


def test_status_that_was_raised_to_be_the_answer_is_told_as_an_answer() -> None:
    """Starlette sends it from within its handler of HTTPException; that is no traceback to look into."""
    answer_of = type("HTTPException", (Exception,), {"__module__": "starlette.exceptions"})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            raise type("Derived", (answer_of,), {})()
        except answer_of:
            await by_name("own_error_page").app(scope, receive, send)

    wrapped, intake = guarded(app)
    assert len(serve(wrapped).error_ids) == 1
    assert intake.told("exception") == []
    assert intake.told("answer", "status") == ["500 Internal Server Error"]


def test_groups_are_looked_at_one_by_one() -> None:
    """That one group held clients that had gone says nothing of the next."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ExceptionGroup("tasks", [gone() if scope["path"] == "/gone" else ValueError("fault")])

    gone = type("ClientDisconnect", (Exception,), {"__module__": "starlette.requests"})
    with captured_events() as events:
        wrapped = events.reporter.asgi(app)
        for path in ("/gone", "/fault", "/gone"):
            got = serve(wrapped, scope_of(path=path))
            assert isinstance(got.raised, ExceptionGroup) == (path == "/gone")
        assert [event.request and event.request.path for event in events] == ["/fault"]


def test_answer_to_what_is_no_report_is_none_either() -> None:
    """Starlette answers 500 to whom has gone, too."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            raise ConnectionError("gone")
        except ConnectionError:
            await by_name("own_error_page").app(scope, receive, send)
            raise

    wrapped, intake = guarded(app)
    got = serve(wrapped)
    assert isinstance(got.raised, ConnectionError)
    assert (got.status, got.error_ids) == (500, [])
    assert [event["what"] for event in intake.events] == ["counted", "counted"]


def test_error_id_of_an_answer_is_that_of_its_fault() -> None:
    """Not that of a warning which was logged before it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        logging.getLogger("shop").warning("stock is low")
        await by_name("own_error_page_then_raised_again").app(scope, receive, send)

    with captured_events() as events:
        handler = LogHandler()
        logging.getLogger("shop").addHandler(handler)
        got = serve(events.reporter.asgi(app))
        logging.getLogger("shop").removeHandler(handler)
    assert [event.kind for event in events] == ["warning", "traceback"]
    assert got.error_ids == [events[1].error_id]


def test_answer_is_told_with_its_path_in_letters() -> None:
    """Environs hold each byte of it as a character."""
    with captured_events() as events:
        serve(events.reporter.asgi(by_name("bad_request").app), scope_of(path="/größe"))
    assert [event.message for event in events] == ["answered 400 Bad Request: GET /größe"]


def test_record_of_the_server_about_what_was_raised_again_is_the_same_event() -> None:
    """It comes after the request, which it can't name."""
    with captured_events() as events:
        handler = LogHandler()
        logging.getLogger("server").addHandler(handler)
        got = serve(events.reporter.asgi(by_name("fails_after_its_answer").app))
        logging.getLogger("server").error("Exception in ASGI application", exc_info=got.raised)
        logging.getLogger("server").removeHandler(handler)
    [event] = events
    assert event.request is not None
    assert event.request.path == "/orders"
