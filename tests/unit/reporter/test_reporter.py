"""The Reporter's life: threads at the first event, flush, close, exit, debug mode, faults told at once."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tocsin
from tocsin import reporter as reporters
from tocsin.cli.destinations import build_sinks
from tocsin.config.load import load
from tocsin.reporter.reporter import _build_sinks


@pytest.fixture
def config(tmp_path: Path) -> Iterator[dict[str, Any]]:
    yield {
        "application": "shop",
        "spool": str(tmp_path / "spool"),
        "sinks": [{"type": "file", "path": str(tmp_path / "events.jsonl")}],
    }
    reporter = reporters.current()
    if reporter is not None:
        reporter.close()


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)


def test_flush_delivers_what_was_reported(config: dict[str, Any], tmp_path: Path) -> None:
    reporter = tocsin.setup(config)
    ids = [reporter.report(message=f"fault {name}") for name in ("one", "two")]
    assert reporter.flush(10)
    assert [line["error_id"] for line in lines(tmp_path)] == ids
    assert reporter.stats()["is_leader"]


def test_flush_without_any_event_has_nothing_to_wait_for(config: dict[str, Any]) -> None:
    assert tocsin.setup(config).flush(0)


def test_flush_of_a_process_that_only_served_has_nothing_to_wait_for(
    config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = tocsin.setup(config)
    app = reporter.wsgi(lambda environ, start_response: [start_response("200 OK", []) or b"fine"])
    app({}, lambda *_: None)
    assert reporter.flush(1)
    assert capsys.readouterr().err == ""


def test_flush_says_no_when_nobody_delivers(config: dict[str, Any]) -> None:
    reporter = tocsin.setup(config, delivery="process")
    reporter.report(message="x")
    assert not reporter.flush(0.1)


def test_a_reporter_is_a_context_manager_and_close_delivers(config: dict[str, Any], tmp_path: Path) -> None:
    with tocsin.setup(config) as reporter:
        reporter.report(message="x")
    assert [line["message"] for line in lines(tmp_path)] == ["x"]
    assert reporters.current() is None


def test_after_close_nothing_is_reported_and_nothing_raises(config: dict[str, Any], tmp_path: Path) -> None:
    reporter = tocsin.setup(config)
    reporter.close()
    reporter.close()
    assert reporter.report(message="late") == ""
    assert not (tmp_path / "events.jsonl").exists()


def test_what_exit_handlers_report_after_ours_is_spooled(config: dict[str, Any], tmp_path: Path) -> None:
    ran = run(
        f"""
        import atexit, logging, tocsin
        atexit.register(lambda: logging.getLogger("shop").error("at the very end"))
        tocsin.setup({config!r}).report(message="first")
        """
    )
    assert ran.returncode == 0
    assert ran.stderr.strip() == "at the very end"  # by logging's last resort, as without tocsin
    reporter = tocsin.setup(config)
    reporter.report(message="next process")
    assert reporter.flush(10)
    assert {line["message"] for line in lines(tmp_path)} == {"first", "at the very end", "next process"}


@pytest.mark.complaints
def test_a_spool_that_somebody_removed_is_begun_anew(config: dict[str, Any], tmp_path: Path) -> None:
    reporter = tocsin.setup(config, delivery="process")
    for _ in range(2):
        reporter.report(message="lost with the folder")
    shutil.rmtree(config["spool"])
    reporter.intake.processes.current().writer.retry_pending()  # as the delivery thread does
    reporter.report(message="kept")
    assert b"kept" in next(Path(config["spool"]).glob("*.events")).read_bytes()


def test_debug_mode_shows_what_is_reported_by_hand(tmp_path: Path) -> None:
    ran = run(
        """
        import tocsin
        reporter = tocsin.setup({"application": "shop", "mode": "debug"})
        try:
            {}["seen"]
        except KeyError as fault:
            reporter.report(fault)
        reporter.report(message="by hand")
        """
    )
    assert "KeyError: 'seen'" in ran.stderr
    assert "by hand" in ran.stderr


def test_a_script_that_ends_at_once_still_delivers(config: dict[str, Any], tmp_path: Path) -> None:
    ran = run(f"import tocsin; tocsin.setup({config!r}).report(message='last words')")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [line["message"] for line in lines(tmp_path)] == ["last words"]


def test_what_a_killed_process_reported_is_delivered_by_the_next(config: dict[str, Any], tmp_path: Path) -> None:
    ran = run(
        f"""
        import os, tocsin
        tocsin.setup({config!r}, delivery="process").report(message="before the kill")
        os.kill(os.getpid(), 9)
        """
    )
    assert ran.returncode == -9
    reporter = tocsin.setup(config)
    reporter.report(message="after")
    assert reporter.flush(10)
    assert [line["message"] for line in lines(tmp_path)] == ["before the kill", "after"]


def test_a_read_only_spool_degrades_to_stderr_and_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    config = {"application": "shop", "spool": str(tmp_path / "file" / "spool")}
    ran = run(
        f"""
        import tocsin
        reporter = tocsin.setup({config!r})
        for n in range(50):
            reporter.report(message="still told")
        print(reporter.stats()["pending"], reporter.stats()["tallies"])
        """
    )
    assert ran.returncode == 0
    assert ran.stderr.count("can't be made") == 1
    assert "still told" in ran.stderr
    assert ran.stdout.split() == ["50", "{'unwritable':", "50}"]


def test_debug_mode_shows_everything_on_stderr_and_catches_nothing(tmp_path: Path) -> None:
    ran = run(
        f"""
        import logging, tocsin
        reporter = tocsin.setup({{"application": "shop", "mode": "debug", "spool": {str(tmp_path / "spool")!r},
                                 "sinks": ["smtp://mail.invalid?to=ops@example.org"]}})
        logging.getLogger("shop").info("chatter")
        def app(environ, start_response):
            raise KeyError("seen by nobody else")
        assert reporter.wsgi(app) is app
        try:
            app({{}}, None)
        except KeyError:
            logging.getLogger("shop").exception("broke")
        """
    )
    assert ran.returncode == 0
    assert "chatter" in ran.stderr
    assert "Traceback (most recent call last)" in ran.stderr
    assert "KeyError: 'seen by nobody else'" in ran.stderr
    assert not (tmp_path / "spool").exists()


def test_the_debugger_is_refused_in_production(config: dict[str, Any]) -> None:
    with pytest.raises(tocsin.ConfigError, match="debugger"):
        tocsin.setup(config, debugger=True)


@pytest.mark.parametrize("builder", ["reporter", "command"])
def test_sinks_are_given_what_masks_as_the_settings_say(config: dict[str, Any], builder: str) -> None:
    """What a server answers may quote what it was sent; sinks mask it before anybody is shown it."""
    settings = load({**config, "sinks": ["syslog+udp://127.0.0.1"], "mask_keys": ["pet"]}, {}, {})
    sinks = _build_sinks(settings)[0] if builder == "reporter" else build_sinks(settings)
    masked = sinks[0].sink._context.mask("password=hunter2 pet=rex")  # type: ignore[attr-defined]
    assert "hunter2" not in masked
    assert "rex" not in masked


def test_all_faults_of_a_configuration_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(tocsin.ConfigError) as caught:
        tocsin.setup({"mod": "debug", "keep_days": -1, "sinks": [{"type": "fil"}, {"type": "file"}, "gopher:x"]})
    text = str(caught.value)
    for word in ("mod", "keep_days", "application", "'fil'", "path", "sinks[2]"):
        assert word in text
    assert len(caught.value.faults) >= 6


def test_install_without_setup_says_what_to_do() -> None:
    with pytest.raises(tocsin.ConfigError, match="setup"):
        tocsin.install(object())


def test_module_level_report_without_setup_is_harmless() -> None:
    assert tocsin.report(message="x") == ""


@pytest.mark.parametrize("page", ["<h1>ours {error_id}</h1>", lambda error_id, accept: f"<h1>ours {error_id}</h1>"])
def test_the_500_page_is_replaceable(config: dict[str, Any], page: Any) -> None:
    reporter = tocsin.setup(config, error_page=page)
    error_id = reporter.report(message="x")
    _, headers, body = reporter.intake.page({"HTTP_ACCEPT": "text/html"}, error_id)
    assert body == f"<h1>ours {error_id}</h1>".encode()
    assert dict(headers)["X-Error-Id"] == error_id


def test_a_500_page_of_ones_own_that_fails_falls_back_and_is_reported(config: dict[str, Any], tmp_path: Path) -> None:
    reporter = tocsin.setup(config, error_page=lambda error_id, accept: 1 / 0)
    _, _, body = reporter.intake.page({"HTTP_ACCEPT": "text/html"}, "7K3QDM-24F2")
    assert b"7K3QDM-24F2" in body
    assert reporter.flush(10)
    assert [line["exception"]["type"] for line in lines(tmp_path)] == ["ZeroDivisionError"]


def test_the_reporter_of_a_test_sends_nothing_and_keeps_what_happened() -> None:
    from tocsin.testing import captured_events

    with captured_events() as events:
        logging.getLogger("shop").addHandler(handler := tocsin.LogHandler())
        logging.getLogger("shop").error("captured")
        logging.getLogger("shop").removeHandler(handler)
    assert [event.message for event in events] == ["captured"]
    assert reporters.current() is None


def test_setup_within_captured_events_returns_what_captures(config: dict[str, Any], tmp_path: Path) -> None:
    from tocsin.testing import captured_events

    with captured_events() as events:
        assert tocsin.setup(config) is events.reporter
        tocsin.report(message="x")
    assert [event.message for event in events] == ["x"]
    assert not (tmp_path / "spool").exists()


@pytest.mark.complaints
def test_what_memory_kept_is_written_at_close_if_it_can_be(config: dict[str, Any], tmp_path: Path) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("in the way")
    reporter = tocsin.setup(config, delivery="process")
    reporter.report(message="kept")
    assert reporter.stats()["pending"] == 1
    blocked.unlink()
    reporter.close()
    assert b"kept" in next(blocked.glob("*.events")).read_bytes()


def test_a_dead_mail_server_is_told_by_the_other_sinks(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.event.limits.SINK_DOWN_TOLD_S", 0.0)
    config["sinks"] = [*config["sinks"], "smtp://127.0.0.1:1?to=ops@example.org&gather=0s"]  # nobody listens on 1
    reporter = tocsin.setup(config)
    reporter.report(message="x")
    assert not reporter.flush(3)
    told = [line for line in lines(tmp_path) if line["logger"] == "tocsin.delivery"]
    assert len(told) == 1
    assert "mail:127.0.0.1:1/[masked: e-mail address] has failed since" in told[0]["message"]
    reporter.close(0)


def test_no_thread_starts_in_a_master_of_uwsgi_which_forks_behind_python_s_back(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker made while a thread waits for the interpreter's lock hangs; a server without workers becomes one."""
    server = SimpleNamespace(worker_id=lambda: 0, mule_id=lambda: 0)
    monkeypatch.setitem(sys.modules, "uwsgi", server)
    reporter = tocsin.setup(config)
    reporter.report(message="while it is loaded")
    assert not reporter.is_hosting
    server.worker_id = lambda: 1
    reporter.report(message="while it serves")
    assert reporter.is_hosting
