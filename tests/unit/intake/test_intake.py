"""The intake: one durable action per occurrence, the right kind, one event for one occurrence, nothing raised."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

import tocsin
from tocsin.event import error_id, wire
from tocsin.event.model import Event
from tocsin.reporter import Reporter
from tocsin.spool import format as fmt
from tocsin.spool.counters import FIRST_FAULT_CELL
from tocsin.spool.folder import Folder
from tocsin.spool.reader import SpoolReader


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Any]:
    made: list[Reporter] = []

    def make(**settings: Any) -> Reporter:
        before_spool = settings.pop("before_spool", None)
        reporter = tocsin.setup(
            {"application": "shop", "spool": str(tmp_path / "spool"), "delivery": "process", **settings},
            before_spool=before_spool,
        )
        made.append(reporter)
        return reporter

    yield make
    for reporter in made:
        reporter.close()


class Spooled:
    """What lies in a reporter's spool."""

    def __init__(self, reporter: Reporter) -> None:
        self.events: list[Event] = []
        self.reported = 0  # occurrences that have an event; one that only adds to another stands for none
        self.counted = 0
        for reader in SpoolReader(Folder(reporter.stats()["spool"])).generations():
            for record in reader.records(0, 10**7):
                if record.header is not None and record.header.type == fmt.EVENT:
                    assert record.body is not None
                    self.events.append(wire.decode(record.body))
                    self.reported += record.header.count
                elif record.header is not None and record.header.type == fmt.COUNT:
                    self.counted += record.header.count
            self.counted += sum(value for cell, value in reader.cells().items() if cell >= FIRST_FAULT_CELL)

    @property
    def total(self) -> int:
        return self.reported + self.counted

    def only(self) -> Event:
        assert len(self.events) == 1, [event.message for event in self.events]
        return self.events[0]


def fail(message: str = "no stock") -> None:
    raise LookupError(message)


def fault(message: str = "no stock") -> BaseException:
    try:
        fail(message)
    except LookupError as exc:
        return exc
    raise AssertionError


def environ(path: str = "/pay", **more: str) -> dict[str, Any]:
    made: dict[str, Any] = {"PATH_INFO": path, **more}
    setup_testing_defaults(made)
    return made


def test_a_storm_is_a_few_records_and_exact_counts(setup: Any) -> None:
    reporter = setup()
    ids = {reporter.report(fault()) for _ in range(1_000)}
    spooled = Spooled(reporter)
    assert spooled.total == 1_000
    assert len(spooled.events) == 5 + 3  # the burst, the 10th, 100th and 1000th
    assert len(ids) == 1_000
    assert {text[:6] for text in ids} == {error_id.prefix(spooled.events[0].fingerprint)}


def test_another_message_is_the_same_fault_another_place_is_not(setup: Any) -> None:
    reporter = setup()
    first, second = reporter.report(fault("order 1")), reporter.report(fault("order 2"))
    try:
        raise LookupError("order 1")
    except LookupError:
        third = reporter.report()
    assert first[:6] == second[:6] != third[:6]


def test_the_event_tells_what_where_and_which_request(setup: Any) -> None:
    reporter = setup(release="1.4")
    given = environ(QUERY_STRING="token=abcdef&page=2", HTTP_USER_AGENT="probe", HTTP_COOKIE="session=deadbeef")
    error = reporter.intake.exception(fault(), via="test", environ=given)
    event = Spooled(reporter).only()
    assert (event.kind, event.level, event.application, event.release) == ("traceback", "ERROR", "shop", "1.4")
    assert event.error_id == error == given["tocsin.error_id"]
    assert event.exception is not None
    assert event.exception.type == "LookupError"
    assert event.exception.frames[-1].function == "fail"
    assert "raise LookupError" in event.exception.frames[-1].source
    assert event.request is not None
    assert event.request.path == "/pay"
    assert event.request.headers["User-Agent"] == "probe"
    data = wire.encode(event)
    assert b"abcdef" not in data
    assert b"deadbeef" not in data


