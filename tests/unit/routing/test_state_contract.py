"""The contract of State for the state in a SQLite file, and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from state_contract import StateContract
from tocsin.routing.sqlite import SqliteState
from tocsin.routing.state import State


@pytest.fixture(params=["memory", "file"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    kept = SqliteState(":memory:" if request.param == "memory" else tmp_path / "state.sqlite")
    yield kept
    kept.close()
    kept.close()


class TestSqliteState(StateContract):
    pass
