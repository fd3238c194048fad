"""What every drop-in handler keeps of logging's contract, and what it does otherwise."""

from __future__ import annotations

import copy
import inspect
import logging
import logging.config
import logging.handlers
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tocsin
from tocsin import handlers
from tocsin import reporter as reporters
from tocsin.cli import main
from tocsin.complaints import is_own_work, own_work
from tocsin.event.model import Event
from tocsin.handlers import SMTPHandler, SocketHandler, SysLogHandler
from tocsin.spool.folder import Folder
from tocsin.spool.reader import SpoolReader
from tocsin.testing import captured_events

Events = Callable[[Any], list[Event]]
STANDARD = ["SMTPHandler", "SysLogHandler", "NTEventLogHandler", "SocketHandler", "DatagramHandler", "HTTPHandler"]
LATER = {"SysLogHandler": ["timeout"]}  # Python 3.14 has it


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    found = logging.getLogger("shop.views")
    found.setLevel(logging.DEBUG)
    found.propagate = False
    yield found
    found.propagate = True


@pytest.fixture
def mail(logger: logging.Logger) -> SMTPHandler:
    handler = SMTPHandler("localhost", "shop@example.org", ["ops@example.org"], "Application Error")
    logger.addHandler(handler)
    return handler


def counted(handler: Any) -> int:
    """Return how many occurrences a handler's spool stands for."""
    total = 0
    for reader in SpoolReader(Folder(handler._reporter.stats()["spool"])).generations():
        total += sum(record.header.count for record in reader.records(0, 10**7)[1:])
        total += sum(count for cell, count in reader.cells().items() if cell >= 32)
    return total


# -- constructors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STANDARD)
def test_constructor_has_the_standard_signature(name: str) -> None:
    """The same names, order, kinds and defaults; what is added is keyword-only."""
    standard = list(inspect.signature(getattr(logging.handlers, name)).parameters.values())
    ours = list(inspect.signature(getattr(handlers, name)).parameters.values())
    later = [parameter for parameter in ours[len(standard) :] if parameter.kind is not parameter.KEYWORD_ONLY]
    assert [(p.name, p.kind) for p in ours[: len(standard)]] == [(p.name, p.kind) for p in standard]
    assert [p.default for p in ours[: len(standard)]] == [p.default for p in standard]
    assert [parameter.name for parameter in later] == [name for name in LATER.get(name, []) if later]


@pytest.mark.parametrize("name", STANDARD)
def test_it_is_a_handler_of_the_standard_class(name: str) -> None:
    """Whoever asks by isinstance gets the answer of before, and `setup` still adds its own handler."""
    assert issubclass(getattr(handlers, name), getattr(logging.handlers, name))
    assert not issubclass(getattr(handlers, name), handlers.LogHandler)


def test_importing_tocsin_loads_no_drop_in_handler() -> None:
    code = "import sys, tocsin.handlers; print('logging.handlers' in sys.modules, 'smtplib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="MailHandler"):
        handlers.MailHandler


def test_constructing_opens_nothing_and_starts_nothing(spool: Path) -> None:
    threads = threading.active_count()
    SMTPHandler("mail.invalid", "shop@example.org", "ops@example.org", "Error")
    SysLogHandler("/no/such/socket")
    SocketHandler("log.invalid", 9020)
    assert not spool.exists()
    assert threading.active_count() == threads


def test_faults_of_the_arguments_are_told_at_once() -> None:
    """What could never be sent is told when the handler is made, by `dictConfig` as well."""
    with pytest.raises(tocsin.ConfigError) as raised:
        SMTPHandler("mail server", "shop@example.org", ["nobody at all@", "ops@example.org"], "Error")
    assert len(raised.value.faults) == 2
    assert all(fault.startswith("SMTPHandler: ") for fault in raised.value.faults)


def test_hook_that_is_never_called_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    class Pickling(SocketHandler):
        def makePickle(self, record: logging.LogRecord) -> bytes:
            return b""

    Pickling("localhost", 9020)
    assert "Pickling.makePickle is never called" in capsys.readouterr().err
    SocketHandler("localhost", 9020)
    assert capsys.readouterr().err == ""


# -- which records ---------------------------------------------------------------------------------------------


def test_only_what_passes_level_filters_and_attachment_comes_in(
    logger: logging.Logger, mail: SMTPHandler, events: Events
) -> None:
    mail.setLevel(logging.ERROR)
    mail.addFilter(lambda record: "noise" not in record.getMessage())
    logger.warning("too low")
    logger.error("noise")
    logging.getLogger("elsewhere").error("not attached there")
    logger.error("this one")
    assert [event.message for event in events(mail)] == ["this one"]


