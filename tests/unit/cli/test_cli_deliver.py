"""`tocsin deliver`: what waits goes out exactly, in the place of a worker's thread, and a stop is graceful."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import crew, drain
from tocsin.event import limits
from tocsin.routing.sqlite import SqliteState
from tocsin.spool.locks import is_held


def _sums(path: Path) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        members = json.loads(line)
        sums[members["error_id"][:6]] += members["occurrences"]
    return dict(sums)


def test_drain_delivers_exact_counts(
    spool: Any, call: Any, new_event: Any, configuration: Path, tmp_path: Path
) -> None:
    one = spool.add(new_event(), 1, counted=36)
    two = spool.add(new_event("KeyError"), 2)
    answer = call("deliver", "--drain", "--config", str(configuration))
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "delivered; nothing waits any more\n"
    assert _sums(tmp_path / "events.jsonl") == {one[:6]: 37, two[:6]: 1}
    assert not list(spool.folder.path.glob("*.hurry"))
    assert not is_held(spool.folder.leader_lock)


def test_drain_again_delivers_nothing_twice(
    spool: Any, call: Any, new_event: Any, configuration: Path, tmp_path: Path
) -> None:
    spool.add(new_event(), 1)
    call("deliver", "--drain", "--config", str(configuration))
    before = (tmp_path / "events.jsonl").read_bytes()
    assert call("deliver", "--drain", "--config", str(configuration)).code == 0
    assert (tmp_path / "events.jsonl").read_bytes() == before


def test_drain_of_an_empty_spool_is_done_at_once(call: Any, configuration: Path) -> None:
    assert call("deliver", "--drain", "--config", str(configuration)).code == 0


def test_spool_and_sink_stand_in_for_a_configuration(spool: Any, call: Any, new_event: Any, tmp_path: Path) -> None:
    error_id = spool.add(new_event(), 1, counted=4)
    answer = call("deliver", "--drain", "--spool", spool.path, "--sink", "file:copy.jsonl")
    assert answer.code == 0
    assert _sums(tmp_path / "copy.jsonl") == {error_id[:6]: 5}
    assert json.loads((tmp_path / "copy.jsonl").read_text().splitlines()[-1])["application"] == "shop"


def test_stand_in_starts_at_the_oldest_event_unless_told_otherwise(
    spool: Any, call: Any, new_event: Any, configuration: Path, tmp_path: Path
) -> None:
    spool.add(new_event(), 1)
    call("deliver", "--drain", "--config", str(configuration))
    call("deliver", "--drain", "--spool", spool.path, "--sink", "file:all.jsonl", "--sink", "file:new.jsonl?from=now")
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) == 1
    assert not (tmp_path / "new.jsonl").exists()


def test_stand_in_leaves_the_cursors_of_others_alone(
    spool: Any, call: Any, new_event: Any, configuration: Path, tmp_path: Path
) -> None:
    spool.add(new_event(), 1)
    call("deliver", "--drain", "--config", str(configuration))
    spool.add(new_event("KeyError"), 2)
    call("deliver", "--drain", "--spool", spool.path, "--sink", "file:copy.jsonl")
    state = SqliteState(spool.folder.state, read_only=True)
    assert f"file:{tmp_path}/events.jsonl" in state.consumers()
    state.close()
    call("deliver", "--drain", "--config", str(configuration))
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 2


def test_drain_tells_who_did_not_get_it_and_serves_the_others(
    spool: Any, call: Any, new_event: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "HURRIED_PAUSE_S", 0.0)
    monkeypatch.setattr(drain, "_QUIET_S", 0.05)
    error_id = spool.add(new_event(), 1, counted=4)
    answer = call(
        "deliver", "--drain", "--spool", spool.path, "--sink", "file:missing/x.jsonl", "--sink", "file:good.jsonl"
    )
    assert answer.code == 1
    assert f"tocsin: still waiting for file:{tmp_path}/missing/x.jsonl: " in answer.err
    assert "create the folder" in answer.err
    assert _sums(tmp_path / "good.jsonl") == {error_id[:6]: 5}
    (tmp_path / "missing").mkdir()
    assert call("deliver", "--drain", "--spool", spool.path, "--sink", "file:missing/x.jsonl").code == 0
    assert _sums(tmp_path / "missing" / "x.jsonl") == {error_id[:6]: 5}


def test_drain_gives_up_in_time(spool: Any, call: Any, new_event: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_QUIET_S", 60.0)
    spool.add(new_event(), 1)
    answer = call("deliver", "--drain", "--timeout", "0.2", "--spool", spool.path, "--sink", "file:missing/x.jsonl")
    assert answer.code == 1
    assert "still waiting for file:" in answer.err


def test_process_that_makes_no_room_is_named(
    spool: Any, call: Any, hold: Any, configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "TAKEOVER_S", 0.1)
    with hold(spool.folder.leader_lock) as pid:
        answer = call("deliver", "--drain", "--config", str(configuration))
    assert answer.code == 1
    assert f"a test (pid {pid}) delivers it; stop it first" in answer.err


def test_other_user_may_not_deliver(
    spool: Any, call: Any, configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    answer = call("deliver", "--drain", "--config", str(configuration))
    assert answer.code == 1
    assert "belongs to" in answer.err
    assert not is_held(spool.folder.leader_lock)


def test_damaged_state_is_told_before_anything_is_delivered(
    spool: Any, call: Any, new_event: Any, configuration: Path, tmp_path: Path
) -> None:
    spool.add(new_event(), 1)
    spool.folder.state.write_bytes(b"no database at all " * 500)
    answer = call("deliver", "--drain", "--config", str(configuration))
    assert answer.code == 1
    assert "it is damaged" in answer.err
    assert not (tmp_path / "events.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [('mode = "off"\n', "mode is off (by shop.toml), in which nothing is delivered"), ("sinks = []\n", "no sink")],
)
def test_configuration_that_delivers_nothing_is_refused(change: str, said: str, call: Any, configuration: Path) -> None:
    text = configuration.read_text()
    configuration.write_text(change + (text if "mode" in change else text.partition("[[")[0]))
    configuration = configuration.rename(configuration.with_name("shop.toml"))
    answer = call("deliver", "--config", "shop.toml")
    assert answer.code == 2
    assert said in answer.err


def test_wrong_sink_urls_are_all_told_without_their_passwords(call: Any, spool: Any) -> None:
    answer = call("deliver", "--spool", spool.path, "--sink", "smpt://u:hunter2@x", "--sink", "file:a?max_mb=none")
    assert answer.code == 2
    assert "did you mean smtp:" in answer.err
    assert "hunter2" not in answer.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_it_gracefully(number: int, spool: Any, new_event: Any, configuration: Path) -> None:
    error_id = spool.add(new_event(), 1, counted=4)
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin.cli", "deliver", "--config", str(configuration)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    events = configuration.with_name("events.jsonl")
    try:
        _wait_for(lambda: events.exists() and _sums(events).get(error_id[:6]) == 5)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, err) == (0, b"")
    assert out.startswith(b"delivering ")
    assert not is_held(spool.folder.leader_lock)


def _wait_for(is_true: Any) -> None:
    end = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
