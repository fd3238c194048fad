"""What `Captured` asserts, and what a failure of it says."""

from __future__ import annotations

import logging
import logging.config
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import tocsin
from tocsin.event.environ import ENDPOINT
from tocsin.handlers import SMTPHandler
from tocsin.testing import Captured, captured_events


class OutOfStock(Exception):
    """A fault of the application's own."""


def fall(exc: BaseException) -> None:
    try:
        raise exc
    except BaseException as caught:
        tocsin.report(caught)


def message_of(call: Callable[[], Any]) -> str:
    with pytest.raises(AssertionError) as raised:
        call()
    return str(raised.value)


def test_the_failure_of_assert_none_has_the_report() -> None:
    with captured_events() as events:
        fall(ZeroDivisionError("division by zero"))
    text = message_of(events.assert_none)
    assert text.startswith("expected no report, there is 1\n\n--- report 1 of 1: error ")
    assert "ZeroDivisionError: division by zero" in text
    assert "raise exc" in text
    assert f"Error id    {events[0].error_id}" in text


def test_the_failure_of_assert_one_has_all_reports_there_are() -> None:
    with captured_events() as events:
        fall(KeyError("CHF"))
        fall(OutOfStock("of bells"))
    text = message_of(lambda: events.assert_one(ZeroDivisionError))
    assert text.startswith("expected one report of ZeroDivisionError, there is none among 2\n\n")
    assert "KeyError: 'CHF'" in text
    assert "OutOfStock: of bells" in text


def test_the_failure_where_nothing_was_reported_says_so() -> None:
    with captured_events() as events:
        pass
    text = message_of(lambda: events.assert_one(match="stock", kind="error", logger="shop"))
    assert text == (
        "expected one report of kind error, logger shop, matching 'stock', there is none\n\nnothing was reported"
    )


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"exception": OutOfStock},
        {"exception": "OutOfStock"},
        {"exception": f"{__name__}.OutOfStock"},
        {"match": "b.lls$"},
        {"kind": "error"},
        {"exception": OutOfStock, "match": "^of", "kind": "error"},
    ],
)
def test_assert_one_returns_the_event_that_is_meant(expected: dict[str, Any]) -> None:
    with captured_events() as events:
        fall(OutOfStock("of bells"))
    assert events.assert_one(**expected) is events[0]


@pytest.mark.parametrize(
    "expected",
    [
        {"exception": Exception},  # exactly that class
        {"exception": "Stock"},
        {"exception": "shop.OutOfStock"},
        {"match": "^bells"},
        {"kind": "traceback"},
        {"logger": "shop"},
        {"exception": OutOfStock, "match": "whistles"},
    ],
)
def test_assert_one_fails_for_another_event(expected: dict[str, Any]) -> None:
    with captured_events() as events:
        fall(OutOfStock("of bells"))
    message_of(lambda: events.assert_one(**expected))
    events.assert_none(**expected)


def test_a_report_without_an_exception_is_found_by_message_and_logger() -> None:
    with captured_events(logs=True) as events:
        logging.getLogger("shop.orders").warning("order %s has no stock entry", 7)
    assert events.assert_one(match="order 7", logger="shop.orders", kind="warning").template == (
        "order %s has no stock entry"
    )
    message_of(lambda: events.assert_one(KeyError))


def test_two_are_not_one() -> None:
    with captured_events() as events:
        fall(KeyError("CHF"))
        fall(KeyError("USD"))
    assert message_of(lambda: events.assert_one(KeyError)).startswith(
        "expected one report of KeyError, there are 2\n\n--- report 1 of 2"
    )
    assert len(events.assert_times(2, KeyError)) == 2
    assert events.assert_times(0, ZeroDivisionError) == []


def test_what_an_assertion_was_met_by_is_expected() -> None:
    with captured_events() as events:
        fall(KeyError("CHF"))
        fall(OutOfStock("of bells"))
    assert events.unexpected() == list(events)
    events.assert_one(KeyError)
    message_of(lambda: events.assert_one(ZeroDivisionError))
    events.assert_none(ZeroDivisionError)
    assert events.unexpected() == [events[1]]


def test_a_message_stays_bounded() -> None:
    """Of very many reports some are told in full, further ones in a line, and the rest by their number."""
    with captured_events() as events:
        for number in range(80):
            tocsin.report(message=f"fault {'x' * number}", fingerprint=str(number))
    assert len(events) == 80
    text = message_of(events.assert_none)
    assert text.count("--- report") == 5
    assert text.rstrip().endswith("and 25 more")


# -- ordinary logging ----------------------------------------------------------------------------------------


def test_logging_is_heard_only_within_the_block_and_leaves_no_trace() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.config.dictConfigClass
    with captured_events(logs=True) as events:
        logging.getLogger("shop").error("within")
    logging.getLogger("shop").error("after")
    assert [event.message for event in events] == ["within"]
    assert (root.handlers[:], root.level, logging.config.dictConfigClass) == before


def test_without_logs_only_the_applications_own_handler_reports() -> None:
    with captured_events() as events:
        logging.getLogger("shop").error("not heard")
    assert not events


def test_an_error_id_is_left_on_the_record(caplog: pytest.LogCaptureFixture) -> None:
    with captured_events(logs=True) as events:
        logging.getLogger("shop").error("within")
    assert caplog.records[0].__dict__["error_id"] == events[0].error_id


