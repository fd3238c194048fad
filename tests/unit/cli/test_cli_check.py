"""`tocsin check` and `tocsin config`: what a configuration means, and whether its sinks work."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from tocsin.config.loggers import unheard_loggers
from tocsin.event import wire
from tocsin.sinks.mail import MailSink


def test_check_sends_a_marked_event_that_counts_as_none(
    spool: Any, call: Any, configuration: Path, tmp_path: Path
) -> None:
    answer = call("check", "--config", str(configuration))
    assert answer.code == 0
    assert f"ok      file:{tmp_path}/events.jsonl  " in answer.out
    line = (tmp_path / "events.jsonl").read_bytes()
    members = json.loads(line)
    assert (members["check"], members["occurrences"], members["kind"]) == (True, 0, "error")
    assert "Nothing is broken" in wire.decode(line).message
    assert members["error_id"][:6] == answer_prefix(members)


def answer_prefix(members: dict[str, Any]) -> str:
    from tocsin.event import error_id

    return error_id.prefix(members["fingerprint"])


def test_check_moves_no_cursor_and_leaves_nothing_in_the_spool(
    spool: Any, call: Any, new_event: Any, configuration: Path, tmp_path: Path
) -> None:
    spool.add(new_event(), 1, counted=4)
    call("deliver", "--drain", "--config", str(configuration))
    before = sorted(path.name for path in spool.folder.path.iterdir())
    call("check", "--config", str(configuration))
    assert sorted(path.name for path in spool.folder.path.iterdir()) == before
    spool.add(new_event(), 2)
    call("deliver", "--drain", "--config", str(configuration))
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert sum(line["occurrences"] for line in lines) == 6


def test_check_sends_a_notice_through_a_sink_that_tells_people(
    spool: Any, call: Any, configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tocsin.sinks.base import Accepted

    sent = []

    def notify(self: MailSink, notice: Any) -> Accepted:
        sent.append(notice)
        return Accepted("TLSv1.3; 250 queued as 7")

    monkeypatch.setattr(MailSink, "notify", notify)
    configuration.write_text(configuration.read_text() + _MAIL)
    answer = call("check", "--config", str(configuration))
    assert answer.code == 0
    assert "        TLSv1.3; 250 queued as 7\n" in answer.out
    assert (sent[0].reason, sent[0].issues, sent[0].application) == ("check", (), "shop")


_MAIL = '[[sinks]]\ntype = "mail"\nhost = "mail.example.org"\nto = ["ops@example.org"]\n'


def test_check_names_the_remedy_of_what_failed_and_tries_the_others(
    spool: Any, call: Any, configuration: Path, tmp_path: Path
) -> None:
    configuration.write_text(configuration.read_text() + '[[sinks]]\ntype = "file"\npath = "missing/x.jsonl"\n')
    answer = call("check", "--config", str(configuration))
    assert answer.code == 1
    assert "ok      file:" in answer.out
    assert f"FAILED  file:{tmp_path}/missing/x.jsonl" in answer.out
    assert "→ create the folder" in answer.out


def test_check_survives_a_sink_that_raises(
    spool: Any, call: Any, configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def notify(self: MailSink, notice: Any) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(MailSink, "notify", notify)
    configuration.write_text(configuration.read_text() + _MAIL)
    answer = call("check", "--config", str(configuration))
    assert answer.code == 1
    assert "RuntimeError: out of luck" in answer.out


def test_check_as_another_user_tries_no_sink(
    spool: Any, call: Any, configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file made by root would keep the application's user from writing to it."""
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    answer = call("check", "--config", str(configuration))
    assert answer.code == 1
    assert "run check as that user" in answer.out
    assert not (tmp_path / "events.jsonl").exists()


def test_check_does_not_make_the_spool(call: Any, configuration: Path, tmp_path: Path) -> None:
    answer = call("check", "--config", str(configuration))
    assert answer.code == 0
    assert "the application makes it at its first report" in answer.out
    assert not (tmp_path / "spool").exists()


def test_check_warns_of_other_modes_and_of_no_sinks(call: Any, configuration: Path) -> None:
    text = configuration.read_text()
    configuration.write_text('mode = "debug"\n' + text)
    answer = call("check", "--config", str(configuration))
    assert answer.code == 0
    assert answer.out.startswith("warning mode debug\n")
    configuration.write_text(text.partition("[[")[0])
    answer = call("check", "--config", str(configuration))
    assert answer.code == 1
    assert "there is none, so nobody is told" in answer.out


def test_config_shows_values_sources_levels_and_the_spool(call: Any, configuration: Path, tmp_path: Path) -> None:
    configuration.write_text('level = "ERROR"\n' + configuration.read_text() + 'level = "WARNING"\n' + _MAIL)
    answer = call("config", "--config", str(configuration))
    assert answer.code == 0
    assert f"({configuration})" in answer.out
    assert "(default)" in answer.out
    assert f"Spool  {tmp_path}/spool  (the setting spool; not there yet)" in answer.out
    assert "records come in from ERROR on" in answer.out
    assert f"file:{tmp_path}/events.jsonl gets from WARNING on" in answer.out
    assert "mail:mail.example.org:25/ops@example.org gets all that came in" in answer.out
    assert "wants WARNING, but nothing below ERROR comes in" in answer.err


def test_config_masks_secrets(call: Any, configuration: Path) -> None:
    configuration.write_text(configuration.read_text() + _MAIL + 'user = "shop"\npassword = "hunter2"\n')
    answer = call("config", "--config", str(configuration))
    assert answer.code == 0
    assert "hunter2" not in answer.out + answer.err
    assert "[masked]" in answer.out


def test_config_as_json_has_a_row_for_each_setting(call: Any, configuration: Path) -> None:
    rows = [json.loads(line) for line in call("config", "--json", "--config", str(configuration)).out.splitlines()]
    assert {"name": "application", "value": '"shop"', "source": str(configuration)} in rows


def test_config_by_variables_alone(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_APPLICATION", "shop")
    monkeypatch.setenv("TOCSIN_SINKS", "stderr:")
    answer = call("config")
    assert answer.code == 0
    assert "(TOCSIN_APPLICATION)" in answer.out


def test_loggers_that_do_not_propagate_are_found() -> None:
    class WayIn(logging.Handler):
        pass

    def is_way_in(handler: logging.Handler) -> bool:
        return isinstance(handler, WayIn)

    heard, unheard = logging.getLogger("tocsin_test.heard"), logging.getLogger("tocsin_test.unheard")
    handler = WayIn()
    try:
        heard.propagate = unheard.propagate = False
        assert "tocsin_test.unheard" not in unheard_loggers(is_way_in), "without a way in nothing can be said"
        heard.addHandler(handler)
        found = unheard_loggers(is_way_in)
        assert "tocsin_test.unheard" in found
        assert "tocsin_test.heard" not in found
    finally:
        heard.removeHandler(handler)
        heard.propagate = unheard.propagate = True
