"""The lead-up: which records travel with a report, and which don't."""

from __future__ import annotations

import logging
import logging.config
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tocsin
from tocsin.capture.work import Work
from tocsin.event.limits import LEAD_UP_CHARS
from tocsin.event.model import Event
from tocsin.intake.told import TOLD

logger = logging.getLogger("shop.orders")


@pytest.fixture
def spool(tmp_path: Path) -> dict[str, Any]:
    return {"application": "shop", "spool": str(tmp_path / "spool"), "delivery": "process", "sinks": []}


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    yield
    root.setLevel(before)


class Told:
    """The events of a Reporter that `setup` made."""

    def __init__(self, config: dict[str, Any], **overrides: Any) -> None:
        self.events: list[Event] = []
        self.reporter = tocsin.setup(config, before_spool=lambda event: self.events.append(event) or event, **overrides)

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_: object) -> None:
        self.reporter.close()

    def visit(self, view: Callable[[], None]) -> None:
        app = self.reporter.wsgi(lambda environ, start_response: view() or [])
        list(app({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda status, headers: None))

    def note(self, message: Any, args: tuple[Any, ...]) -> None:
        """Give a record to the intake past all handlers: pytest's own would fail of it, or keep it."""
        self.reporter.intake.noted(logging.LogRecord("shop.orders", logging.DEBUG, "", 0, message, args, None))

    def messages(self, index: int = -1) -> list[str]:
        return [line.message for line in self.events[index].lead_up]


def failing() -> None:
    logger.debug("looked up %s", 7)
    logger.info("reserved")
    raise KeyError(1)


def test_what_the_request_logged_before_travels_with_its_report_in_order(spool: dict[str, Any]) -> None:
    with Told(spool) as told:
        told.visit(failing)
    lines = told.events[0].lead_up
    assert [(line.level, line.logger, line.message) for line in lines] == [
        ("DEBUG", "shop.orders", "looked up 7"),
        ("INFO", "shop.orders", "reserved"),
    ]
    assert all(line.timestamp <= told.events[0].timestamp for line in lines)


def test_a_record_does_not_lead_up_to_itself_but_to_the_next(spool: dict[str, Any]) -> None:
    def view() -> None:
        logger.warning("stock is low")
        logger.error("out of stock")

    with Told(spool) as told:
        told.visit(view)
    assert [event.message for event in told.events] == ["stock is low", "out of stock"]
    assert (told.messages(0), told.messages(1)) == ([], ["stock is low"])


def test_other_requests_threads_and_what_was_before_any_are_left_out(spool: dict[str, Any]) -> None:
    with Told(spool) as told:
        logger.info("before any")
        told.visit(lambda: logger.info("another request"))

        def view() -> None:
            thread = threading.Thread(target=logger.info, args=("another thread",))
            thread.start()
            thread.join()
            wrapped = threading.Thread(target=tocsin.context()(logger.info), args=("wrapped thread",))
            wrapped.start()
            wrapped.join()
            raise KeyError(1)

        told.visit(view)
        logger.error("after all")
    assert told.messages(0) == ["wrapped thread"]
    assert told.messages(1) == []


def test_a_task_has_its_own(spool: dict[str, Any]) -> None:
    with Told(spool) as told:
        for number in (1, 2):
            with Work("import", by="watch"):
                logger.info("row %s", number)
                logger.error("bad row in file %s", number)
    assert (told.messages(0), told.messages(1)) == (["row 1"], ["row 2"])


def test_only_the_last_are_kept_as_many_as_the_setting_says(spool: dict[str, Any]) -> None:
    def view() -> None:
        for number in range(50):
            logger.info("step %s", number)
        raise KeyError(1)

    with Told(spool, lead_up=3) as told:
        told.visit(view)
    assert told.messages() == ["step 47", "step 48", "step 49"]


def test_with_zero_no_handler_is_added_and_nothing_is_kept(spool: dict[str, Any]) -> None:
    before = len(logging.getLogger().handlers)
    with Told(spool, lead_up=0) as told:
        assert len(logging.getLogger().handlers) == before + 1
        told.visit(failing)
    assert told.messages() == []


def test_it_is_masked_and_bounded_and_runs_no_code_of_the_application(
    spool: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own would format the record

    class Odd:
        def __str__(self) -> str:
            raise AssertionError("asked")

        __repr__ = __str__

    def view() -> None:
        logger.info("login password=%s", "hunter2")
        logger.info("for %s", Odd())
        logger.info("long %s", "x" * 10_000)
        raise KeyError(1)

    with Told(spool) as told:
        told.visit(view)
    first, second, third = told.messages()
    assert first == "login password=[masked: password]"
    assert "Odd" in second
    assert len(third) <= LEAD_UP_CHARS


def test_levels_of_loggers_are_not_lowered_for_it(spool: dict[str, Any]) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    with Told(spool) as told:
        told.visit(failing)
        assert not logger.isEnabledFor(logging.INFO)
    assert told.messages() == []


def test_a_logging_configuration_may_name_the_handler_itself(spool: dict[str, Any]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "tocsin": {"class": "tocsin.LogHandler", "level": "WARNING"},
                "lead_up": {"class": "tocsin.handlers.LeadUpHandler"},
            },
            "root": {"handlers": ["tocsin", "lead_up"], "level": "INFO"},
        }
    )
    try:
        with Told(spool) as told:
            told.visit(failing)
            kinds = [type(handler).__name__ for handler in root.handlers]
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert kinds == ["LogHandler", "LeadUpHandler"]
    assert told.messages() == ["reserved"]


