"""`tocsin spool retry`: what was refused goes out once its cause is mended, and what came of it is said."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tocsin.delivery.dead_letters import DeadLetters
from tocsin.sinks.base import Refused
from tocsin.testing.contract import entry_of
from tocsin.testing.hostile import HOSTILE


@pytest.fixture
def letters(spool: Any) -> DeadLetters:
    return DeadLetters(spool.folder)


def bury(letters: DeadLetters, sink: str) -> str:
    event = HOSTILE[0].make()
    assert letters.bury(sink, entry_of(event), Refused("field too long", "shorten it"), datetime.now(UTC))
    return event.error_id


def test_spool_shows_what_was_refused_and_why(spool: Any, call: Any, new_event: Any, letters: DeadLetters) -> None:
    spool.add(new_event(), 1)
    bury(letters, "webhook:https://x.example")
    answer = call("spool", "--spool", spool.path)
    assert "Refused for good" in answer.out
    assert "webhook:https://x.example" in answer.out
    assert "field too long; shorten it" in answer.out
    members = json.loads(call("spool", "--json", "--spool", spool.path).out)
    assert members["dead_letters"][0]["reason"] == "field too long"


def test_status_warns_of_it(spool: Any, call: Any, new_event: Any, letters: DeadLetters) -> None:
    spool.add(new_event(), 1)
    bury(letters, "webhook:https://x.example")
    answer = call("status", "--spool", spool.path)
    assert answer.code != 0
    assert "1 report refused for good by webhook:https://x.example" in answer.out


def test_retry_delivers_where_nobody_leads(
    spool: Any, call: Any, new_event: Any, configuration: Path, tmp_path: Path, letters: DeadLetters
) -> None:
    spool.add(new_event(), 1)
    error_id = bury(letters, f"file:{tmp_path / 'events.jsonl'}")
    answer = call("spool", "retry", "--config", str(configuration))
    assert (answer.code, answer.out) == (0, "1 delivered\n")
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert sum(json.loads(line)["error_id"] == error_id for line in lines) == 1
    assert letters.all() == []


def test_retry_of_a_sink_that_is_gone_waits_and_says_so(
    spool: Any, call: Any, new_event: Any, configuration: Path, letters: DeadLetters
) -> None:
    spool.add(new_event(), 1)
    bury(letters, "file:/gone.jsonl")
    answer = call("spool", "retry", "--config", str(configuration))
    assert (answer.code, answer.out) == (1, "1 waiting\n")


def test_retry_with_a_spool_alone_leaves_it_to_who_delivers(
    spool: Any, call: Any, new_event: Any, letters: DeadLetters
) -> None:
    spool.add(new_event(), 1)
    bury(letters, "file:/gone.jsonl")
    answer = call("spool", "retry", "--spool", spool.path)
    assert answer.code == 1
    assert "--config delivers now" in answer.err
    assert [letter.is_wanted for letter in letters.all()] == [True]


def test_retry_of_one_sink_leaves_the_others(spool: Any, call: Any, new_event: Any, letters: DeadLetters) -> None:
    spool.add(new_event(), 1)
    bury(letters, "file:/a")
    bury(letters, "file:/b")
    call("spool", "retry", "--sink", "file:/a", "--spool", spool.path)
    assert {letter.sink: letter.is_wanted for letter in letters.all()} == {"file:/a": True, "file:/b": False}
    answer = call("spool", "retry", "--sink", "file:/c", "--spool", spool.path)
    assert answer.code == 1
    assert "there are some of file:/a, file:/b" in answer.out


def test_dropped_letters_are_gone(spool: Any, call: Any, new_event: Any, letters: DeadLetters) -> None:
    spool.add(new_event(), 1)
    bury(letters, "file:/a")
    assert call("spool", "retry", "--drop", "--spool", spool.path).out == "1 report dropped\n"
    assert letters.all() == []


def test_options_of_retry_need_it(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    answer = call("spool", "--drop", "--spool", spool.path)
    assert answer.code == 2
    assert "are for tocsin spool retry" in answer.err


def test_nothing_refused_is_said(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    assert call("spool", "retry", "--spool", spool.path).out.startswith("no report was refused")
