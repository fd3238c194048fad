"""Bottle with its error handlers, streams and mounts, in process and on waitress; the page's own application."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

bottle = pytest.importorskip("bottle", reason="no bottle; pip install bottle")
pytest.importorskip("webtest", reason="no webtest; pip install webtest")

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from asgi_servers import Shop, running, wait_until_up  # noqa: E402
from webtest import TestApp  # noqa: E402
from wsgi_servers import gunicorn  # noqa: E402

import tocsin  # noqa: E402
from how_to import unpack  # noqa: E402
from tocsin.event.errors import ConfigError  # noqa: E402
from tocsin.testing import Captured, captured_events  # noqa: E402


@pytest.fixture
def events() -> Iterator[Captured]:
    with captured_events(logs=True) as captured:
        yield captured


def make() -> Any:
    """Return an application with a route for each way to break; not installed yet."""
    app = bottle.Bottle()

    @app.get("/order/<number:int>")
    def order(number: int) -> str:
        raise ValueError("no such order")

    @app.get("/logged")
    def logged() -> str:
        try:
            raise ValueError("no such order")
        except ValueError:
            logging.getLogger("shop").exception("order failed")
            raise

    @app.get("/unstarted")
    def unstarted() -> Iterator[bytes]:
        raise ValueError("before the first chunk")
        yield b""

    @app.get("/stream")
    def stream() -> Iterator[bytes]:
        yield b"first"
        raise ValueError("in the stream")

    @app.get("/strange")
    def strange() -> Any:
        return [{"not": "text"}]

    @app.get("/aborts/<status:int>")
    def aborts(status: int) -> None:
        bottle.abort(status, "The stock is being counted.")

    @app.get("/answers/<status:int>")
    def answers(status: int) -> None:
        raise bottle.HTTPResponse("by HTTPResponse", status)

    @app.get("/redirects")
    def redirects() -> None:
        bottle.redirect("/elsewhere")

    return app


def installed(app: Any = None) -> TestApp:
    app = app or make()
    assert tocsin.install(app) is app
    return TestApp(app)


def ask(app: TestApp, path: str, **more: Any) -> Any:
    return app.get(path, expect_errors=True, **more)  # Bottle writes the traceback to wsgi.errors


def test_what_a_route_raises_is_reported_once_and_answered_by_our_page(events: Captured) -> None:
    answer = ask(installed(), "/order/7?token=secret")
    event = events.assert_one(ValueError, kind="traceback")
    assert len(events) == 1
    assert answer.status == "500 Internal Server Error"
    assert answer.headers.getall("X-Error-Id") == [event.error_id]
    assert event.error_id in answer.text
    assert answer.content_length == len(answer.body)
    assert event.request.route == "/order/<number:int>"
    assert event.request.endpoint == f"{__name__}.make.<locals>.order"
    assert event.request.query == "token=[masked: token]"


def test_our_page_is_what_the_client_accepts(events: Captured) -> None:
    answer = ask(installed(), "/order/7", headers={"Accept": "application/json"})
    assert answer.content_type == "application/problem+json"
    head = installed().head("/order/7", expect_errors=True)
    assert (head.status_int, head.body) == (500, b"")


def test_record_logged_in_a_route_names_its_request_and_shares_the_error_id(events: Captured) -> None:
    answer = ask(installed(), "/logged")
    assert [event.request.route for event in events] == ["/logged"]
    assert answer.headers["X-Error-Id"] == events[0].error_id


@pytest.mark.parametrize("is_early", [True, False])
@pytest.mark.parametrize("path", ["/order/7", "/unstarted"])
def test_error_handler_of_the_application_stays(events: Captured, path: str, is_early: bool) -> None:
    """Whether it comes before or after installing, and after the first request."""
    app = make()
    client = None if is_early else installed(app)
    if client is not None:
        ask(client, path)
        events.clear()
    app.error(500)(lambda error: f"our own words: {bottle.request.environ['tocsin.error_id']}")
    answer = ask(client or installed(app), path)
    event = events.assert_one(ValueError, kind="traceback")
    assert answer.text == f"our own words: {event.error_id}"
    assert answer.headers.getall("X-Error-Id") == [event.error_id]
    assert len(events) == 1


def test_error_handler_that_fails_is_reported(events: Captured) -> None:
    app = make()

    @app.error(500)
    def sorry(error: Any) -> str:
        raise LookupError("no template")

    answer = ask(installed(app), "/order/7")
    events.assert_one(LookupError)
    assert "X-Error-Id" in answer.headers


def test_generator_that_fails_at_once_is_reported_and_answered(events: Captured) -> None:
    """Bottle peeks into it, and puts what it raises into an HTTPError that goes only to the error handler."""
    answer = ask(installed(), "/unstarted")
    event = events.assert_one(ValueError, kind="traceback")
    assert answer.headers["X-Error-Id"] == event.error_id
    assert event.request.route == "/unstarted"


def test_generator_that_breaks_later_is_reported(events: Captured) -> None:
    with pytest.raises(ValueError, match="in the stream"):
        ask(installed(), "/stream")
    assert events.assert_one(ValueError).request.route == "/stream"


def test_value_that_bottle_cannot_send_is_an_error(events: Captured) -> None:
    answer = ask(installed(), "/strange")
    assert answer.headers["X-Error-Id"] == events.assert_one(kind="error").error_id


@pytest.mark.parametrize("hook", ["before_request", "after_request"])
def test_hook_that_fails_is_reported(events: Captured, hook: str) -> None:
    app = make()
    app.add_hook(hook, lambda: {}["missing"])
    answer = ask(installed(app), "/redirects")
    assert answer.headers["X-Error-Id"] == events.assert_one(KeyError).error_id


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        ("/aborts/404", []), ("/aborts/400", ["warning"]), ("/aborts/500", ["error"]),
        ("/answers/404", []), ("/answers/400", ["warning"]), ("/answers/500", ["error"]),
        ("/redirects", []), ("/nowhere", []),
    ],
)  # fmt: skip
def test_answers_that_are_raised_are_no_faults_and_keep_their_words(
    events: Captured, path: str, kinds: list[str]
) -> None:
    bare, answer = ask(TestApp(make()), path), ask(installed(), path)
    assert [event.kind for event in events] == kinds
    assert answer.body == bare.body
    assert ("X-Error-Id" in answer.headers) == (kinds == ["error"])


def test_exception_that_an_error_carries_is_a_fault(events: Captured) -> None:
    app = make()

    @app.get("/carries")
    def carries() -> None:
        raise bottle.HTTPError(500, "ours", exception=ValueError("carried"))

    plain = ask(TestApp(app), "/carries")
    answer = ask(installed(app), "/carries")
    event = events.assert_one(ValueError)
    assert event.exception.message == "carried"
    assert (answer.body, answer.headers["X-Error-Id"]) == (plain.body, event.error_id)


def test_application_that_catches_nothing_lets_the_exception_leave(events: Captured) -> None:
    app = make()
    app.catchall = False
    with pytest.raises(ValueError, match="no such order"):
        ask(installed(app), "/order/7")
    events.assert_one(ValueError)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("prefix", ["/mounted/", "/mounted"])
def test_mounted_application_is_reported_by_the_outer_one(events: Captured, prefix: str) -> None:
    """As a Bottle whose routes are taken over, and as a WSGI application."""
    outer = bottle.Bottle()
    outer.mount(prefix, make())
    answer = ask(installed(outer), "/mounted/order/7")
    event = events.assert_one(ValueError)
    assert answer.headers.getall("X-Error-Id") == [event.error_id]
    assert event.request.path.endswith("/mounted/order/7")  # a mount of WSGI leaves a second slash before it


def test_default_application_is_an_application(events: Captured) -> None:
    with bottle.Bottle() as app:
        bottle.route("/order")(lambda: 1 / 0)
        assert bottle.default_app() is app
        answer = ask(installed(bottle.default_app()), "/order")
    assert answer.headers["X-Error-Id"] == events.assert_one(ZeroDivisionError).error_id


def test_traceback_that_bottle_writes_and_its_debug_page_stay(
    events: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bottle, "DEBUG", True)
    answer = ask(installed(), "/order/7")
    assert "Traceback" in answer.text
    assert "ValueError: no such order" in answer.errors
    assert answer.headers["X-Error-Id"] == events.assert_one(ValueError).error_id


# -- installing ------------------------------------------------------------------------------------------------------


def test_installing_twice_is_harmless(events: Captured) -> None:
    app = make()
    tocsin.install(app)
    ask(installed(app), "/order/7")
    assert len(events) == 1


def test_taken_wsgi_is_refused_with_what_to_write(events: Captured) -> None:
    app = make()
    app.wsgi = app.wsgi
    with pytest.raises(ConfigError, match=r"reporter\.wsgi\(app\)"):
        tocsin.install(app)


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_connected(mode: str) -> None:
    with captured_events(mode=mode):
        app = make()
        ask(installed(app), "/order/7")
        assert "wsgi" not in app.__dict__
        assert 500 not in app.error_handler


def test_debugger_sees_the_exception() -> None:
    pytest.importorskip("werkzeug", reason="no werkzeug; pip install werkzeug")
    with captured_events(mode="debug", debugger=True):
        app = make()
        tocsin.install(app)
        tocsin.install(app)
        assert "Werkzeug" in ask(TestApp(app, {"REMOTE_ADDR": "127.0.0.1"}), "/order/7").text


# -- the manual ------------------------------------------------------------------------------------------------------


def waitress(app: str, port: int) -> list[str]:
    return [sys.executable, "-m", "waitress", f"--listen=127.0.0.1:{port}", app]


@pytest.mark.parametrize("server", ["waitress", "gunicorn"])
def test_application_of_the_manual_works_as_it_says(tmp_path: Path, server: str) -> None:
    pytest.importorskip(server, reason=f"no {server}; pip install {server}")
    unpack("bottle.md", tmp_path)
    command = waitress if server == "waitress" else lambda app, port: gunicorn()(app.partition(":")[0], port)
    with running(command, "shop:app", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        shop = Shop(port, tmp_path / "events.jsonl")
        assert shop.ask("/orders/4").body == b'{"number": 4, "total": 25.0}'
        answer = shop.ask("/orders/0")
        [event] = shop.of_path("/orders/0")
        assert answer.error_ids == [event["error_id"]]
        assert (event["request"]["route"], event["request"]["endpoint"]) == ("/orders/<number:int>", "shop.order")
        assert shop.ask("/nothing").status.startswith("404")
        assert len(shop.events(1)) == 1