def test_records_become_the_three_kinds(setup: Any) -> None:
    reporter = setup()
    logger = logging.getLogger("shop.orders")
    logger.warning("fishy %s", "thing")
    logger.error("left inconsistent")
    try:
        fail()
    except LookupError:
        logger.exception("caught by us")
    try:
        fail()
    except LookupError:
        logging.getLogger("gunicorn.error").exception("Error handling request %s", "/pay")
    kinds = [(event.kind, event.message) for event in Spooled(reporter).events]
    assert kinds == [
        ("warning", "fishy thing"),
        ("error", "left inconsistent"),
        ("error", "caught by us"),
        ("traceback", "Error handling request /pay"),
    ]


def test_an_exception_that_is_logged_and_then_raised_is_one_event(setup: Any) -> None:
    reporter = setup()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            fail()
        except LookupError:
            logging.getLogger("shop").exception("going down")
            raise
        return []

    answers: list[Any] = []
    body = reporter.wsgi(app)(environ(), lambda status, headers, exc_info=None: answers.append((status, headers)))
    event = Spooled(reporter).only()
    assert event.message == "going down"
    assert dict(answers[0][1])["X-Error-Id"] == event.error_id
    assert event.error_id.encode() in b"".join(body)


def test_a_warning_with_an_exception_that_is_then_not_caught_becomes_a_traceback(setup: Any) -> None:
    reporter = setup()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            fail()
        except LookupError:
            logging.getLogger("shop").warning("odd", exc_info=True)
            raise
        return []

    for _ in range(30):
        reporter.wsgi(app)(environ(), lambda *_: None)
    spooled = Spooled(reporter)
    assert spooled.total == 30
    assert len({event.fingerprint for event in spooled.events}) == 1
    first, second = spooled.events[:2]
    assert (first.kind, second.kind) == ("warning", "traceback")
    assert first.error_id == second.error_id


def test_a_warning_that_the_hook_dropped_may_still_become_a_traceback(setup: Any) -> None:
    reporter = setup(before_spool=lambda event: None if event.kind == "warning" else event)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            fail()
        except LookupError:
            logging.getLogger("shop").warning("odd", exc_info=True)
            raise
        return []

    reporter.wsgi(app)(environ(), lambda *_: None)
    event = Spooled(reporter).only()
    assert event.kind == "traceback"
    assert event.error_id[:6] == error_id.prefix(event.fingerprint)


