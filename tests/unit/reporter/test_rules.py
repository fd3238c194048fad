"""The eight rules of logging, set-up and configuration without surprises; docs/explanation/logging-rules.md."""

from __future__ import annotations

import io
import logging
import logging.config
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tocsin
from tocsin import reporter as reporters
from tocsin.config.load import load
from tocsin.config.spool_path import spool_place
from tocsin.handlers.unlocked import Unlocked
from tocsin.spool.folder import Folder
from tocsin.spool.reader import SpoolReader


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.chdir(tmp_path)
    yield {"application": "shop", "spool": str(tmp_path / "spool"), "delivery": "process"}
    reporter = reporters.current()
    if reporter is not None:
        reporter.close()


def messages(reporter: tocsin.Reporter) -> list[str]:
    from tocsin.event import wire

    found = []
    for reader in SpoolReader(Folder(reporter.stats()["spool"])).generations():
        found += [wire.decode(record.body).message for record in reader.records(0, 10**7)[1:] if record.body]
    return found


# -- 1: one Reporter per process -------------------------------------------------------------------------------


def test_rule_1_equal_settings_return_the_same_reporter(config: dict[str, Any]) -> None:
    assert tocsin.setup(config) is tocsin.setup(dict(config))


def test_rule_1_other_settings_are_a_config_error_that_names_them(config: dict[str, Any]) -> None:
    tocsin.setup(config)
    with pytest.raises(tocsin.ConfigError, match="release"):
        tocsin.setup(config, release="2")


def test_rule_1_after_close_a_process_may_be_set_up_anew(config: dict[str, Any]) -> None:
    tocsin.setup(config).close()
    assert tocsin.setup(config, release="2").settings.release == "2"


# -- 2: LogHandler binds at its first record and never closes the Reporter ---------------------------------------


def test_rule_2_a_handler_makes_the_reporter_at_its_first_record(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in config.items():
        monkeypatch.setenv(f"TOCSIN_{name.upper()}", value)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"tocsin": {"class": "tocsin.LogHandler"}},
            "root": {"handlers": ["tocsin"]},
        }
    )
    assert reporters.current() is None
    logging.getLogger("shop").error("first")
    reporter = reporters.current()
    assert reporter is not None
    assert messages(reporter) == ["first"]


def test_rule_2_a_later_dict_config_does_not_end_reporting(config: dict[str, Any]) -> None:
    reporter = tocsin.setup(config)
    logging.getLogger("shop").error("before")
    logging.config.dictConfig(
        {
            "version": 1,
            "handlers": {"tocsin": {"class": "tocsin.LogHandler"}},
            "root": {"handlers": ["tocsin"]},
            "disable_existing_loggers": False,
        }
    )
    logging.getLogger("shop").error("after")
    assert messages(reporter) == ["before", "after"]


@pytest.mark.complaints
def test_rule_2_a_handler_without_any_configuration_complains_once_and_raises_nothing(
    config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    handler = tocsin.LogHandler()
    logging.getLogger("shop").addHandler(handler)
    try:
        for _ in range(3):
            logging.getLogger("shop").error("unheard")
    finally:
        logging.getLogger("shop").removeHandler(handler)
    assert capsys.readouterr().err.count("LogHandler reports nothing: application is required") == 1


# -- 3: one root handler, nothing else is changed ----------------------------------------------------------------


def test_rule_3_setup_adds_its_two_handlers_to_root_and_changes_nothing_else(config: dict[str, Any]) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("shop").propagate)
    reporter = tocsin.setup(config)
    added = [handler for handler in root.handlers if handler not in before[1]]
    assert [(type(handler).__mro__[1], handler.level) for handler in added] == [
        (tocsin.LogHandler, logging.WARNING),
        (Unlocked, logging.NOTSET),  # the lead-up's, which only remembers
    ]
    assert (root.level, logging.getLogger("shop").propagate) == (before[0], before[2])
    reporter.close()
    assert root.handlers == before[1]


def test_rule_3_no_root_handler_where_one_is_attached_anywhere_or_none_is_wanted(config: dict[str, Any]) -> None:
    before = list(logging.getLogger().handlers)
    tocsin.setup(config, root_handler=False).close()
    handler = tocsin.LogHandler()
    logging.getLogger("shop.deep").addHandler(handler)
    try:
        tocsin.setup(config)
        assert logging.getLogger().handlers == before
    finally:
        logging.getLogger("shop.deep").removeHandler(handler)


