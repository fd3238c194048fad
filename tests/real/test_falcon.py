"""Falcon, WSGI and ASGI, with its handlers and middlewares, in process and on servers; the page's own applications."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("falcon", reason="no falcon; pip install falcon")

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import falcon  # noqa: E402
import falcon.asgi  # noqa: E402
import falcon.inspect  # noqa: E402
import falcon.testing  # noqa: E402
from asgi_servers import Shop, running, uvicorn, wait_until_up  # noqa: E402
from wsgi_servers import gunicorn  # noqa: E402

import tocsin  # noqa: E402
from how_to import unpack  # noqa: E402
from tocsin.testing import Captured, captured_events  # noqa: E402

HAS_REPORTER = hasattr(falcon.App, "set_error_reporter")
needs_reporter = pytest.mark.skipif(not HAS_REPORTER, reason="Falcon before 4.4 tells nobody what its handlers took")


class OutOfStock(Exception):
    """What a handler of the tests takes."""


@pytest.fixture
def events() -> Iterator[Captured]:
    with captured_events(logs=True) as captured:
        yield captured
        gc.collect()  # a task that Falcon's ASGI test client leaves of a stream that breaks says so now, not later


@pytest.fixture(params=["wsgi", "asgi"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "asgi")


View = Callable[[Any, Any], Any]
Prepare = Callable[[Any], None]


def fail(req: Any, resp: Any) -> None:
    raise ValueError("no such order")


def bare(is_async: bool, view: View = fail, **more: Any) -> Any:
    """Return an application with one resource at /order/{number}."""

    class Order:
        def on_get(self, req: Any, resp: Any, number: str) -> None:
            view(req, resp)

    class AsyncOrder:
        async def on_get(self, req: Any, resp: Any, number: str) -> None:
            view(req, resp)

    app = falcon.asgi.App(**more) if is_async else falcon.App(**more)
    app.add_route("/order/{number}", AsyncOrder() if is_async else Order())
    return app


def either(is_async: bool, function: Callable[..., None]) -> Any:
    """Return a handler or hook as the interface wants it."""

    async def awaited(*arguments: Any) -> None:
        function(*arguments)

    def plain(req: Any, resp: Any, ex: Any, params: Any) -> None:
        function(req, resp, ex, params)

    async def awaited_handler(req: Any, resp: Any, ex: Any, params: Any) -> None:
        function(req, resp, ex, params)

    return (awaited_handler if is_async else plain) if function.__code__.co_argcount == 4 else awaited


def ask(app: Any, path: str = "/order/7", **more: Any) -> Any:
    return falcon.testing.TestClient(app).simulate_get(path, **more)


def error_ids(answer: Any) -> list[str]:
    return [value for name, value in answer.headers.items() if name.lower() == "x-error-id"]


def test_what_a_responder_raises_is_reported_once_and_answered_by_our_page(events: Captured, is_async: bool) -> None:
    answer = ask(tocsin.install(bare(is_async)), query_string="token=secret")
    event = events.assert_one(ValueError, kind="traceback")
    assert len(events) == 1
    assert answer.status_code == 500
    assert error_ids(answer) == [event.error_id]
    assert event.error_id in answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert event.request.route == "/order/{number}"
    assert event.request.endpoint == f"{__name__}.bare.<locals>.{'Async' * is_async}Order.on_get"
    assert event.request.query == "token=[masked: token]"


def test_our_page_is_what_the_client_accepts(events: Captured) -> None:
    """(Falcon's ASGI test client gives headers as an iterator, which Falcon has used up by then.)"""
    answer = ask(tocsin.install(bare(False)), headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == 500


def test_answers_are_the_same_as_without(events: Captured, is_async: bool) -> None:
    def view(req: Any, resp: Any) -> None:
        resp.media = {"number": 7}

    bare_answer, answer = ask(bare(is_async, view)), ask(tocsin.install(bare(is_async, view)))
    assert (answer.status, answer.headers, answer.content) == (
        bare_answer.status, bare_answer.headers, bare_answer.content,
    )  # fmt: skip


def test_record_logged_in_a_responder_names_its_request(events: Captured, is_async: bool) -> None:
    def view(req: Any, resp: Any) -> None:
        try:
            raise ValueError("no such order")
        except ValueError:
            logging.getLogger("shop").exception("order failed")
            raise

    answer = ask(tocsin.install(bare(is_async, view)))
    assert [event.request.route for event in events] == ["/order/{number}"]
    assert error_ids(answer) == [events[0].error_id]


def test_record_logged_after_a_request_names_none(events: Captured, is_async: bool) -> None:
    ask(tocsin.install(bare(is_async)))
    events.clear()
    logging.getLogger("shop").error("afterwards")
    assert events.assert_one(kind="error").request is None


@pytest.mark.parametrize("is_early", [True, False])
@pytest.mark.parametrize("cls", [OutOfStock, Exception])
@pytest.mark.parametrize("status", [409, 500, 503])
@needs_reporter
def test_handler_of_the_application_keeps_its_answer(
    events: Captured, is_async: bool, is_early: bool, cls: type[Exception], status: int
) -> None:
    """Registered before or after installing; it decides by the status whether the exception was a fault."""

    def view(req: Any, resp: Any) -> None:
        raise OutOfStock("none left")

    def sorry(req: Any, resp: Any, ex: Any, params: Any) -> None:
        resp.status = status
        resp.text = "our own words"

    app = bare(is_async, view)
    if not is_early:
        tocsin.install(app)
    app.add_error_handler(cls, either(is_async, sorry))
    answer = ask(tocsin.install(app))
    assert (answer.status_code, answer.text) == (status, "our own words")
    if status == 409:
        events.assert_none()
        assert error_ids(answer) == []
    else:
        event = events.assert_one(OutOfStock, kind="traceback")
        assert error_ids(answer) == [event.error_id]
        assert len(events) == 1


@pytest.mark.parametrize(("status", "kinds"), [("404", []), ("400", ["warning"])])
def test_handler_that_raises_an_answer_makes_it_no_fault(
    events: Captured, is_async: bool, status: str, kinds: list[str]
) -> None:
    """As in validation: a 4xx is not the application's failure."""

    def view(req: Any, resp: Any) -> None:
        raise OutOfStock("none left")

    def sorry(req: Any, resp: Any, ex: Any, params: Any) -> None:
        raise falcon.HTTPError(falcon.code_to_http_status(int(status)))

    app = tocsin.install(bare(is_async, view))
    app.add_error_handler(OutOfStock, either(is_async, sorry))
    assert ask(app).status_code == int(status)
    assert [event.kind for event in events] == kinds


@pytest.mark.parametrize("cls", [ValueError, Exception])
def test_handler_of_the_application_can_show_the_error_id(
    events: Captured, is_async: bool, cls: type[Exception]
) -> None:
    """Whatever the version."""

    def sorry(req: Any, resp: Any, ex: Any, params: Any) -> None:
        resp.status = 500
        resp.text = tocsin.report(ex)

    app = tocsin.install(bare(is_async))
    app.add_error_handler(cls, either(is_async, sorry))
    answer = ask(app)
    assert [event.error_id for event in events] == [answer.text] == error_ids(answer)


@needs_reporter
def test_handler_that_fails_is_reported_and_leaves(events: Captured, is_async: bool) -> None:
    def broken(req: Any, resp: Any, ex: Any, params: Any) -> None:
        raise LookupError("in the handler")

    app = tocsin.install(bare(is_async))
    app.add_error_handler(ValueError, either(is_async, broken))
    with pytest.raises(LookupError):
        ask(app)
    assert events.assert_one(LookupError).request is not None
    events.clear()
    logging.getLogger("shop").error("afterwards")
    assert events.assert_one(kind="error").request is None


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (falcon.HTTPNotFound(), []), (falcon.HTTPForbidden(), []), (falcon.HTTPMovedPermanently("/"), []),
        (falcon.HTTPBadRequest(), ["warning"]), (falcon.HTTPStatus(400), ["warning"]),
        (falcon.HTTPInternalServerError(title="ours"), ["error"]), (falcon.HTTPServiceUnavailable(), []),
    ],
)  # fmt: skip
def test_errors_and_statuses_are_answers(events: Captured, is_async: bool, answer: Any, kinds: list[str]) -> None:
    def view(req: Any, resp: Any) -> None:
        raise answer

    plain, found = ask(bare(is_async, view)), ask(tocsin.install(bare(is_async, view)))
    assert [event.kind for event in events] == kinds
    assert [event.request.route for event in events] == ["/order/{number}"] * len(kinds)
    assert (found.status, found.content) == (plain.status, plain.content)
    assert len(error_ids(found)) == (kinds == ["error"])