def test_what_was_let_through_is_told_whatever_its_level_and_status(
    logger: logging.Logger, mail: SMTPHandler, events: Events
) -> None:
    """The handler's level is the one that counts: neither a 404 nor an INFO is left for a digest."""
    logger.info("for your information")
    logger.warning("not found", extra={"status_code": 404})
    assert [(event.kind, event.level) for event in events(mail)] == [("error", "INFO"), ("error", "WARNING")]


def test_filter_may_return_another_record(logger: logging.Logger, mail: SMTPHandler, events: Events) -> None:
    def replaced(record: logging.LogRecord) -> logging.LogRecord:
        other = copy.copy(record)
        other.msg = "another"
        return other

    mail.addFilter(replaced)
    if sys.version_info < (3, 12):
        mail.filter = replaced  # type: ignore[assignment, method-assign]
    logger.error("one")
    assert [event.message for event in events(mail)] == ["another"]


def test_records_of_tocsin_itself_and_of_delivery_make_no_loop(mail: SMTPHandler, events: Events) -> None:
    root = logging.getLogger()
    root.addHandler(mail)
    logging.getLogger("tocsin.internal").error("a complaint", extra={"tocsin_skip": True})
    with own_work():
        logging.getLogger("urllib3").error("from within delivery")
    root.error("of the application")
    assert [event.message for event in events(mail)] == ["of the application"]


def test_exception_that_only_the_middleware_caught_comes_by_its_announcement(
    mail: SMTPHandler, events: Events, tmp_path: Path
) -> None:
    """It is recognised as the fault it is, with the error id of the page."""
    logging.getLogger().addHandler(mail)
    reporter = tocsin.setup(application="shop", spool=str(tmp_path / "own"), delivery="process")

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise KeyError(environ["PATH_INFO"])

    answers: list[dict[str, str]] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/pay", "wsgi.url_scheme": "http"}
    reporter.wsgi(app)(environ, lambda status, headers, *_: answers.append(dict(headers)))
    (event,) = events(mail)
    assert event.error_id == answers[0]["X-Error-Id"]
    assert "KeyError: '/pay'" in event.prepared["text"]


# -- what is kept of them --------------------------------------------------------------------------------------


def test_text_is_what_the_formatter_returns_masked(logger: logging.Logger, mail: SMTPHandler, events: Events) -> None:
    mail.setFormatter(logging.Formatter("%(levelname)s at %(name)s\n%(message)s"))
    try:
        raise KeyError("CHF")
    except KeyError:
        logger.exception("no rate, password=hunter2 in %s", "/pay")
    (event,) = events(mail)
    assert event.prepared["text"].startswith(
        "ERROR at shop.views\nno rate, password=[masked: password] in /pay\nTraceback (most recent call last):\n"
    )
    assert event.prepared["text"].endswith("KeyError: 'CHF'")
    assert event.prepared["subject"] == "Application Error"
    assert event.exception is not None
    assert event.application == "shop"


def test_long_text_keeps_both_ends(logger: logging.Logger, mail: SMTPHandler, events: Events) -> None:
    logger.error("begin%send", "x" * 100_000)
    text = events(mail)[0].prepared["text"]
    assert len(text) <= 16_384
    assert text.startswith("begin")
    assert text.endswith("end")
    assert "characters left out" in text


