"""The contract of sinks on those that need no server: the file sink and stderr."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tocsin.sinks.base import SinkContext
from tocsin.sinks.file import FileSink
from tocsin.sinks.stderr import StderrSink
from tocsin.testing import HOSTILE, SinkContract

CONTEXT = SinkContext("shop", "production", "web-1")


class TestFile(SinkContract):
    """Every event is a line of JSON."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "errors.jsonl"

    def new_sink(self) -> FileSink:
        return FileSink.from_options({**DEFAULTS, "path": str(self.path)}, CONTEXT)

    def received(self) -> Sequence[str]:
        return self.path.read_text(encoding="ascii").splitlines()


class TestStderr(SinkContract):
    """Every event is told on a terminal's stream."""

    @pytest.fixture(autouse=True)
    def _stream(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.capfd = capfd
        self.told = ""

    def new_sink(self) -> StderrSink:
        defaults = {setting.name: setting.default for setting in StderrSink.settings}
        return StderrSink.from_options(defaults, CONTEXT)

    def received(self) -> Sequence[str]:
        self.told += self.capfd.readouterr().err
        return [self.told]


DEFAULTS = {setting.name: setting.default for setting in FileSink.settings}


def test_numbers_of_cases_are_unique_and_below_those_of_behaviour() -> None:
    """A number means one case for ever; documentation and `skips` name it."""
    numbers = [case.number for case in HOSTILE]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] < 50


def test_each_hostile_event_is_a_fault_of_its_own() -> None:
    """Salted events differ, so that none can stand for another."""
    ids = {case.make(salt).error_id for case in HOSTILE for salt in ("a", "b")}
    assert len(ids) == 2 * len(HOSTILE)


class _Forgetful(FileSink):
    """Take everything and keep nothing."""

    def deliver(self, entries: object) -> object:  # type: ignore[override]
        from tocsin.sinks.base import Accepted

        return Accepted()


def test_a_sink_that_loses_what_it_accepts_fails_the_contract(tmp_path: Path) -> None:
    """The suite can fail: acceptance without arrival is found."""

    class Contract(SinkContract):
        def new_sink(self) -> FileSink:
            return _Forgetful.from_options({**DEFAULTS, "path": str(tmp_path / "x")}, CONTEXT)

        def received(self) -> Sequence[str]:
            return []

    with pytest.raises(AssertionError, match="is in none of 0 messages"):
        Contract().test_01_ordinary()  # type: ignore[attr-defined]