@pytest.mark.parametrize("handler", ["logging.NullHandler", "tocsin.LogHandler"])
def test_a_dict_config_within_the_block_does_not_break_it(handler: str) -> None:
    """It takes all handlers off the root logger; with a LogHandler of the application's own nothing comes twice."""
    with captured_events(logs=True) as events:
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"own": {"class": handler}},
                "root": {"handlers": ["own"]},
            }
        )
        logging.getLogger("shop").error("after dictConfig")
    assert [event.message for event in events] == ["after dictConfig"]


def test_a_handler_of_the_applications_own_decides_what_is_reported() -> None:
    """As after `setup()`, which adds none where there is one."""
    shop = logging.getLogger("shop")
    own = tocsin.LogHandler(logging.ERROR)
    shop.addHandler(own)
    try:
        with captured_events(logs=True) as events:
            shop.error("told")
            shop.warning("not told")
            logging.getLogger("other").error("not told")
    finally:
        shop.removeHandler(own)
    assert [event.message for event in events] == ["told"]


def test_what_a_drop_in_handler_took_comes_once() -> None:
    shop = logging.getLogger("shop")
    mail = SMTPHandler("127.0.0.1", "shop@example.org", ["ops@example.org"], "The shop is broken")
    mail.setLevel(logging.ERROR)
    shop.addHandler(mail)
    try:
        with captured_events(logs=True) as events:
            shop.error("no stock entry")
            shop.warning("few bells left", extra={"error_id": "of the application's own"})
    finally:
        shop.removeHandler(mail)
    assert [event.message for event in events] == ["no stock entry", "few bells left"]


def test_levels_are_those_of_the_settings() -> None:
    with captured_events(logs=True, level="ERROR", loggers={"audit": "WARNING"}) as events:
        logging.getLogger("shop").warning("not told")
        logging.getLogger("audit.trail").warning("told")
    assert [event.message for event in events] == ["told"]


def test_listen_puts_back_what_was_taken_away_by_hand() -> None:
    with captured_events(logs=True) as events:
        root = logging.getLogger()
        before = root.handlers[:]
        root.handlers[:] = []
        events.listen()
        events.listen()
        logging.getLogger("shop").error("heard")
        root.handlers[:] = before
    assert len(events) == 1


def test_an_exception_that_is_logged_and_reported_is_one() -> None:
    with captured_events(logs=True) as events:
        try:
            raise OutOfStock("of bells")
        except OutOfStock as exc:
            logging.getLogger("shop").exception("failed")
            tocsin.report(exc)
    assert len({event.error_id for event in events}) == 1


def test_what_led_up_to_a_report_is_in_it() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        logging.getLogger("shop").warning("order %d is looked up", 7)
        raise OutOfStock

    with captured_events(logs=True) as events:
        call(events.reporter.wsgi(app))
    assert [line.message for line in events.assert_one(OutOfStock).lead_up] == ["order 7 is looked up"]
    assert events.assert_one(kind="warning").lead_up == ()  # a record doesn't lead up to itself


# -- applications that were there before ---------------------------------------------------------------------


def answer(environ: dict[str, Any], start_response: Any) -> Any:
    raise OutOfStock("of bells")


def call(app: Any) -> None:
    b"".join(app({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda status, headers, exc_info=None: None))


def test_an_application_that_was_installed_before_reports_into_the_block(tmp_path: Any) -> None:
    """Its integration holds the intake of before; after the block it reports there again."""
    reporter = tocsin.setup(application="shop", spool=str(tmp_path / "spool"), delivery="process")
    app = reporter.wsgi(answer)
    with captured_events() as events:
        call(app)
    events.assert_one(OutOfStock)
    assert reporter.stats()["captured"] == 0
    call(app)
    assert len(events) == 1
    assert reporter.stats()["captured"] == 1
    assert tocsin.setup(application="shop", spool=str(tmp_path / "spool"), delivery="process") is reporter


def test_an_integration_of_before_tells_what_only_it_knows(tmp_path: Any) -> None:
    flask = pytest.importorskip("flask", reason="no Flask; pip install flask")
    reporter = tocsin.setup(application="shop", spool=str(tmp_path / "spool"), delivery="process")
    app = flask.Flask("shop")

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        logging.getLogger("shop").warning("order %d", number)
        raise OutOfStock

    reporter.intake.add_describer(lambda environ: environ.__setitem__(ENDPOINT, "by the describer"))
    reporter.install(app)
    with captured_events() as events:
        app.test_client().get("/orders/7")
    event = events.assert_one(OutOfStock)
    assert event.request is not None
    assert event.request.route == "/orders/<int:number>"
    assert event.request.endpoint == "by the describer"
    assert [line.message for line in event.lead_up] == ["order 7"]


def test_the_process_has_its_reporter_again_when_the_block_fails(tmp_path: Any) -> None:
    reporter = tocsin.setup(application="shop", spool=str(tmp_path / "spool"), delivery="process")
    with pytest.raises(OutOfStock), captured_events():
        raise OutOfStock
    assert tocsin.report(message="after")
    assert reporter.stats()["captured"] == 1


def test_no_part_of_testing_is_loaded_before_it_is_used() -> None:
    """pytest loads the plugin at every start."""
    code = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import tocsin.testing.plugin\n"
        "print(sorted(set(sys.modules) - before))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found == "['tocsin', 'tocsin.testing', 'tocsin.testing.plugin']\n"


def test_captured_is_a_list() -> None:
    assert Captured() == []
