"""`tocsin issues` and `tocsin mute`: the list is exact and current, whoever leads; a mute is applied at once."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tocsin.cli import mute
from tocsin.routing.sqlite import SqliteState


def test_empty_spool_says_that_nothing_is_broken(spool: Any, call: Any) -> None:
    answer = call("issues", "--spool", spool.path)
    assert (answer.code, answer.out, answer.err) == (0, "Nothing is broken.\n", "")


def test_each_fault_has_one_line_with_its_exact_count(spool: Any, call: Any, new_event: Any) -> None:
    first = spool.add(new_event(age_s=7200), 7, counted=36)
    second = spool.add(new_event("KeyError", age_s=1), 8)
    answer = call("issues", "--spool", spool.path)
    head, *lines = answer.out.splitlines()
    assert head.split() == ["ISSUE", "COUNT", "KIND", "LAST", "SEEN", "FIRST", "SEEN", "WHAT"]
    assert {line[:6] for line in lines} == {first[:6], second[:6]}
    counted = next(line for line in lines if line.startswith(first[:6]))
    assert counted.split()[1:3] == ["37", "traceback"]
    assert "2 h ago" in counted
    assert counted.endswith("ZeroDivisionError in shop.orders.pay")


def test_reading_twice_counts_once_and_registers_nobody(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1, counted=2)
    first = call("issues", "--spool", spool.path, "--json")
    assert json.loads(first.out)["count"] == 3
    assert json.loads(call("issues", "--spool", spool.path, "--json").out)["count"] == 3
    state = SqliteState(spool.folder.state, read_only=True)
    assert state.consumers() == ()
    state.close()


def test_json_has_one_object_per_line(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    spool.add(new_event("KeyError"), 2)
    lines = [json.loads(line) for line in call("issues", "--spool", spool.path, "--json").out.splitlines()]
    assert {line["title"] for line in lines} == {"ZeroDivisionError", "KeyError"}
    assert all(line["muted_until"] is None and line["first_seen"].endswith("+00:00") for line in lines)


def test_since_leaves_out_what_is_older(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(age_s=7200), 1)
    assert call("issues", "--spool", spool.path, "--since", "1h").out == "Nothing broke within 60 min.\n"
    assert "ZeroDivisionError" in call("issues", "--spool", spool.path, "--since", "3h").out


def test_limit_says_that_there_may_be_more(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    spool.add(new_event("KeyError"), 2)
    answer = call("issues", "--spool", spool.path, "-n", "1")
    assert "There may be more than these 1" in answer.out


def test_configuration_names_the_spool(spool: Any, call: Any, new_event: Any, configuration: Any) -> None:
    spool.add(new_event(), 1)
    assert "ZeroDivisionError" in call("issues", "--config", str(configuration)).out


def test_sink_that_could_not_be_built_does_not_keep_from_reading(spool: Any, call: Any, configuration: Any) -> None:
    configuration.write_text(configuration.read_text() + "max_mb = 0\n")
    assert call("issues", "--config", str(configuration)).code == 0


def test_hostile_title_can_not_drive_the_terminal(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event("Bad\x1b[2JError\n7K3QDM  99"), 1)
    answer = call("issues", "--spool", spool.path)
    assert "\x1b" not in answer.out
    assert len(answer.out.splitlines()) == 2


def test_what_another_process_leads_is_only_read(spool: Any, call: Any, new_event: Any, hold: Any) -> None:
    spool.add(new_event(), 1)
    call("issues", "--spool", spool.path)
    spool.add(new_event("KeyError"), 2)
    with hold(spool.folder.leader_lock):
        assert "KeyError" not in call("issues", "--spool", spool.path).out
    assert "KeyError" in call("issues", "--spool", spool.path).out


def test_other_user_gets_the_figures_of_the_last_delivery(
    spool: Any, call: Any, new_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.add(new_event(), 1)
    call("issues", "--spool", spool.path)
    spool.add(new_event("KeyError"), 2)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    answer = call("issues", "--spool", spool.path)
    assert answer.code == 0
    assert "KeyError" not in answer.out
    assert answer.err.startswith("tocsin: figures are as of the last delivery: the spool")


def test_damaged_state_is_told_with_a_remedy(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    spool.folder.state.write_bytes(b"no database at all " * 500)
    answer = call("issues", "--spool", spool.path)
    assert answer.code == 1
    assert "it is damaged" in answer.err
    assert answer.err.count("\n") == 1


def test_muted_fault_is_left_out_until_asked_for(spool: Any, call: Any, new_event: Any) -> None:
    prefix = spool.add(new_event(), 1)[:6]
    answer = call("mute", prefix.lower(), "--for", "7d", "--spool", spool.path)
    assert answer.code == 0
    assert f"tocsin mute {prefix} --off" in answer.out
    listed = call("issues", "--spool", spool.path)
    assert listed.out == "Nothing is broken.\n1 muted; --all shows them.\n"
    assert "(muted for 7 d) ZeroDivisionError" in call("issues", "--all", "--spool", spool.path).out
    assert "is told again" in call("mute", prefix, "--off", "--spool", spool.path).out
    assert prefix in call("issues", "--spool", spool.path).out


def test_fault_is_muted_by_its_whole_error_id_and_by_its_fingerprint(spool: Any, call: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 1)
    assert call("mute", error_id, "--spool", spool.path).code == 0
    shown = json.loads(call("issues", "--all", "--json", "--spool", spool.path).out)
    assert shown["muted_until"] is not None
    assert call("mute", shown["fingerprint"], "--off", "--spool", spool.path).code == 0


def test_unknown_fault_can_not_be_muted(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    answer = call("mute", "222222", "--spool", spool.path)
    assert answer.code == 1
    assert "no issue 222222" in answer.err
    assert not list(spool.folder.mutes.glob("*")) if spool.folder.mutes.exists() else True


def test_other_user_may_not_mute(spool: Any, call: Any, new_event: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = spool.add(new_event(), 1)[:6]
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    answer = call("mute", prefix, "--spool", spool.path)
    assert answer.code == 1
    assert "belongs to" in answer.err
    assert "sudo -u" in answer.err


def test_mute_that_the_leader_does_not_apply_stays_asked_for(
    spool: Any, call: Any, new_event: Any, hold: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = spool.add(new_event(), 1)[:6]
    call("issues", "--spool", spool.path)
    monkeypatch.setattr(mute, "_WAIT_S", 0.0)
    with hold(spool.folder.leader_lock) as pid:
        answer = call("mute", prefix, "--spool", spool.path)
    assert answer.code == 1
    assert f"a test (pid {pid}) has not done it" in answer.err
    assert len(list(spool.folder.mutes.glob("*.json"))) == 1


def test_a_spool_whose_state_is_shared_asks_for_the_configuration_that_names_it(call, spool, new_event):
    """``--spool`` alone doesn't say which database; nothing is counted a second time into a file."""
    spool.add(new_event(), 1)
    (spool.folder.path / "spool.id").write_text("0" * 32)
    answer = call("issues", "--spool", spool.path)
    assert answer.code == 1
    assert "is in a database, shared with other hosts: give --config FILE" in answer.err
    assert not spool.folder.state.exists()