def test_unknown_path_and_method_are_nothing(events: Captured, is_async: bool) -> None:
    app = tocsin.install(bare(is_async))
    assert ask(app, "/nowhere").status_code == 404
    assert falcon.testing.TestClient(app).simulate_post("/order/7").status_code == 405
    events.assert_none()


@pytest.mark.parametrize("hook", ["process_request", "process_resource", "process_response"])
@pytest.mark.parametrize("is_early", [True, False])
@pytest.mark.parametrize("is_independent", [True, False])
def test_middleware_that_fails_is_reported_and_answered(
    events: Captured, is_async: bool, hook: str, is_early: bool, is_independent: bool
) -> None:
    def broken(self: Any, *arguments: Any) -> None:
        raise LookupError("in the middleware")

    async def awaited(self: Any, *arguments: Any) -> None:
        raise LookupError("in the middleware")

    middleware = type("Broken", (), {hook: awaited if is_async else broken})()
    more = {"independent_middleware": is_independent} | ({"middleware": [middleware]} if is_early else {})
    app = tocsin.install(bare(is_async, lambda req, resp: None, **more))
    if not is_early:
        app.add_middleware(middleware)
    answer = ask(app)
    event = events.assert_one(LookupError, kind="traceback")
    assert (answer.status_code, error_ids(answer)) == (500, [event.error_id])
    assert len(events) == 1