def test_a_thousand_equal_records_are_counted_and_formatted_a_few_times(
    logger: logging.Logger, mail: SMTPHandler
) -> None:
    formatted: list[str] = []

    class Counting(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            formatted.append(record.getMessage())
            return super().format(record)

    mail.setFormatter(Counting())
    for number in range(1_000):
        logger.error("failed %d times", number)
    assert counted(mail) == 1_000
    assert 0 < len(formatted) < 20


def test_fault_has_the_fingerprint_that_log_handler_gives_it(
    logger: logging.Logger, mail: SMTPHandler, events: Events
) -> None:
    with captured_events() as captured:
        logger.addHandler(handlers.LogHandler())
        for handler in (mail,):
            logger.removeHandler(handler)
        logger.error("failed %d times", 3)
    logger.handlers[:] = [mail]
    logger.error("failed %d times", 4)
    assert [event.fingerprint for event in events(mail)] == [captured[0].fingerprint]


@pytest.mark.parametrize("is_raising", [True, False])
def test_formatter_that_fails_goes_to_handle_error_and_the_report_goes_on(
    logger: logging.Logger,
    mail: SMTPHandler,
    events: Events,
    is_raising: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", is_raising)
    mail.setFormatter(logging.Formatter("%(no_such_name)s"))
    logger.error("all the same")
    assert [event.message for event in events(mail)] == ["all the same"]
    assert ("--- Logging error ---" in capsys.readouterr().err) is is_raising


def test_masking_release_and_ignore_are_those_of_setup(
    logger: logging.Logger, mail: SMTPHandler, events: Events, tmp_path: Path
) -> None:
    tocsin.setup(
        application="till",
        spool=str(tmp_path / "own"),
        release="1.4",
        delivery="process",
        mask_keys=["iban"],
        ignore=["shop.views.noisy", "LookupError"],
    )
    logger.error("iban=DE12")
    logger.getChild("noisy").error("left out")
    try:
        {}["x"]
    except KeyError:
        logger.exception("ignored as well")
    (event,) = events(mail)
    assert (event.application, event.release, event.prepared["text"]) == ("till", "1.4", "iban=[masked: iban]")
    assert mail._reporter is not None
    assert mail._reporter.stats()["spool"].startswith(str(tmp_path / "own" / "handlers" / "SMTPHandler-"))


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_debug_mode_and_off_send_nothing(
    logger: logging.Logger, mail: SMTPHandler, mode: str, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_MODE", mode)
    logger.error("seen on stderr at most")
    assert not spool.exists()


def test_captured_events_has_what_a_drop_in_handler_takes(logger: logging.Logger, mail: SMTPHandler) -> None:
    with captured_events() as captured:
        logger.error("within the block")
    assert [event.prepared["subject"] for event in captured] == ["Application Error"]
    assert mail._reporter is None


@pytest.mark.complaints
def test_broken_configuration_costs_no_report(
    logger: logging.Logger, mail: SMTPHandler, events: Events, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is told, and the defaults hold."""
    monkeypatch.setenv("TOCSIN_CONFIG", str(tmp_path / "missing.toml"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    logger.error("all the same")
    assert [event.message for event in events(mail)] == ["all the same"]


# -- several ways in -------------------------------------------------------------------------------------------


def test_each_destination_has_a_spool_and_equal_ones_share_it(logger: logging.Logger, spool: Path) -> None:
    def made(**changes: Any) -> SMTPHandler:
        arguments = {"mailhost": "localhost", "fromaddr": "a@b.c", "toaddrs": ["x@y.z"], "subject": "S"}
        handler = SMTPHandler(**{**arguments, **changes})
        logger.addHandler(handler)
        return handler

    one, equal, other = made(), made(), made(toaddrs="others@y.z")
    logger.error("to all")
    assert one._reporter is equal._reporter is not other._reporter
    assert len(list((spool / "handlers").iterdir())) == 2
    assert counted(one) == 2  # it passed two handlers
    assert counted(other) == 1


def test_exception_that_a_handler_had_still_reaches_the_application_s_own_reporter(
    logger: logging.Logger, mail: SMTPHandler, events: Events, tmp_path: Path
) -> None:
    """A mark of one spool says nothing of another; and the occurrence has one error id in both."""
    kept: list[Event] = []
    reporter = tocsin.setup(
        application="shop",
        spool=str(tmp_path / "own"),
        delivery="process",
        before_spool=lambda event: kept.append(event) or event,
    )
    try:
        raise KeyError("x")
    except KeyError as exc:
        logger.exception("seen by the handler")
        reporter.intake.exception(exc, via="middleware")
    assert [event.kind for event in events(mail)] == ["error"]
    assert [event.kind for event in kept] == ["error", "traceback"]  # the handler's, then the application's


def test_one_error_id_for_a_record_in_every_spool(logger: logging.Logger, mail: SMTPHandler, events: Events) -> None:
    second = SysLogHandler()
    logger.addHandler(second)
    records: list[logging.LogRecord] = []
    last = logging.Handler()
    last.emit = records.append  # type: ignore[method-assign]
    logger.addHandler(last)
    logger.error("once")
    error_id = records[0].error_id  # type: ignore[attr-defined]
    assert [event.error_id for event in (*events(mail), *events(second))] == [error_id, error_id]
    assert "error_id" not in events(second)[0].fields


def test_later_configuration_with_another_server_is_the_one_that_counts(logger: logging.Logger, events: Events) -> None:
    """A `dictConfig` closes the handlers before; what the first one took is in the same spool."""

    def configure(host: str) -> SMTPHandler:
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {
                    "mail": {
                        "class": "tocsin.handlers.SMTPHandler",
                        "mailhost": host,
                        "fromaddr": "shop@example.org",
                        "toaddrs": ["ops@example.org"],
                        "subject": "Error",
                    }
                },
                "loggers": {"shop.views": {"handlers": ["mail"]}},
            }
        )
        (handler,) = logger.handlers
        assert isinstance(handler, SMTPHandler)
        return handler

    first = configure("old.example.org")
    logger.error("before")
    second = configure("new.example.org")
    logger.error("after")
    assert first._reporter is not None
    assert first._reporter.is_closed
    assert [event.message for event in events(second)] == ["before", "after"]


def test_two_syslog_handlers_of_one_address_may_have_two_facilities(
    logger: logging.Logger, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each record brings its priority, so there is nothing to complain of, and one spool does."""
    both = [SysLogHandler(("log.example.org", 514), facility=name) for name in ("auth", "local3")]
    for handler in both:
        logger.addHandler(handler)
    logger.error("to both")
    assert both[0]._reporter is both[1]._reporter
    assert capsys.readouterr().err == ""


@pytest.mark.complaints
def test_two_living_handlers_of_one_destination_with_other_settings_are_told(
    logger: logging.Logger, mail: SMTPHandler, capsys: pytest.CaptureFixture[str]
) -> None:
    other = SMTPHandler("elsewhere.example.org", "shop@example.org", ["ops@example.org"], "Application Error")
    logger.addHandler(other)
    logger.error("to both")
    assert mail._reporter is other._reporter
    assert "the first one's hold" in capsys.readouterr().err


def test_closed_handler_takes_records_still(logger: logging.Logger, mail: SMTPHandler, events: Events) -> None:
    """As the standard one does: `dictConfig` closes handlers that a library keeps using."""
    logger.error("before")
    mail.close()
    mail.flush()
    logger.error("after")
    assert [event.message for event in events(mail)] == ["before", "after"]


def test_failing_destination_is_told_by_the_application_s_own_sinks(
    logger: logging.Logger, mail: SMTPHandler, tmp_path: Path
) -> None:
    """Never by itself: who can't be reached can't be told that."""
    told: list[str] = []
    tocsin.setup(
        application="shop",
        spool=str(tmp_path / "own"),
        delivery="process",
        before_spool=lambda event: told.append(event.message) or event,
    )
    logger.error("x")
    assert mail._reporter is not None
    mail._reporter.tell("mail:… has failed since noon", "sink is failing")
    assert told == ["x", "mail:… has failed since noon"]
    current = reporters.current()
    assert current is not None
    assert current.stats()["captured"] == 1


# -- processes -------------------------------------------------------------------------------------------------


def test_copied_and_pickled_handler_works(logger: logging.Logger, mail: SMTPHandler, events: Events) -> None:
    logger.error("first")
    for other in (copy.copy(mail), pickle.loads(pickle.dumps(mail))):
        assert other._reporter is None
        logger.handlers[:] = [other]
        logger.error("again")
    assert [event.message for event in events(other)] == ["first", "again", "again"]


def test_only_what_a_thread_does_for_tocsin_is_its_own_work() -> None:
    """A thread's number may come round again, in a forked child above all: the mark goes with the thread itself."""
    seen: list[bool] = []

    def deliver() -> None:
        with own_work():
            seen.append(is_own_work())
        seen.append(is_own_work())

    for _ in range(2):
        thread = threading.Thread(target=deliver)
        thread.start()
        thread.join()
    assert seen == [True, False, True, False]
    assert not is_own_work()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_child_writes_its_own_segment(logger: logging.Logger, mail: SMTPHandler, events: Events) -> None:
    logger.error("in the parent")
    pid = os.fork()
    if pid == 0:
        try:
            logger.error("in the child")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert sorted(event.message for event in events(mail)) == ["in the child", "in the parent"]
    assert len({event.process_id for event in events(mail)}) == 2


# -- configuration files and commands --------------------------------------------------------------------------


def test_file_config_with_the_dotted_path(tmp_path: Path, logger: logging.Logger, events: Events) -> None:
    """The old format for configuration finds the class as well."""
    path = tmp_path / "logging.ini"
    path.write_text(
        "[loggers]\nkeys=root,shop\n[handlers]\nkeys=mail\n[formatters]\nkeys=\n[logger_root]\nhandlers=\n"
        "[logger_shop]\nqualname=shop.views\nhandlers=mail\n"
        "[handler_mail]\nclass=tocsin.handlers.SMTPHandler\nlevel=ERROR\n"
        "args=('localhost', 'shop@example.org', ['ops@example.org'], 'Application Error')\n"
    )
    logging.config.fileConfig(path, disable_existing_loggers=False)
    logger.error("it broke")
    assert [event.message for event in events(logger.handlers[0])] == ["it broke"]


def test_commands_name_the_spools_of_drop_in_handlers(
    logger: logging.Logger, mail: SMTPHandler, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the application's own spool is none, since nobody called `setup`."""
    logger.error("it broke")
    assert mail._reporter is not None
    spool = mail._reporter.stats()["spool"]
    assert main(["issues"]) == 1
    assert f"give one by --spool: {spool}" in capsys.readouterr().err
    assert main(["issues", "--spool", spool, "--json"]) == 0
    assert '"title": "it broke"' in capsys.readouterr().out
