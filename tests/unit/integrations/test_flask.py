"""The Flask integration: what Flask turns into an answer itself, seen through its signals."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.test import EnvironBuilder

from recording_intake import RecordingIntake
from tocsin.event.errors import ConfigError
from tocsin.integrations import install
from tocsin.testing import captured_events

DEFAULT = "Internal Server Error"


def make(**config: Any) -> flask.Flask:
    """Return a small application with a view for each way to break."""
    app = flask.Flask("shop")
    app.config.update(config)
    app.logger.setLevel(logging.CRITICAL)  # what Flask logs is not looked at here
    blueprint = flask.Blueprint("orders", "orders", url_prefix="/orders")

    @app.get("/fine")
    def fine() -> str:
        return "fine"

    @app.get("/order/<int:number>")
    def order(number: int) -> str:
        raise ValueError("no such order")

    @blueprint.get("/<name>")
    def named(name: str) -> str:
        raise LookupError(name)

    @app.get("/async")
    async def waiting() -> str:
        await asyncio.sleep(0)
        raise ValueError("after waiting")

    @app.get("/stream")
    def stream() -> flask.Response:
        def chunks() -> Iterator[str]:
            yield flask.request.args.get("first", "")
            raise ValueError("in the stream")

        return flask.Response(flask.stream_with_context(chunks()), mimetype="text/plain")

    @app.get("/aborts")
    def aborts() -> None:
        flask.abort(500)

    @app.get("/aborts-with-words")
    def aborts_with_words() -> None:
        flask.abort(500, "The stock is being counted.")

    @app.get("/maintenance")
    def maintenance() -> tuple[str, int]:
        return "back soon", 503

    @app.post("/form")
    def form() -> str:
        return flask.request.form["quantity"]

    app.register_blueprint(blueprint)
    return app


def installed(app: flask.Flask, **more: Any) -> tuple[Any, RecordingIntake]:
    intake = RecordingIntake(**more)
    assert install(app, intake) is app  # type: ignore[arg-type]
    return app.test_client(), intake


def page(intake: RecordingIntake, answer: Any) -> bytes:
    return intake.page({}, answer.headers["X-Error-Id"])[2]


def test_uncaught_exception_becomes_our_page_with_its_id() -> None:
    client, intake = installed(make())
    answer = client.get("/order/7")
    assert answer.status == "500 INTERNAL SERVER ERROR"
    assert answer.headers.getlist("X-Error-Id") == intake.told("exception", "id")
    assert answer.data == page(intake, answer)
    assert answer.content_length == len(answer.data)
    assert answer.content_type == "text/plain; charset=utf-8"


def test_our_page_keeps_what_the_answer_varies_by() -> None:
    app = make()

    @app.after_request
    def varied(response: flask.Response) -> flask.Response:
        response.headers["Vary"] = "Origin"
        return response

    with captured_events() as events:
        answer = events.reporter.install(app).test_client().get("/order/7")
    assert answer.headers["Vary"] == "Origin, Accept"
    assert answer.headers["X-Error-Id"] in answer.text


def test_report_names_route_template_and_endpoint() -> None:
    client, intake = installed(make())
    client.get("/order/7")
    client.get("/orders/seven")
    assert intake.told("exception", "route") == ["/order/<int:number>", "/orders/<name>"]
    assert intake.told("exception", "endpoint") == ["order", "orders.named"]
    assert intake.told("exception", "via") == ["flask", "flask"]


def test_failure_in_an_earlier_hook_still_names_the_route() -> None:
    app = make()
    app.before_request(fail)
    client, intake = installed(app)
    client.get("/orders/seven")
    assert intake.told("exception", "route") == ["/orders/<name>"]


def test_teardown_failure_still_names_the_route() -> None:
    """Flask has taken its request out of environ by then."""
    app = make()
    app.teardown_request(fail)
    client, intake = installed(app)
    client.get("/fine")
    assert intake.told("exception", "route") == ["/fine"]


def test_flask_announces_its_exception_itself() -> None:
    client, intake = installed(make())
    client.get("/order/7")
    assert intake.told("announce") == []


def test_async_view_is_reported_once() -> None:
    app = make()
    app.async_to_sync = lambda view: lambda **values: asyncio.run(view(**values))  # type: ignore[method-assign]
    client, intake = installed(app)
    assert client.get("/async").status_code == 500
    assert intake.told("exception") == ["ValueError"]


@pytest.mark.parametrize("key", [500, Exception, HTTPException])
def test_custom_error_page_stays_and_carries_the_id(key: Any) -> None:
    app = make()
    app.register_error_handler(key, lambda error: ("our own words", 500))
    client, intake = installed(app)
    answer = client.get("/order/7")
    assert answer.data == b"our own words"
    assert len(answer.headers.getlist("X-Error-Id")) == 1
    assert len(intake.told("exception") + intake.told("answer")) == 1


@pytest.mark.parametrize("path", ["/aborts", "/order/7"])
def test_default_page_on_head_keeps_its_length_and_sends_no_body(path: str) -> None:
    client, intake = installed(make())
    answer = client.head(path)
    assert answer.data == b""
    assert answer.content_length == len(page(intake, answer))


def test_abort_500_is_one_error_and_gets_our_page() -> None:
    client, intake = installed(make())
    answer = client.get("/aborts")
    assert intake.told("answer", "status") == ["500 INTERNAL SERVER ERROR"]
    assert intake.told("answer", "route") == ["/aborts"]
    assert answer.data == page(intake, answer)


def test_abort_500_after_a_reported_error_carries_that_id() -> None:
    """The log call is the event; its id is in environ when the answer leaves."""
    app = make()
    app.before_request(lambda: flask.request.environ.update({"tocsin.error_id": "7K3QDM-0042"}))
    client, intake = installed(app)
    answer = client.get("/aborts")
    assert answer.headers["X-Error-Id"] == "7K3QDM-0042"
    assert b"7K3QDM-0042" in answer.data
    assert intake.events == []


def test_abort_500_with_words_keeps_them() -> None:
    client, _ = installed(make())
    answer = client.get("/aborts-with-words")
    assert b"The stock is being counted." in answer.data
    assert "X-Error-Id" in answer.headers


def test_other_server_error_is_left_alone() -> None:
    client, intake = installed(make())
    answer = client.get("/maintenance")
    assert answer.data == b"back soon"
    assert "X-Error-Id" not in answer.headers
    assert intake.events == []


def test_missing_form_key_is_a_warning_with_its_route() -> None:
    client, intake = installed(make())
    answer = client.post("/form", data={})
    assert answer.status_code == 400
    assert "X-Error-Id" not in answer.headers
    assert intake.told("answer", "status") == ["400 BAD REQUEST"]
    assert intake.told("answer", "route") == ["/form"]


def test_not_found_is_no_report() -> None:
    client, intake = installed(make())
    assert client.get("/nowhere").status_code == 404
    assert intake.events == []


def test_untrusted_host_is_counted_and_no_warning() -> None:
    client, intake = installed(make(TRUSTED_HOSTS=["shop.example.org"]))
    assert client.get("/fine", headers={"Host": "evil.example.net"}).status_code == 400
    assert intake.told("counted") == ["SecurityError"]
    assert intake.told("answer") == []
    assert client.get("/fine", headers={"Host": "shop.example.org"}).status_code == 200


def test_bad_request_from_a_trusted_host_is_still_a_warning() -> None:
    client, intake = installed(make(TRUSTED_HOSTS=["shop.example.org"]))
    client.post("/form", data={}, headers={"Host": "shop.example.org"})
    assert intake.told("answer", "status") == ["400 BAD REQUEST"]
    assert intake.told("counted") == []


@pytest.mark.parametrize("config", [{"TESTING": True}, {"PROPAGATE_EXCEPTIONS": True}])
def test_exception_propagates_where_flask_lets_it_and_is_reported_once(config: dict[str, bool]) -> None:
    client, intake = installed(make(**config))
    with pytest.raises(ValueError, match="no such order"):
        client.get("/order/7")
    assert intake.told("exception") == ["ValueError"]
    assert len(intake.told("announce")) == 1


def test_stream_that_fails_before_its_first_chunk_gets_the_page() -> None:
    client, intake = installed(make())
    answer = client.get("/stream")
    assert answer.status_code == 500
    assert answer.data == page(intake, answer)
    assert intake.told("exception", "route") == ["/stream"]


def test_stream_that_fails_later_is_reported_and_raised() -> None:
    client, intake = installed(make())
    with pytest.raises(ValueError, match="in the stream"):
        client.get("/stream?first=part", buffered=True)
    assert intake.told("exception") == ["ValueError"]


def fail(*args: Any) -> Any:
    raise LookupError("in a hook")


@pytest.mark.parametrize("hook", ["before_request", "after_request", "teardown_request", "teardown_appcontext"])
def test_failing_hook_is_reported_once_and_answered_with_an_id(hook: str) -> None:
    app = make()
    getattr(app, hook)(fail)
    client, intake = installed(app)
    answer = client.get("/fine")
    assert answer.status_code == 500
    assert intake.told("exception") == ["LookupError"]
    assert answer.headers["X-Error-Id"] == intake.told("exception", "id")[0]


@pytest.mark.parametrize(("path", "told"), [("/fine", ["LookupError"]), ("/order/7", ["ValueError", "LookupError"])])
def test_hook_that_fails_again_on_the_answer_to_its_failure_is_one_report(path: str, told: list[str]) -> None:
    """Flask runs it for the 500 as well, and logs that; on the answer to another failure it is a fault of its own."""
    with captured_events(logs=True) as events:
        app = make()
        app.logger.setLevel(logging.ERROR)
        app.after_request(fail)
        answer = events.reporter.install(app).test_client().get(path)
    assert answer.status_code == 500
    assert [event.exception.type for event in events] == told


def test_handled_exception_is_no_report() -> None:
    app = make()
    app.register_error_handler(ValueError, lambda error: ("sold out", 409))
    client, intake = installed(app)
    assert client.get("/order/7").status_code == 409
    assert intake.events == []


def test_installing_again_changes_nothing_but_the_intake() -> None:
    app = make()
    client, first = installed(app)
    wsgi_app = app.wsgi_app
    _, second = installed(app)
    assert app.wsgi_app is wsgi_app
    client.get("/order/7")
    assert first.events == []
    assert second.told("exception") == ["ValueError"]


def test_two_applications_report_to_their_own_intakes() -> None:
    (one, of_one), (_, of_two) = installed(make()), installed(make())
    one.get("/order/7")
    assert (len(of_one.told("exception")), len(of_two.told("exception"))) == (1, 0)


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_connected(mode: str) -> None:
    client, intake = installed(make(PROPAGATE_EXCEPTIONS=True), mode=mode)
    with pytest.raises(ValueError, match="no such order"):
        client.get("/order/7")
    assert intake.events == []


def test_subclass_of_flask_is_known() -> None:
    class Shop(flask.Flask):
        pass

    app = Shop("shop")
    client, _ = installed(app)
    assert client.get("/").status_code == 404
    assert "tocsin" in app.extensions


@pytest.mark.complaints
@pytest.mark.parametrize("broken", ["answer", "page"])
def test_failing_intake_leaves_flasks_answer(broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    client, intake = installed(make())
    setattr(intake, broken, lambda *args, **named: 1 / 0)
    answer = client.get("/aborts")
    assert answer.status_code == 500
    assert DEFAULT in answer.text


@pytest.mark.complaints
def test_exception_that_could_not_be_captured_is_told_by_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    client, intake = installed(make())
    intake.exception = lambda *args, **named: 1 / 0  # type: ignore[method-assign]
    assert client.get("/order/7").status_code == 500
    assert intake.told("answer", "route") == ["/order/<int:number>"]


def test_installing_after_the_first_request_is_refused() -> None:
    app = make()
    app.test_client().get("/fine")
    with pytest.raises(ConfigError, match="install before the first one"):
        installed(app)


def test_sent_file_passes_untouched() -> None:
    app = make()
    app.add_url_rule("/file", view_func=lambda: flask.send_file(io.BytesIO(b"data"), mimetype="text/plain"))
    client, _ = installed(app)
    assert client.get("/file").data == b"data"


class Proxy:
    """Foreign middleware put around ``wsgi_app`` after the installation."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