@needs_reporter
@pytest.mark.parametrize("is_late", [True, False])
def test_handler_of_the_application_answers_what_ours_did_not_see(
    events: Captured, is_async: bool, is_late: bool
) -> None:
    """A middleware that stands before ours, or an answer that can't be rendered, behind it."""

    class Before:
        def process_request(self, req: Any, resp: Any) -> None:
            if not is_late:
                raise TypeError("in the middleware")

        async def process_request_async(self, req: Any, resp: Any) -> None:
            self.process_request(req, resp)

    def view(req: Any, resp: Any) -> None:
        resp.media = object()

    def sorry(req: Any, resp: Any, ex: Any, params: Any) -> None:
        resp.status = 503
        resp.text = "our own words"

    app = tocsin.install(bare(is_async, view, middleware=[Before()]))
    app.add_error_handler(TypeError, either(is_async, sorry))
    answer = ask(app)
    assert (answer.status_code, answer.text) == (503, "" if is_late else "our own words")  # Falcon sends no body then
    assert error_ids(answer) == [events.assert_one(TypeError, kind="traceback").error_id]


def test_value_that_cannot_be_rendered_is_reported(events: Captured, is_async: bool) -> None:
    def view(req: Any, resp: Any) -> None:
        resp.media = object()

    answer = ask(tocsin.install(bare(is_async, view)))
    event = events.assert_one(TypeError)
    assert error_ids(answer) == [event.error_id]
    assert event.request.route == "/order/{number}"


def test_our_page_keeps_what_the_answer_varies_by(events: Captured, is_async: bool) -> None:
    def view(req: Any, resp: Any) -> None:
        resp.append_header("Vary", "Origin")
        raise ValueError("no such order")

    assert ask(tocsin.install(bare(is_async, view))).headers["Vary"] == "Origin, Accept"


def test_stream_that_breaks_is_reported_with_its_request(events: Captured, is_async: bool) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"first"
        logging.getLogger("shop").warning("half way")
        raise ValueError("in the stream")

    async def later_chunks() -> AsyncIterator[bytes]:
        yield b"first"
        logging.getLogger("shop").warning("half way")
        raise ValueError("in the stream")

    def view(req: Any, resp: Any) -> None:
        resp.stream = later_chunks() if is_async else chunks()

    with pytest.raises(ValueError, match="in the stream"):
        ask(tocsin.install(bare(is_async, view)))
    assert [(event.kind, event.request.route) for event in events] == [
        ("warning", "/order/{number}"),
        ("traceback", "/order/{number}"),
    ]


def test_stream_that_is_whole_passes(events: Captured, is_async: bool) -> None:
    closed: list[bool] = []

    def chunks() -> Iterator[bytes]:
        try:
            yield from (b"first ", b"second")
        finally:
            closed.append(True)

    async def later_chunks() -> AsyncIterator[bytes]:
        for chunk in chunks():
            yield chunk

    def view(req: Any, resp: Any) -> None:
        resp.stream = later_chunks() if is_async else chunks()

    assert ask(tocsin.install(bare(is_async, view))).text == "first second"
    assert closed == [True]
    events.assert_none()


def test_stream_that_is_given_up_is_closed(events: Captured) -> None:
    """At once, not when it is collected; so it goes when a client leaves."""
    closed: list[bool] = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            yield b"second"
        finally:
            closed.append(True)

    class Outside:
        async def process_response(self, req: Any, resp: Any, resource: Any, req_succeeded: bool) -> None:
            kept.append(resp.stream)  # the reference that somebody holds
            await resp.stream.__anext__()
            await resp.stream.aclose()
            assert closed == [True]
            resp.stream = None

    kept: list[Any] = []
    source = chunks()

    def view(req: Any, resp: Any) -> None:
        resp.stream = source

    assert ask(tocsin.install(bare(True, view, middleware=[Outside()]))).status_code == 200
    assert kept and kept[0] is not source
    events.assert_none()


