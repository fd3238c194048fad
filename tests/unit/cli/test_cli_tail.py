"""`tocsin tail`: the last events and then the new ones, with what was only counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tocsin.cli import follow, tail


def test_last_events_come_first_and_in_order(spool: Any, call: Any, new_event: Any) -> None:
    ids = [spool.add(new_event(age_s=20 - number), number) for number in range(12)]
    lines = call("tail", "--no-follow", "-n", "3", "--spool", spool.path).out.splitlines()
    assert [line.split()[1] for line in lines] == ids[-3:]
    assert lines[0].endswith("ZeroDivisionError: division by zero in shop.orders.pay · POST /pay")
    assert len(call("tail", "--no-follow", "--spool", spool.path).out.splitlines()) == 10


def test_large_segment_is_read_from_its_end(spool: Any, call: Any, new_event: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(follow, "_WINDOW_BYTES", 700)
    ids = [spool.add(new_event(age_s=20 - number), number) for number in range(9)]
    lines = call("tail", "--no-follow", "-n", "4", "--spool", spool.path).out.splitlines()
    assert [line.split()[1] for line in lines] == ids[-4:]


def test_kind_and_level_choose(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    warning = spool.add(new_event("odd", kind="warning"), 2)
    by_kind = call("tail", "--no-follow", "--kind", "warning", "--spool", spool.path).out
    assert by_kind.count("\n") == 1
    assert warning in by_kind
    assert warning not in call("tail", "--no-follow", "--level", "error", "--spool", spool.path).out


def test_json_is_the_line_of_a_file_sink(spool: Any, call: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 1)
    line = json.loads(call("tail", "--no-follow", "--json", "--spool", spool.path).out)
    assert (line["error_id"], line["occurrences"], line["origin"]["generation"]) == (error_id, 1, 0)


def test_full_shows_the_traceback(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    assert "return total / count" in call("tail", "--no-follow", "--full", "--spool", spool.path).out


def test_new_events_and_counts_follow_until_interrupted(
    spool: Any, call: Any, new_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pause of the loop is a turn in which something happens; the third one is Ctrl-C."""
    old = spool.add(new_event(), 1, counted=5)
    monkeypatch.setattr(follow, "_COUNTS_S", 0.0)
    turns = iter(range(3))
    new: list[str] = []

    def happen(seconds: float) -> None:
        turn = next(turns)
        if turn == 0:
            new.append(spool.add(new_event("KeyError"), 2, counted=37))
        elif turn == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(tail.time, "sleep", happen)
    answer = call("tail", "-n", "0", "--spool", spool.path)
    assert answer.code == 0
    first, second = answer.out.splitlines()
    assert first.split()[1] == new[0]
    assert second.split()[1:3] == [new[0][:6], "+37"]
    assert old not in answer.out


def test_empty_spool_has_no_last_events(spool: Any, call: Any) -> None:
    answer = call("tail", "--no-follow", "--spool", spool.path)
    assert (answer.code, answer.out) == (0, "")
