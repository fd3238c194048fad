"""`tocsin status` and `tocsin spool`: what is wrong with tocsin itself, by exit codes that monitoring knows."""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.cli import status
from tocsin.delivery.health import Health
from tocsin.routing.sqlite import SqliteState
from tocsin.sinks.base import Unavailable


def _fail(spool: Any, since_s: float) -> None:
    state = SqliteState(spool.folder.state)
    now = datetime.now(UTC)
    health = Health().failed(
        Unavailable("connection refused", "start it"), now - timedelta(seconds=since_s), random.Random(1)
    )
    state.add_consumer("mail:mail.example.org:587/ops@example.org", now)
    state.save_note("mail:mail.example.org:587/ops@example.org", {"health": health.to_note()})
    state.close()


def test_spool_without_anything_is_fine(spool: Any, call: Any) -> None:
    answer = call("status", "--spool", spool.path)
    assert answer.code == 0
    assert answer.out.startswith("tocsin OK: nothing waits, nobody leads, 0 live processes\n")


def test_missing_spool_is_a_warning(call: Any) -> None:
    answer = call("status", "--spool", "nowhere")
    assert answer.code == 1
    assert answer.out.startswith("tocsin WARNING: there is no spool at ")


def test_fresh_events_may_wait_a_moment_for_a_leader(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(age_s=5), 1)
    assert call("status", "--spool", spool.path).code == 0


def test_old_events_that_nobody_delivers_are_critical(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(age_s=90), 1, counted=4)
    answer = call("status", "--spool", spool.path)
    assert answer.code == 2
    assert answer.out.startswith("tocsin CRITICAL: nobody delivers while 5 occurrences wait; ")


def test_fault_that_a_dead_leader_counted_but_never_told_is_critical(spool: Any, call: Any, new_event: Any) -> None:
    """The leader died between the ledger and its first notice, and no worker has served a request since."""
    spool.add(new_event(age_s=90), 1)
    state = SqliteState(spool.folder.state)
    state.add_consumer("mail:mail.example.org:587/ops@example.org", datetime(2026, 1, 1, tzinfo=UTC))
    state.close()
    assert call("issues", "--spool", spool.path).code == 0  # brings the ledger up to date, and tells nobody
    answer = call("status", "--spool", spool.path)
    assert answer.code == 2
    assert answer.out.startswith("tocsin CRITICAL: nobody delivers while 1 occurrence waits; ")


def test_fault_that_no_sink_is_to_be_told_of_is_no_backlog(
    spool: Any, call: Any, new_event: Any, configuration: Any
) -> None:
    """Nobody leads an application that is idle, and a mail of other loggers' faults is not overdue for that."""
    spool.add(new_event(age_s=90), 1)
    state = SqliteState(spool.folder.state)
    state.add_consumer("mail:mail.example.org:25/ops@example.org", datetime(2026, 1, 1, tzinfo=UTC))
    state.close()
    text = configuration.read_text().partition("[[sinks]]")[0].replace('"spool"', f'"{spool.path}"')
    mail = 'type = "mail"\nhost = "mail.example.org"\nto = ["ops@example.org"]\n'
    configuration.write_text(f'{text}[[sinks]]\n{mail}loggers = ["shop.billing"]\n')
    assert "ZeroDivisionError" in call("issues", "--config", str(configuration)).out
    assert call("status", "--config", str(configuration)).code == 0
    configuration.write_text(f"{text}[[sinks]]\n{mail}")
    assert call("status", "--config", str(configuration)).code == 2


def test_any_other_folder_is_no_spool(call: Any) -> None:
    for command in ("status", "issues"):
        answer = call(command, "--spool", "/etc")
        assert answer.code != 0
        assert "is no spool" in answer.out + answer.err


def test_backlog_of_a_leader_is_a_warning(spool: Any, call: Any, new_event: Any, hold: Any) -> None:
    spool.add(new_event(age_s=400), 1)
    with hold(spool.folder.leader_lock) as pid:
        answer = call("status", "--spool", spool.path)
    assert answer.code == 1
    assert "is 7 min behind" in answer.out
    assert f"a test (pid {pid}) leads" in answer.out


@pytest.mark.parametrize(("since_s", "code"), [(10, 0), (120, 1), (1200, 2)])
def test_failing_sink_is_a_warning_then_critical(since_s: float, code: int, spool: Any, call: Any) -> None:
    _fail(spool, since_s)
    answer = call("status", "--spool", spool.path)
    assert answer.code == code
    assert ("connection refused; start it" in answer.out) is bool(code)


def test_damaged_state_is_critical(spool: Any, call: Any) -> None:
    spool.folder.state.write_bytes(b"no database at all " * 500)
    answer = call("status", "--spool", spool.path)
    assert answer.code == 2
    assert "it is damaged" in answer.out


def test_recent_losses_are_a_warning(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(age_s=1), 1)
    spool.writer.tally("internal", 3)
    spool.writer.tally("disconnects", 9)
    answer = call("status", "--spool", spool.path)
    assert answer.code == 1
    assert "3 lost of late (internal)" in answer.out
    assert "disconnects" not in answer.out


def test_other_modes_are_a_warning(spool: Any, call: Any, configuration: Any) -> None:
    configuration.write_text(configuration.read_text().replace("[[sinks]]", 'mode = "off"\n[[sinks]]'))
    answer = call("status", "--config", str(configuration))
    assert answer.code == 1
    assert "mode is off" in answer.out


def test_full_disk_is_a_warning(spool: Any, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "FREE_BYTES", 1 << 62)
    assert "are free on the spool's disk" in call("status", "--spool", spool.path).out


def test_json_holds_code_and_problems(spool: Any, call: Any) -> None:
    _fail(spool, 1200)
    answer = call("status", "--json", "--spool", spool.path)
    told = json.loads(answer.out)
    assert (answer.code, told["code"], told["status"]) == (2, 2, "critical")
    assert told["problems"][0]["status"] == "critical"
    assert told["consumers"][0]["name"].startswith("mail:")


def test_spool_tells_waiting_processes_and_losses(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1, counted=3)
    spool.writer.tally("internal", 2)
    spool.writer.tally("bad_hosts", 5)
    answer = call("spool", "--spool", spool.path)
    assert answer.code == 0
    assert "the first delivery  4  waiting" in answer.out
    assert f"pid {os.getpid()}  alive  1 segment" in answer.out
    assert "2  internal  tocsin itself failed" in answer.out
    assert "5  bad_hosts  requests with a Host that the application refuses" in answer.out


def test_spool_tells_of_the_dead_and_of_what_fails(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    spool.writer.close()
    _fail(spool, 1200)
    answer = call("spool", "--spool", spool.path)
    assert "  dead  " in answer.out
    assert "fails for 20 min: connection refused; start it" in answer.out


def test_spool_as_json_is_whole(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    told = json.loads(call("spool", "--json", "--spool", spool.path).out)
    assert told["consumers"][0]["occurrences"] == 1
    assert told["processes"][0]["is_alive"] is True
    assert told["leader"] is None


def test_spool_with_a_damaged_state_tells_what_it_can(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    spool.folder.state.write_bytes(b"no database at all " * 500)
    answer = call("spool", "--spool", spool.path)
    assert answer.code == 1
    assert "it is damaged" in answer.out
    assert "1 segment" in answer.out
