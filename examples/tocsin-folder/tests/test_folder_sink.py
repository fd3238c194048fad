"""The contract that tocsin demands of every sink, and what this one promises besides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tocsin.config.settings import SinkTable
from tocsin.sinks.base import SinkContext
from tocsin.sinks.registry import build
from tocsin.testing import SinkContract

CONTEXT = SinkContext("shop", "production", "web-1")


def folder_sink(path: Path) -> Any:
    """Build the sink as tocsin does, from a table, found by its entry point."""
    built, faults = build([SinkTable({"type": "folder", "path": str(path)})], CONTEXT)
    assert faults == []
    return built[0].sink


class TestContract(SinkContract):
    """About thirty hostile notices, each of which has to arrive."""

    is_idempotent = True

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "notices"

    def new_sink(self) -> Any:
        return folder_sink(self.path)

    def received(self) -> list[str]:
        return [path.read_text(encoding="utf-8") for path in self.path.glob("*.txt")]


def test_a_missing_setting_is_told_by_its_name() -> None:
    built, faults = build([SinkTable({"type": "folder"})], CONTEXT)
    assert built == ()
    assert "path is required" in faults[0]