@needs_reporter
def test_reporter_of_the_application_is_told_as_ever(events: Captured, is_async: bool) -> None:
    told: list[tuple[str, bool]] = []
    app = bare(is_async)
    app.set_error_reporter(lambda req, error, params, handled: told.append((type(error).__name__, handled)))
    ask(tocsin.install(app))
    assert told == [("ValueError", True)]
    assert len(events) == 1


def test_outer_layer_and_application_report_once(events: Captured, is_async: bool) -> None:
    app = tocsin.install(bare(is_async))
    reporter = events.reporter
    answer = ask(reporter.asgi(app) if is_async else reporter.wsgi(app))
    assert len(events) == 1
    assert error_ids(answer) == [events[0].error_id]


# -- websockets ------------------------------------------------------------------------------------------------------


class Chat:
    """A websocket that breaks when it is told to."""

    async def on_websocket(self, req: Any, ws: Any, name: str) -> None:
        await ws.accept()
        while True:
            try:
                word = await ws.receive_text()
            except falcon.WebSocketDisconnected:
                logging.getLogger("shop").exception("gone")  # as no fault
                raise
            if word == "break":
                raise ValueError("chat")


async def _talk(app: Any, word: str | None) -> int:
    async with falcon.testing.ASGIConductor(app) as conductor, conductor.simulate_ws("/chat/room") as ws:
        if word is None:
            await ws.close()
            return 0
        await ws.send_text(word)
        with pytest.raises(falcon.WebSocketDisconnected) as end:
            await ws.receive_text()
        return int(end.value.code or 0)


def test_websocket_that_breaks_is_reported_and_closed_as_ever(events: Captured) -> None:
    def chat() -> Any:
        app = falcon.asgi.App()
        app.add_route("/chat/{name}", Chat())
        return app

    code = falcon.async_to_sync(_talk, chat(), "break")
    events.clear()
    assert falcon.async_to_sync(_talk, tocsin.install(chat()), "break") == code
    event = events.assert_one(ValueError, kind="traceback")
    assert len(events) == 1
    assert (event.request.route, event.request.scheme) == ("/chat/{name}", "ws")
    events.clear()
    falcon.async_to_sync(_talk, tocsin.install(chat()), None)
    events.assert_none()


# -- installing ------------------------------------------------------------------------------------------------------


def test_installing_twice_is_harmless(events: Captured, is_async: bool) -> None:
    app = bare(is_async)
    assert tocsin.install(tocsin.install(app)) is app
    ask(app)
    assert len(events) == 1


def test_application_can_be_inspected(events: Captured, is_async: bool) -> None:
    assert "tocsin" not in str(falcon.inspect.inspect_app(bare(is_async)))
    assert "/order/{number}" in falcon.inspect.inspect_app(tocsin.install(bare(is_async))).to_string()


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_connected(mode: str, is_async: bool) -> None:
    with captured_events(mode=mode):
        app = tocsin.install(bare(is_async))
        assert not falcon.inspect.inspect_middleware(app).middleware_classes
        assert all(handler.internal for handler in falcon.inspect.inspect_error_handlers(app))


# -- the manual ------------------------------------------------------------------------------------------------------


def waitress(app: str, port: int) -> list[str]:
    return [sys.executable, "-m", "waitress", f"--listen=127.0.0.1:{port}", app]


def by_gunicorn(app: str, port: int) -> list[str]:
    return gunicorn()(app.partition(":")[0], port)


@pytest.mark.parametrize(
    ("server", "needed", "app"),
    [
        (waitress, "waitress", "shop"),
        (by_gunicorn, "gunicorn", "shop"),
        (uvicorn, "uvicorn", "shop_asgi"),
    ],
)
def test_application_of_the_manual_works_as_it_says(tmp_path: Path, server: Any, needed: str, app: str) -> None:
    pytest.importorskip(needed, reason=f"no {needed}; pip install {needed}")
    unpack("falcon.md", tmp_path)
    with running(server, f"{app}:app", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        shop = Shop(port, tmp_path / "events.jsonl")
        assert shop.ask("/orders/4").body == b'{"number": 4, "total": 25.0}'
        answer = shop.ask("/orders/0")
        [event] = shop.of_path("/orders/0")
        assert answer.error_ids == [event["error_id"]]
        assert event["request"]["route"] == "/orders/{number:int}"
        assert event["request"]["endpoint"] == f"{app}.Order.on_get"
        assert shop.ask("/nothing").status.startswith("404")
        assert len(shop.events(1)) == 1
