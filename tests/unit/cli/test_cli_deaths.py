"""What `tocsin status` tells of deaths."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.delivery.deaths import IDLE_DEATHS
from tocsin.routing.sqlite import SqliteState
from tocsin.routing.state import LEDGER

_LIVE = """
import pathlib, sys
from tocsin.spool.in_flight import FlightLog
log = FlightLog(pathlib.Path(sys.argv[1]), {"application": "shop", "crashes": sys.argv[2]})
print("lives", flush=True)
sys.stdin.read()
"""


@contextmanager
def living(spool: Any, number: int, refusal: str) -> Iterator[None]:
    """Have another process that is watched, for the length of the block."""
    path = spool.folder.flight(f"0123456789ab{number:06x}")
    command = [sys.executable, "-c", _LIVE, str(path), refusal]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def test_a_process_that_cannot_tell_of_a_crash_is_a_warning_as_long_as_it_lives(spool: Any, call: Any) -> None:
    """Each reason once, however many processes have it."""
    with living(spool, 1, ""), living(spool, 2, "somebody else did"), living(spool, 3, "somebody else did"):
        answer = call("status", "--spool", spool.path)
        assert answer.code == 1
        assert answer.out.count("can't be reported with a traceback: somebody else did") == 1
        assert json.loads(call("status", "--spool", spool.path, "--json").out)["deaths"]["watched"] == 3
    assert call("status", "--spool", spool.path).code == 0


def _note(spool: Any, idle: Any) -> None:
    state = SqliteState(spool.folder.state)
    state.add_consumer(LEDGER, datetime.now(UTC))
    state.save_note(LEDGER, {IDLE_DEATHS: idle})
    state.close()


def test_deaths_in_which_nothing_broke_off_are_told_and_no_fault(spool: Any, call: Any) -> None:
    """With when the latest was."""
    latest = datetime.now(UTC) - timedelta(minutes=5)
    _note(spool, {"n": 3, "latest": latest.isoformat(), "of": []})
    answer = call("status", "--spool", spool.path)
    assert answer.code == 0
    assert "3 idle processes ended without a word, the latest 5 min ago" in answer.out
    assert json.loads(call("status", "--spool", spool.path, "--json").out)["deaths"]["idle_deaths"] == 3


@pytest.mark.parametrize("idle", [7, [], {}, {"n": "many"}, {"n": 2, "latest": "yesterday"}])
def test_a_note_that_says_something_else_is_no_reason_to_fail(spool: Any, call: Any, idle: Any) -> None:
    """Somebody may have written it."""
    _note(spool, idle)
    assert call("status", "--spool", spool.path).code == 0