def test_beside_a_log_handler_of_one_logger_it_is_attached_there_and_taken_off_again(spool: dict[str, Any]) -> None:
    handler = tocsin.LogHandler()
    logger.addHandler(handler)
    try:
        with Told(spool) as told:
            told.visit(failing)
        assert logger.handlers == [handler]
    finally:
        logger.removeHandler(handler)
    assert told.messages() == ["looked up 7", "reserved"]


@pytest.mark.parametrize(
    ("message", "args", "shown"),
    [
        ("n %d", (10**5000,), "n %d (<int of 16610 bits>,)"),
        ("n %s", (10**5000,), "n <int of 16610 bits>"),
        (5, (), "5"),
        (None, (), "None"),
        (5, (3,), "5"),
        ("%d", ("a",), "%d ('a',)"),
    ],
    ids=["digits", "text", "number", "nothing", "number_args", "misfit"],
)
def test_no_record_however_odd_costs_the_report(spool: dict[str, Any], message: Any, args: Any, shown: str) -> None:
    with Told(spool, lead_up=5) as told:
        told.visit(lambda: (told.note(message, args), failing()))
        assert told.events[-1].exception is not None and told.events[-1].exception.type == "KeyError"
        assert told.messages()[0] == shown


def test_a_huge_message_is_not_kept_whole(spool: dict[str, Any]) -> None:
    kept: list[int] = []

    def view() -> None:
        tracemalloc.start()
        for _ in range(3):
            told.note("x" * 100_000_000, ())
            told.note("%s", ("y" * 100_000_000,))
            told.note("%(a)s", ({"a": "z" * 100_000_000},))
        kept.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        failing()

    with Told(spool, lead_up=20) as told:
        told.visit(view)
        assert kept[0] < 1_000_000
        assert len(told.messages()) == 11
        assert all(len(line) <= LEAD_UP_CHARS for line in told.messages())


def test_a_record_that_an_integration_tells_in_its_own_way_leads_up_to_nothing(spool: dict[str, Any]) -> None:
    def view() -> None:
        logger.error("job mail('bob') failed", extra={TOLD: ""})
        failing()

    with Told(spool, lead_up=5) as told:
        told.visit(view)
        assert told.messages() == ["looked up 7", "reserved"]