def test_installing_again_behind_foreign_middleware_reports_once() -> None:
    app = make()
    installed(app)
    app.wsgi_app = Proxy(app.wsgi_app)  # type: ignore[method-assign]
    client, intake = installed(app)
    client.get("/stream")
    assert intake.told("exception") == ["ValueError"]


def test_not_found_made_a_500_by_the_application_is_an_error() -> None:
    app = make()
    app.register_error_handler(NotFound, lambda error: ("broken link", 500))
    client, intake = installed(app)
    assert "X-Error-Id" in client.get("/nowhere").headers
    assert intake.told("answer", "status") == ["500 INTERNAL SERVER ERROR"]


def test_debug_mode_with_the_debugger_lets_exceptions_reach_it() -> None:
    """Flask on its own answers a 500 itself, and the debugger would never see the exception."""
    app = flask.Flask("debugged")

    @app.get("/")
    def view() -> str:
        raise LookupError("for the debugger")

    install(app, RecordingIntake(mode="debug", debugger=True))
    environ = EnvironBuilder("/").get_environ() | {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost"}
    body = b"".join(app.wsgi_app(environ, lambda *_: lambda _: None))
    assert b"LookupError" in body
    assert b"Werkzeug" in body


@pytest.mark.parametrize("status", [500, 400])
def test_what_an_errorhandler_of_the_application_makes_a_500_is_reported(status: int) -> None:
    """No signal tells of it, so without a memory only the answer would be seen."""
    app, intake = flask.Flask("shop"), RecordingIntake()

    @app.get("/")
    def view() -> str:
        raise LookupError("taken by the handler")

    @app.errorhandler(Exception)
    def handle(exc: Exception) -> tuple[str, int]:
        return "my own page", status

    install(app, intake)
    answer = app.test_client().get("/")
    assert answer.text == "my own page"
    exceptions = [event["type"] for event in intake.events if event["what"] == "exception"]
    assert exceptions == (["LookupError"] if status == 500 else [])
    assert ("X-Error-Id" in answer.headers) == (status == 500)


def test_flasks_own_log_handler_is_there_as_without_tocsin() -> None:
    root, stand_in = logging.getLogger(), logging.NullHandler()
    stand_in.is_tocsin = True  # type: ignore[attr-defined]
    before, root.handlers[:] = root.handlers[:], [stand_in]
    try:
        app = install(flask.Flask("logging_shop"), RecordingIntake())
        assert app.logger.handlers == [flask.logging.default_handler]
    finally:
        root.handlers[:] = before