def test_an_exception_logged_in_a_pool_and_raised_by_its_future_is_one_event(setup: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    reporter = setup()

    def work() -> None:
        try:
            fail()
        except LookupError:
            logging.getLogger("shop").exception("in the pool")
            raise

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()
        return []

    reporter.wsgi(app)(environ(), lambda *_: None)
    assert Spooled(reporter).total == 1


def test_a_middleware_that_copies_environ_does_not_make_two_of_one(setup: Any) -> None:
    reporter = setup()

    def broken(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/answered":
            start_response("500 Internal Server Error", [])
            return [b"x"]
        raise LookupError("within")

    inner = reporter.wsgi(broken)

    def copying(environ: dict[str, Any], start_response: Any) -> Any:
        return inner(dict(environ), start_response)

    for path in ("/raised", "/answered"):
        list(reporter.wsgi(copying)(environ(path), lambda *_: None))
    assert Spooled(reporter).total == 2


def test_a_module_level_exception_raised_in_every_request_is_counted_every_time(setup: Any) -> None:
    reporter = setup()
    singleton = LookupError("always the same object")

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise singleton

    guarded = reporter.wsgi(app)
    for _ in range(20):
        guarded(environ(), lambda *_: None)
    assert Spooled(reporter).total == 20


def test_a_400_is_a_warning_and_a_404_is_nothing(setup: Any) -> None:
    reporter = setup()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(environ["PATH_INFO"].strip("/"), [("Content-Type", "text/plain")])
        return [b"x"]

    for status in ("200 OK", "404 Not Found", "400 Bad Request"):
        list(reporter.wsgi(app)(environ(f"/{status}"), lambda *_: None))
    event = Spooled(reporter).only()
    assert (event.kind, event.levelno) == ("warning", logging.WARNING)
    assert event.request is not None
    assert event.request.status == 400


def test_a_500_that_nobody_reported_is_an_error_and_one_that_was_logged_is_not_another(setup: Any) -> None:
    reporter = setup()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/logged":
            logging.getLogger("shop").error("database left in an inconsistent state")
        start_response("500 Internal Server Error", [])
        return [b"x"]

    answers: list[Any] = []
    for path in ("/silent", "/logged"):
        list(reporter.wsgi(app)(environ(path), lambda status, headers, exc_info=None: answers.append(dict(headers))))
    events = Spooled(reporter).events
    assert [(event.kind, event.logger) for event in events] == [("error", "tocsin.answer"), ("error", "shop")]
    assert [answer["X-Error-Id"] for answer in answers] == [event.error_id for event in events]


def test_client_disconnects_and_bad_hosts_are_only_counted(setup: Any) -> None:
    werkzeug = pytest.importorskip("werkzeug.exceptions")
    reporter = setup()
    assert reporter.intake.exception(werkzeug.ClientDisconnected(), via="test") is None
    assert reporter.intake.exception(werkzeug.SecurityError(), via="test") is None
    reporter.report(fault())
    assert Spooled(reporter).total == 1
    reporter.intake.processes.current().writer.retry_pending()
    assert reporter.stats()["tallies"] == {"disconnects": 1, "bad_hosts": 1}


def test_what_is_ignored_is_counted_as_such(setup: Any) -> None:
    reporter = setup(ignore=["LookupError", "noisy"])
    reporter.report(fault())
    reporter.report(KeyError("a subclass"))
    logging.getLogger("noisy.below").error("never mind")
    logging.getLogger("other").error("do mind")
    assert Spooled(reporter).only().message == "do mind"


def test_a_logger_may_be_taken_in_below_the_root_handlers_level(setup: Any) -> None:
    reporter = setup(loggers={"audit": "INFO"})
    for name in ("audit.trail", "other"):
        logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger(name).info("from %s", name)
        logging.getLogger(name).setLevel(logging.NOTSET)
    assert Spooled(reporter).only().message == "from audit.trail"


def test_thresholds_of_single_loggers_hold(setup: Any) -> None:
    reporter = setup(loggers={"chatty": "CRITICAL", "chatty.child": "WARNING"})
    logging.getLogger("chatty").error("no")
    logging.getLogger("chatty.child").warning("yes")
    assert Spooled(reporter).only().message == "yes"


def test_before_spool_may_change_an_event_and_what_it_returns_is_masked_again(setup: Any) -> None:
    def add(event: Event) -> Event:
        return dataclasses.replace(event, message="seen with password=hunter2", fields={"api_key": "k-123456"})

    reporter = setup(before_spool=add)
    given = reporter.report(fault())
    event = Spooled(reporter).only()
    assert event.error_id == given
    assert "hunter2" not in event.message
    assert "k-123456" not in json.dumps(dict(event.fields))


def test_before_spool_may_not_slip_a_secret_into_a_mapping(setup: Any) -> None:
    def add(event: Event) -> Event:
        event.fields["password"] = "hunter2"  # type: ignore[index]
        return event

    reporter = setup(before_spool=add)
    reporter.report(fault(), row=1)
    assert Spooled(reporter).only().fields["password"] != "hunter2"


def test_a_custom_fingerprint_is_masked(setup: Any) -> None:
    reporter = setup()
    reporter.report(fault(), fingerprint="password=hunter2")
    assert b"hunter2" not in wire.encode(Spooled(reporter).only())


@pytest.mark.complaints
@pytest.mark.parametrize(
    "change", [{"kind": "custom"}, {"fields": None}, {"timestamp": None}, {"levelno": "x"}, {"exception": "x"}]
)
def test_a_before_spool_that_returns_no_proper_event_does_not_lose_it(setup: Any, change: dict[str, Any]) -> None:
    reporter = setup(before_spool=lambda event: dataclasses.replace(event, **change))
    reporter.report(fault())
    assert Spooled(reporter).only().kind == "error"


def test_a_before_spool_that_logs_does_not_call_itself(setup: Any) -> None:
    def chatty(event: Event) -> Event:
        logging.getLogger("hook").error("from the hook")
        return event

    reporter = setup(before_spool=chatty)
    reporter.report(fault())
    assert Spooled(reporter).total == 2


def test_before_spool_may_drop_an_event(setup: Any) -> None:
    reporter = setup(before_spool=lambda event: None)
    for _ in range(20):
        assert reporter.report(fault())
    assert reporter.stats()["tallies"]["hook_dropped"] == 20
    assert not Spooled(reporter).events


@pytest.mark.complaints
def test_a_before_spool_that_fails_does_not_lose_the_event(setup: Any) -> None:
    def broken(event: Event) -> Event:
        raise RuntimeError("hook")

    reporter = setup(before_spool=broken)
    reporter.report(fault())
    assert Spooled(reporter).only().exception is not None


@pytest.mark.complaints
def test_a_scrubber_that_breaks_leaves_type_and_place_and_no_text(setup: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = setup()
    monkeypatch.setattr(reporter.intake.scrubber.__class__, "text", lambda *a, **k: 1 / 0)
    reporter.report(fault("with a secret"))
    event = Spooled(reporter).only()
    assert event.exception is not None
    assert (event.exception.type, event.exception.frames[-1].function) == ("LookupError", "fail")
    assert b"secret" not in wire.encode(event)


@pytest.mark.complaints
def test_reporting_never_raises_even_when_everything_is_broken(setup: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = setup()
    monkeypatch.setattr(reporter.intake.capturer.__class__, "take", lambda *a, **k: 1 / 0)
    assert reporter.report(fault()) == ""
    logging.getLogger("shop").error("x")
    assert reporter.stats()["tallies"]["internal"] == 2


def test_the_key_is_never_coarser_than_the_fingerprint(setup: Any) -> None:
    """Else an issue would depend on what came first in a process."""
    reporter = setup()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("400 Bad Request", [])
        return [b""]

    for path in ("/basket/1", "/basket/2", "/account"):
        list(reporter.wsgi(app)(environ(path), lambda *_: None))
    for name in ("pay", "mail"):
        logging.getLogger(name).error("never raised", exc_info=ValueError("x"))
    fingerprints = [event.fingerprint for event in Spooled(reporter).events]
    assert len(set(fingerprints)) == 4
    assert fingerprints[0] == fingerprints[1]


def test_a_custom_fingerprint_joins_what_would_be_apart(setup: Any) -> None:
    reporter = setup()
    first = reporter.report(fault(), fingerprint="one thing")
    second = reporter.report(message="something else", fingerprint="one thing", level="CRITICAL")
    assert first[:6] == second[:6]


class Hostile:
    """Raises wherever Python lets a class have a say."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("hostile")

    def __bool__(self) -> bool:
        raise RuntimeError("hostile")

    def __str__(self) -> str:
        raise RuntimeError("hostile")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        (("a text",), {}, "a text"),
        ((ValueError,), {}, "ValueError"),
        ((), {"message": 5}, "5"),
        ((), {"message": "x", "level": []}, "x"),
        ((), {"message": "x", "level": Hostile()}, "x"),
        ((), {"message": "x", "fingerprint": 123}, "x"),
        ((), {"message": "x", "fingerprint": ("a", 1)}, "x"),
        ((), {"message": "x", "fingerprint": Hostile()}, "x"),
        ((), {}, "reported without an exception or a message"),
    ],
)
def test_report_takes_whatever_it_is_given(setup: Any, arguments: Any, keywords: Any, message: str) -> None:
    reporter = setup()
    assert reporter.report(*arguments, **keywords)
    assert Spooled(reporter).only().message == message


def test_report_survives_a_message_that_is_hostile(setup: Any) -> None:
    reporter = setup()
    assert reporter.report(message=Hostile(), thing=Hostile())
    assert "Hostile" in Spooled(reporter).only().message


def test_odd_levels_are_taken_in(setup: Any) -> None:
    reporter = setup()
    logging.getLogger("shop").log(70_000, "very grave")
    assert reporter.report(message="less than nothing", level=-5)
    assert Spooled(reporter).total == 2


def test_a_message_with_fields_arrives_with_them_masked(setup: Any) -> None:
    reporter = setup()
    reporter.report(message="import failed", level="WARNING", row=7, password="hunter2")
    event = Spooled(reporter).only()
    assert (event.kind, event.message, event.fields["row"]) == ("warning", "import failed", 7)
    assert "hunter2" not in json.dumps(dict(event.fields))


def test_f_strings_with_numbers_are_one_fault(setup: Any) -> None:
    reporter = setup()
    for number in range(50):
        logging.getLogger("shop").error(f"order {number} is lost")
    spooled = Spooled(reporter)
    assert spooled.total == 50
    assert len({event.fingerprint for event in spooled.events}) == 1


def test_threads_lose_and_double_nothing(setup: Any) -> None:
    reporter = setup()

    def work() -> None:
        for _ in range(300):
            reporter.report(fault())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Spooled(reporter).total == 1_200


def test_a_forked_child_counts_in_files_of_its_own(setup: Any) -> None:
    reporter = setup()
    for _ in range(10):
        reporter.report(fault())
    pid = os.fork()
    if pid == 0:
        for _ in range(10):
            reporter.report(fault())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert Spooled(reporter).total == 20
    assert len(SpoolReader(Folder(reporter.stats()["spool"])).generations()) == 2


def test_a_signal_handler_that_reports_does_not_deadlock(setup: Any) -> None:
    reporter = setup()
    before = signal.signal(signal.SIGALRM, lambda *_: reporter.report(message="from the handler"))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for _ in range(2_000):
            reporter.report(fault())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    reporter.intake.processes.current().writer.retry_pending()
    spooled = Spooled(reporter)
    assert spooled.total == reporter.stats()["captured"] + reporter.stats()["counted"]
    assert spooled.total > 2_000


def test_mode_off_reports_nothing_and_touches_nothing(setup: Any) -> None:
    reporter = setup(mode="off")
    assert reporter.report(fault()) == ""
    logging.getLogger("shop").error("x")
    assert not Path(reporter.stats()["spool"]).exists()


def test_a_rotated_segment_is_followed_without_a_gap(setup: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.event.limits.SEGMENT_BYTES", 20_000)
    reporter = setup()
    for number in range(600):
        reporter.report(fault(), fingerprint=f"fault {number % 40}")
    assert Spooled(reporter).total == 600
    assert len(SpoolReader(Folder(reporter.stats()["spool"])).generations()) > 2


@pytest.mark.complaints
def test_the_header_names_the_failure_and_not_a_warning_before_it(setup: Any) -> None:
    """A visitor quotes the id of the 500; the warning waits for a digest."""
    reporter = setup()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        logging.getLogger("shop").warning("stock is low")
        try:
            raise LookupError("no stock")
        except LookupError as exc:
            reporter.report(exc)
            start_response("500 Internal Server Error", [])
            return [b"sorry"]

    answered: list[tuple[str, str]] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    body = reporter.wsgi(app)(environ, lambda status, headers, exc_info=None: answered.extend(headers))
    assert b"".join(body) == b"sorry"
    kinds = {event.error_id: event.kind for event in Spooled(reporter).events}
    assert kinds[dict(answered)["X-Error-Id"]] == "error"
    assert sorted(kinds.values()) == ["error", "warning"]


def test_a_500_that_a_framework_makes_of_an_ignored_exception_is_no_report(setup: Any) -> None:
    reporter = setup(ignore=["LookupError"])

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            raise LookupError("no stock")
        except LookupError as exc:
            reporter.report(exc)
            start_response("500 Internal Server Error", [])
            return [b"sorry"]

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    assert reporter.wsgi(app)(environ, lambda status, headers, exc_info=None: None) == [b"sorry"]
    assert Spooled(reporter).total == 0
    assert reporter.stats()["tallies"] == {"ignored": 1}


def test_an_ignored_exception_that_a_framework_logs_too_is_tallied_once(setup: Any) -> None:
    reporter = setup(ignore=["LookupError"])
    exc = fault()
    for times in (1, 2):
        reporter.report(exc)
        logging.getLogger("framework").error("it failed", exc_info=exc)
        assert reporter.stats()["tallies"] == {"ignored": times}  # by the same ways once more, it has happened again
    assert Spooled(reporter).total == 0


def test_code_that_is_compiled_anew_for_each_error_is_one_fault(setup: Any) -> None:
    """Template engines make a traceback of their own for each error: no two have a code object in common."""
    reporter = setup()
    for _ in range(300):
        space: dict[str, Any] = {"__name__": "shop.page"}
        exec(compile("def block():\n    raise LookupError('no such block')\n", "/templates/page.html", "exec"), space)
        try:
            space["block"]()
        except LookupError as exc:
            reporter.report(exc)
    spooled = Spooled(reporter)
    assert spooled.total == 300
    assert len(spooled.events) == 7  # the first five, the 10th, the 100th
    assert len({event.fingerprint for event in spooled.events}) == 1
    assert len(reporter.intake.processes.current().limiter) == 1
