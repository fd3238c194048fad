"""Pyramid with its exception views, tweens and subrequests, in process and on waitress; the page's own application."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Pyramid imports pkg_resources, which says that it is deprecated
    pytest.importorskip("pyramid.config", reason="no pyramid; pip install pyramid")
pytest.importorskip("webtest", reason="no webtest; pip install webtest")

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from asgi_servers import Shop, running, wait_until_up  # noqa: E402
from pyramid.config import Configurator  # noqa: E402
from pyramid.exceptions import ConfigurationError  # noqa: E402
from pyramid.httpexceptions import HTTPBadRequest, HTTPForbidden, HTTPInternalServerError, HTTPNotFound  # noqa: E402
from pyramid.request import Request  # noqa: E402
from pyramid.response import Response  # noqa: E402
from webtest import TestApp  # noqa: E402
from wsgi_servers import gunicorn  # noqa: E402

import tocsin  # noqa: E402
from how_to import unpack  # noqa: E402
from tocsin.event.errors import ConfigError  # noqa: E402
from tocsin.testing import Captured, captured_events  # noqa: E402

View = Callable[[Any], Any]


class OutOfStock(Exception):
    """What an exception view of the tests takes."""


class Root(dict[str, Any]):
    """A tree of resources."""


def fail(request: Any) -> Any:
    raise ValueError("no such order")


@pytest.fixture
def events() -> Iterator[Captured]:
    with captured_events(logs=True) as captured:
        yield captured


def served(view: View = fail, *, prepare: Callable[[Configurator], None] | None = None, **settings: Any) -> TestApp:
    """Return an application with one view at /order/{number}, installed last."""
    with Configurator(settings=settings, root_factory=lambda request: Root()) as config:
        config.add_route("order", "/order/{number}")
        config.add_view(view, route_name="order")
        if prepare is not None:
            prepare(config)
        tocsin.install(config)
    return TestApp(config.make_wsgi_app())


def test_what_a_view_raises_is_reported_once_and_answered_by_our_page(events: Captured) -> None:
    answer = served().get("/order/7?token=secret", status=500)
    event = events.assert_one(ValueError, kind="traceback")
    assert len(events) == 1
    assert answer.headers["X-Error-Id"] == event.error_id
    assert event.error_id in answer.text
    assert (event.request.route, event.request.endpoint) == ("/order/{number}", "order")
    assert event.request.query == "token=[masked: token]"


def test_what_an_exception_was_raised_during_is_told_and_not_that_pyramid_found_no_view_for_it(
    events: Captured,
) -> None:
    def view(request: Any) -> Any:
        try:
            raise KeyError("stock")
        except KeyError:
            raise ValueError("no such order")  # noqa: B904

    served(view).get("/order/7", status=500)
    event = events.assert_one(ValueError)
    assert event.exception.context.type == "KeyError"
    assert event.exception.context.context is None


def test_fields_of_the_block_that_an_exception_left_travel_with_it(events: Captured) -> None:
    def view(request: Any) -> Any:
        with tocsin.context(order_id=7):
            raise ValueError("no such order")

    answer = served(view).get("/order/7", status=500)
    event = events.assert_one(ValueError)
    assert event.fields["order_id"] == 7
    assert event.error_id in answer.text


def test_callbacks_find_the_exception_in_the_request(events: Captured) -> None:
    """As they do behind an exception view."""
    found: list[Any] = []

    def view(request: Any) -> Any:
        request.add_finished_callback(lambda request: found.extend([request.exception, request.exc_info[1]]))
        raise ValueError("no such order")

    served(view).get("/order/7", status=500)
    assert [str(fault) for fault in found] == ["no such order"] * 2


def test_view_found_by_traversal_is_named_by_its_resource(events: Captured) -> None:
    app = served(prepare=lambda config: config.add_view(fail, context=Root, name="edit"))
    app.get("/edit", status=500)
    assert events[0].request.route is None
    assert events[0].request.endpoint.endswith(".Root/edit")


def test_answers_are_the_same_as_without(events: Captured) -> None:
    with Configurator(root_factory=lambda request: Root()) as config:
        config.add_route("order", "/order/{number}")
        config.add_view(lambda request: Response("seven"), route_name="order")
    bare = TestApp(config.make_wsgi_app()).get("/order/7")
    answer = served(lambda request: Response("seven")).get("/order/7")
    assert (answer.status, answer.headerlist, answer.body) == (bare.status, bare.headerlist, bare.body)


def test_record_logged_in_a_view_names_its_request_and_shares_the_error_id(events: Captured) -> None:
    def view(request: Any) -> Any:
        try:
            raise ValueError("no such order")
        except ValueError:
            logging.getLogger("shop").exception("order failed")
            raise

    answer = served(view).get("/order/7", status=500)
    assert [event.request.route for event in events] == ["/order/{number}"]
    assert answer.headers["X-Error-Id"] == events[0].error_id


@pytest.mark.parametrize("status", [409, 500, 503])
def test_exception_view_keeps_its_answer_and_decides_whether_it_was_a_fault(events: Captured, status: int) -> None:
    def view(request: Any) -> Any:
        raise OutOfStock("none left")

    def sorry(fault: Any, request: Any) -> Response:
        return Response("our own words", status)

    app = served(view, prepare=lambda config: config.add_exception_view(sorry, context=OutOfStock))
    answer = app.get("/order/7", status=status)
    assert answer.text == "our own words"
    if status == 409:
        events.assert_none()
        assert "X-Error-Id" not in answer.headers
    else:
        assert answer.headers["X-Error-Id"] == events.assert_one(OutOfStock, kind="traceback").error_id


def test_exception_view_can_show_the_error_id(events: Captured) -> None:
    def sorry(fault: Any, request: Any) -> Response:
        return Response(tocsin.report(fault), 500)

    app = served(prepare=lambda config: config.add_exception_view(sorry, context=ValueError))
    answer = app.get("/order/7", status=500)
    assert [event.error_id for event in events] == [answer.text] == answer.headers.getall("X-Error-Id")


def test_user_is_told_as_the_view_says_and_the_setting_allows() -> None:
    def view(request: Any) -> Any:
        request.environ["tocsin.user"] = 7
        raise ValueError("no such order")

    with captured_events(user_id="full") as captured:
        served(view).get("/order/7", status=500)
        assert captured[0].request.user == "7"


def test_exception_view_that_fails_is_reported(events: Captured) -> None:
    def sorry(fault: Any, request: Any) -> Response:
        raise LookupError("no template")

    app = served(prepare=lambda config: config.add_exception_view(sorry, context=ValueError))
    app.get("/order/7", status=500)
    events.assert_one(LookupError)


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [(HTTPNotFound, []), (HTTPForbidden, []), (HTTPBadRequest, ["warning"]), (HTTPInternalServerError, ["error"])],
)
@pytest.mark.parametrize("is_raised", [True, False])
def test_http_exceptions_are_answers(events: Captured, answer: Any, kinds: list[str], is_raised: bool) -> None:
    """Raised or returned: 400 is a warning, 500 an error without a traceback, the rest nothing."""

    def view(request: Any) -> Any:
        if is_raised:
            raise answer("words of ours")
        return answer("words of ours")

    found = served(view).get("/order/7", status=answer.code)
    assert "words of ours" in found.text
    assert [event.kind for event in events] == kinds
    assert ("X-Error-Id" in found.headers) == (answer.code == 500)


def test_unknown_path_is_nothing(events: Captured) -> None:
    """There is no matched route to ask then."""
    served().get("/nowhere", status=404)
    events.assert_none()


def test_fault_before_routing_is_reported_without_a_route(events: Captured) -> None:
    def early(event: Any) -> None:
        raise ValueError("before routing")

    app = served(prepare=lambda config: config.add_subscriber(early, "pyramid.events.NewRequest"))
    app.get("/order/7", status=500)
    assert events.assert_one(ValueError).request.route is None


def reraising_tween_factory(handler: View, registry: Any) -> View:
    """Make 418 of a ValueError, as a tween may that is added by an application."""

    def tween(request: Any) -> Any:
        try:
            return handler(request)
        except ValueError:
            return Response("from the tween", 418)

    return tween


def marking_tween_factory(handler: View, registry: Any) -> View:
    """Put a header on every answer, those of exception views too."""

    def marking_tween(request: Any) -> Any:
        response = handler(request)
        response.headers["X-Marked"] = "yes"
        return response

    return marking_tween


def test_tweens_of_the_application_stay_around_the_exception_views(events: Captured) -> None:
    def prepare(config: Configurator) -> None:
        config.add_tween(f"{__name__}.marking_tween_factory")
        config.add_exception_view(lambda exc, request: Response("sold out", status=409), context=ValueError)

    answer = served(prepare=prepare).get("/order/7", status=409)
    assert (answer.text, answer.headers["X-Marked"]) == ("sold out", "yes")
    events.assert_none()


def test_what_an_inner_tween_answers_is_no_fault(events: Captured) -> None:
    app = served(prepare=lambda config: config.add_tween(f"{__name__}.reraising_tween_factory"))
    assert app.get("/order/7", status=418).text == "from the tween"
    events.assert_none()


def test_tween_added_after_ours_still_sees_the_exception(events: Captured) -> None:
    """It may roll back a transaction for one, so there it is reported and not answered."""
    with Configurator() as config:
        config.add_route("order", "/order/{number}")
        config.add_view(fail, route_name="order")
        config.include("tocsin.integrations.pyramid")
        config.add_tween(f"{__name__}.reraising_tween_factory")
    assert TestApp(config.make_wsgi_app()).get("/order/7", status=418).text == "from the tween"
    events.assert_one(ValueError)


def test_generator_that_breaks_is_reported_with_its_route(events: Captured) -> None:
    def view(request: Any) -> Response:
        def chunks() -> Iterator[bytes]:
            yield b"first"
            logging.getLogger("shop").warning("half way")
            raise ValueError("in the stream")

        return Response(app_iter=chunks(), content_length=100)

    app = served(view)
    answer = Request.blank("/order/7").send(app.app)
    assert answer.content_length == 100
    with pytest.raises(ValueError, match="in the stream"):
        answer.body
    assert [(event.kind, event.request.route) for event in events] == [
        ("warning", "/order/{number}"),
        ("traceback", "/order/{number}"),
    ]


def test_subrequest_is_for_the_view_that_made_it(events: Captured) -> None:
    """What it raises reaches the view, through all tweens too; what the view lets pass is one event, of its request."""

    def outer(request: Any) -> Any:
        inner = Request.blank("/inner")
        if request.matchdict["number"] == "7":
            return request.invoke_subrequest(inner, use_tweens=True)
        try:
            return request.invoke_subrequest(inner, use_tweens=True)
        except ValueError:
            return Response("taken")

    def prepare(config: Configurator) -> None:
        config.add_route("inner", "/inner")
        config.add_view(fail, route_name="inner")

    app = served(outer, prepare=prepare)
    assert app.get("/order/8").text == "taken"
    events.assert_none()
    app.get("/order/7", status=500)
    assert events.assert_one(ValueError).request.path == "/order/7"


def test_outer_wsgi_layer_and_tween_report_once(events: Captured) -> None:
    app = TestApp(events.reporter.wsgi(served().app))
    answer = app.get("/order/7", status=500)
    assert len(events) == 1
    assert answer.headers.getall("X-Error-Id") == [events[0].error_id]


def test_transaction_is_rolled_back_wherever_its_tween_is(events: Captured) -> None:
    pytest.importorskip("pyramid_tm", reason="no pyramid_tm; pip install pyramid_tm")
    done: list[str] = []

    class Watcher:
        def afterCompletion(self, what: Any) -> None:
            done.append(what.status)

        def beforeCompletion(self, what: Any) -> None: ...

        newTransaction = beforeCompletion

    watcher = Watcher()

    def view(request: Any) -> Any:
        request.tm.registerSynch(watcher)
        raise ValueError("no such order")

    for modules in (("pyramid_tm", "tocsin.integrations.pyramid"), ("tocsin.integrations.pyramid", "pyramid_tm")):
        with Configurator(settings={"tm.manager_hook": "pyramid_tm.explicit_manager"}) as config:
            for module in modules:
                config.include(module)
            config.add_route("order", "/order/{number}")
            config.add_view(view, route_name="order")
        answer = TestApp(config.make_wsgi_app()).get("/order/7", status=500)
        assert answer.headers["X-Error-Id"]
    assert done and "Committed" not in done
    events.assert_times(2, ValueError)


def test_attempts_that_are_tried_again_are_no_faults(events: Captured) -> None:
    retry = pytest.importorskip("pyramid_retry", reason="no pyramid_retry; pip install pyramid_retry")
    attempts: list[int] = []

    def view(request: Any) -> Any:
        attempts.append(1)
        if request.matchdict["number"] == "7" or len(attempts) < 3:
            raise retry.RetryableException("locked")
        return Response("at last")

    app = served(view, prepare=lambda config: config.include("pyramid_retry"))
    assert app.get("/order/8").text == "at last"
    events.assert_none()
    attempts.clear()
    app.get("/order/7", status=500)
    assert len(attempts) == 3
    events.assert_one(retry.RetryableException)


# -- installing ------------------------------------------------------------------------------------------------------


def test_installing_twice_is_harmless(events: Captured) -> None:
    def prepare(config: Configurator) -> None:
        config.include("tocsin.integrations.pyramid")
        config.include("tocsin.integrations.pyramid")
        assert tocsin.install(config) is config

    served(prepare=prepare).get("/order/7", status=500)
    assert len(events) == 1


def test_explicit_list_of_tweens_must_have_ours(events: Captured) -> None:
    with pytest.raises(ConfigError, match=r"pyramid\.tweens.*tocsin\.integrations\.pyramid\.tween_factory"):
        served(**{"pyramid.tweens": "pyramid.tweens.excview_tween_factory"})
    both = "tocsin.integrations.pyramid.tween_factory pyramid.tweens.excview_tween_factory"
    served(**{"pyramid.tweens": both}).get("/order/7", status=500)
    assert len(events) == 1


def test_made_application_is_refused_with_what_to_write(events: Captured) -> None:
    with pytest.raises(ConfigError, match=r"tocsin\.install\(config\)"):
        tocsin.install(Configurator().make_wsgi_app())


def test_include_of_an_ini_file_sets_tocsin_up_from_its_settings(tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_text(f'application = "shop"\nspool = "{tmp_path}/spool"\nsinks = []\n')
    settings = {"pyramid.includes": "tocsin.integrations.pyramid", "tocsin.config": str(tmp_path / "tocsin.toml")}
    assert tocsin.reporter.current() is None
    try:
        config = Configurator(settings=settings)
        config.add_route("order", "/order/{number}")
        config.add_view(fail, route_name="order")
        assert "X-Error-Id" in TestApp(config.make_wsgi_app()).get("/order/7", status=500).headers
    finally:
        present = tocsin.reporter.current()
        assert present is not None
        present.close()


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_nothing_is_connected(mode: str) -> None:
    with captured_events(mode=mode):
        app = served()
        tweens = [entry["introspectable"]["name"] for entry in app.app.registry.introspector.get_category("tweens")]
        assert tweens == ["pyramid.tweens.excview_tween_factory"]
        with pytest.raises(ValueError, match="no such order"):
            app.get("/order/7")


def test_configuration_that_is_wrong_is_told_as_ever(events: Captured) -> None:
    with pytest.raises(ConfigurationError):
        served(prepare=lambda config: config.add_view(fail, route_name="missing"))


# -- the manual ------------------------------------------------------------------------------------------------------


def waitress(app: str, port: int) -> list[str]:
    return [sys.executable, "-m", "waitress", f"--listen=127.0.0.1:{port}", "--call", app]


def by_gunicorn(app: str, port: int) -> list[str]:
    return [*gunicorn()("", port)[:-1], f"{app}()"]


@pytest.mark.parametrize("more", ["", "deaths = true\n"])
@pytest.mark.parametrize(("server", "needed"), [(waitress, "waitress"), (by_gunicorn, "gunicorn")])
def test_application_of_the_manual_works_as_it_says(tmp_path: Path, server: Any, needed: str, more: str) -> None:
    pytest.importorskip(needed, reason=f"no {needed}; pip install {needed}")
    unpack("pyramid.md", tmp_path)
    config = tmp_path / "tocsin.toml"
    config.write_text(more + config.read_text())
    with running(server, "shop:make_app", tmp_path, tmp_path) as (process, port):
        wait_until_up(process, port, tmp_path / "server.log")
        shop = Shop(port, tmp_path / "events.jsonl")
        assert shop.ask("/orders/4").body == b'{"number": 4, "total": 25.0}'
        answer = shop.ask("/orders/0")
        [event] = shop.of_path("/orders/0")
        assert answer.error_ids == [event["error_id"]]
        assert (event["request"]["route"], event["request"]["endpoint"]) == ("/orders/{number}", "order")
        assert shop.ask("/orders/none").status.startswith("500")
        assert shop.ask("/nothing").status.startswith("404")
        assert {event["exception"]["type"] for event in shop.events(2)} == {"ZeroDivisionError", "ValueError"}