def test_rule_3_what_nobody_else_takes_still_shows_on_stderr(config: dict[str, Any]) -> None:
    """In a process of its own: pytest's handlers would take the record."""
    script = (
        "import logging, tocsin\n"
        f"r = tocsin.setup({config!r})\n"
        "logging.getLogger('a').warning('still seen')\n"
        "logging.basicConfig()\n"
        "logging.getLogger('a').warning('seen once')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stderr.count("still seen") == 1
    assert ran.stderr.count("seen once") == 1


# -- 4: capture does not depend on loggers; the announcement is logged once --------------------------------------


def test_rule_4_capture_does_not_depend_on_a_logger_and_the_announcement_is_one_record_per_event(
    config: dict[str, Any],
) -> None:
    reporter = tocsin.setup(config)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger("tocsin.report").addHandler(handler)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise ValueError("with password=hunter2")

    try:
        logging.disable(logging.CRITICAL)
        reporter.wsgi(app)({"PATH_INFO": "/a", "REQUEST_METHOD": "GET"}, lambda *_: None)
        logging.disable(logging.NOTSET)
        for _ in range(30):
            reporter.wsgi(app)({"PATH_INFO": "/a", "REQUEST_METHOD": "GET"}, lambda *_: None)
    finally:
        logging.disable(logging.NOTSET)
        logging.getLogger("tocsin.report").removeHandler(handler)
    spooled = messages(reporter)
    assert reporter.stats()["captured"] == len(spooled) == 6  # the burst and the 10th; announced is all but the first
    assert reporter.stats()["counted"] == 25
    assert stream.getvalue().count("error ") >= 5
    assert "hunter2" not in stream.getvalue()
    assert "Traceback" in stream.getvalue()


def test_rule_4_a_framework_record_carries_the_error_id_for_other_handlers(config: dict[str, Any]) -> None:
    reporter = tocsin.setup(config)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s [%(error_id)s]"))
    logging.getLogger().addHandler(handler)
    try:
        logging.getLogger("shop").error("hello")
    finally:
        logging.getLogger().removeHandler(handler)
    assert "hello [" in stream.getvalue()
    assert messages(reporter) == ["hello"]


# -- 5: the handler's level gates intake, a sink's level gates delivery ------------------------------------------


def test_rule_5_the_handlers_level_gates_intake(config: dict[str, Any]) -> None:
    reporter = tocsin.setup(config, level="ERROR")
    logging.getLogger("shop").warning("below")
    logging.getLogger("shop").error("above")
    assert messages(reporter) == ["above"]


# -- 6: records with a status code follow the status set ---------------------------------------------------------


def test_rule_6_records_with_a_status_follow_the_status_set(config: dict[str, Any]) -> None:
    reporter = tocsin.setup(config)
    logger = logging.getLogger("django.request")
    logger.warning("Not Found: %s", "/x", extra={"status_code": 404})
    logger.warning("Bad Request: %s", "/y", extra={"status_code": 400})
    logger.error("Internal Server Error: %s", "/z", extra={"status_code": 500})
    assert messages(reporter) == ["Bad Request: /y", "Internal Server Error: /z"]


# -- 7: production names its configuration -----------------------------------------------------------------------


def test_rule_7_a_file_in_the_working_directory_is_read_in_debug_only(config: dict[str, Any]) -> None:
    Path("tocsin.toml").write_text('application = "fromfile"\n')
    with pytest.raises(tocsin.ConfigError, match=r"tocsin\.toml"):
        tocsin.setup()
    assert load(None, {"mode": "debug"}, {}).application == "fromfile"
    assert load(None, {}, {"TOCSIN_CONFIG": "tocsin.toml"}).application == "fromfile"


def test_rule_7_setup_and_import_open_nothing_and_load_the_standard_library_only(config: dict[str, Any]) -> None:
    script = f"""
import sys, threading, os
loaded = set(sys.modules)  # .pth files of packages that are installed beside load what they like
before = set(os.listdir("/proc/self/fd"))
opened = []
sys.addaudithook(lambda name, args: opened.append((name, args)) if name.startswith("socket.") else None)
import tocsin
reporter = tocsin.setup({config!r}, sinks=["file:{config["spool"]}/x.jsonl", "smtp://localhost?to=ops@example.org"])
assert threading.active_count() == 1, threading.enumerate()
assert set(os.listdir("/proc/self/fd")) == before
assert not [o for o in opened if o[0] != "socket.gethostname"], opened
assert not os.path.exists({config["spool"]!r})
foreign = {{name.partition(".")[0] for name in set(sys.modules) - loaded}}
foreign -= {{*sys.stdlib_module_names, "tocsin", "__main__"}}
foreign = {{name for name in foreign if not name.startswith(("_", "sitecustomize", "usercustomize"))}}
print(sorted(foreign))
assert "smtplib" not in sys.modules and "sqlite3" not in sys.modules
"""
    ran = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "[]", "")


# -- 8: the spool is private, and application is required --------------------------------------------------------


def test_rule_8_the_spool_is_private_and_found_by_the_rules(config: dict[str, Any], tmp_path: Path) -> None:
    reporter = tocsin.setup(config)
    reporter.report(message="x")
    assert stat.S_IMODE(Path(config["spool"]).stat().st_mode) == 0o700
    assert spool_place("", "shop", {"STATE_DIRECTORY": str(tmp_path)}, os.geteuid()).path.startswith(str(tmp_path))


def test_rule_8_an_application_name_is_required(config: dict[str, Any]) -> None:
    with pytest.raises(tocsin.ConfigError, match="application"):
        tocsin.setup({"spool": config["spool"]})


def test_rule_3_a_dict_config_after_setup_does_not_end_reporting(
    config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = tocsin.setup(config)
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": {"handlers": []}})
    list(reporter.wsgi(lambda environ, start_response: [start_response("200 OK", []) or b""])({}, lambda *_: None))
    logging.getLogger("shop").error("after a dictConfig of root")
    assert messages(reporter) == ["after a dictConfig of root"]
    assert capsys.readouterr().err.count("it is back") == 1
