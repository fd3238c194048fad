"""Faults that share a fault key, since only libraries are in their traceback, are counted each on its own."""

from __future__ import annotations

import importlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tocsin
from tocsin.capture import described
from tocsin.capture.work import Work
from tocsin.event import error_id, limits
from tocsin.event.environ import ENDPOINT
from tocsin.intake import refine
from tocsin.intake.core import Intake
from tocsin.reporter import Reporter
from tocsin.testing import captured_events

_FILE = Path(os.__file__).with_name("lib.py")
_LIBRARY = compile("def check(text):\n    raise ValueError(text)\n", str(_FILE), "exec")


@dataclass
class _Tea:
    leaves: int


@pytest.fixture
def reporter(tmp_path: Path) -> Iterator[Reporter]:
    made = tocsin.setup({"application": "shop", "spool": str(tmp_path / "spool"), "delivery": "process"})
    yield made
    made.close()


@pytest.fixture
def check() -> Callable[[str], BaseException]:
    """One code object for all: the same key."""
    names: dict[str, Any] = {"__name__": "lib"}
    exec(_LIBRARY, names)

    def fail(text: str = "nothing was returned") -> BaseException:
        try:
            names["check"](text)
        except ValueError as exc:
            own = exc.__traceback__
            return exc.with_traceback(None if own is None else own.tb_next)
        raise AssertionError

    return fail


def intake_of(reporter: Reporter) -> Intake:
    return reporter.intake


def prefixes(ids: list[str | None]) -> Counter[str]:
    return Counter((found or "").partition("-")[0] for found in ids)


def test_each_view_is_counted_on_its_own(reporter: Reporter, check: Callable[..., BaseException]) -> None:
    """In turns, far past the burst: what is only counted goes to the right fault."""
    intake = intake_of(reporter)
    found: list[str | None] = []
    for number in range(60):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", ENDPOINT: ("orders", "users", "bills")[number % 3]}
        found.append(intake.exception(check(), via="wsgi", environ=environ))
    assert sorted(prefixes(found).values()) == [20, 20, 20]
    assert intake.capturer.counted > 30


def test_each_task_is_counted_on_its_own(reporter: Reporter, check: Callable[..., BaseException]) -> None:
    """Two jobs that a library ends with one exception."""
    found: list[str | None] = []
    for number in range(40):
        with Work(("nightly", "hourly")[number % 2], by="rq") as work:
            found.append(intake_of(reporter).exception(check(), via="rq", environ=work.environ))
    assert sorted(prefixes(found).values()) == [20, 20]


def test_without_view_and_task_the_message_tells(reporter: Reporter, check: Callable[..., BaseException]) -> None:
    """Without what varies in it."""
    found = [reporter.report(check(f"no {what} in row {row}")) for row in range(20) for what in ("price", "name")]
    assert sorted(prefixes(found).values()) == [20, 20]


def test_made_up_messages_make_no_flood(
    reporter: Reporter, check: Callable[..., BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past a bound they are one."""
    monkeypatch.setattr(limits, "REFINED_KEYS", 4)
    words = [chr(97 + number % 26) * (2 + number // 26) for number in range(200)]
    found = [reporter.report(check(f"no {word}")) for word in words]
    assert len(prefixes(found)) <= 4 + limits.BURST + 3
    assert intake_of(reporter).capturer.counted > 100


def test_function_of_the_log_call_is_in_the_key(reporter: Reporter) -> None:
    """Two calls that say the same in two functions are two faults, also where they are only counted."""
    logger = logging.getLogger("shop.twice")
    logger.addHandler(tocsin.LogHandler())
    handler = logger.handlers[0]

    def one() -> None:
        logger.error("no stock of %s", "tea")

    def two() -> None:
        logger.error("no stock of %s", "tea")

    try:
        with captured_events() as events:
            for _ in range(12):
                one()
                two()
    finally:
        logger.removeHandler(handler)
    assert len({event.fingerprint for event in events}) == 2
    assert len({error_id.prefix(event.fingerprint) for event in events}) == 2


def test_a_first_one_without_a_message_is_a_fault_of_its_own(
    reporter: Reporter, check: Callable[..., BaseException]
) -> None:
    """What says nothing differs from what says something, whichever came first."""
    found = [reporter.report(check(text)) for _ in range(10) for text in ("", "no price")]
    assert sorted(prefixes(found).values()) == [10, 10]


def test_others_of_a_key_are_looked_for_once(reporter: Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the application's code tells the fault: that takes as long as a third of what a full report does."""
    asked: list[object] = []
    looked = refine.refinement

    def counted(*about: Any) -> Any:
        asked.append(about)
        return looked(*about)

    monkeypatch.setattr("tocsin.intake.capturer.refinement", counted)
    for _ in range(limits.BURST):
        try:
            raise ValueError("no price")
        except ValueError as exc:
            reporter.report(exc)
    assert intake_of(reporter).capturer.captured == limits.BURST
    assert len(asked) == 1


def test_what_is_only_counted_is_not_described(reporter: Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects in a message are gone through for a report alone, which shows what they hold."""
    told: list[object] = []
    describe = described.described_argument

    def counted(value: object) -> str:
        told.append(value)
        return describe(value)

    monkeypatch.setattr(described, "described_argument", counted)
    logger = logging.getLogger("shop.counted")
    logger.addHandler(tocsin.LogHandler())
    try:
        with captured_events() as events:
            for number in range(40):
                logger.error("no stock of %s", _Tea(number))
    finally:
        logger.handlers.clear()
    assert len(told) == len(events) < 40
    assert "leaves=0" in events[0].message


def test_each_file_that_can_not_be_compiled_is_counted_on_its_own(
    reporter: Reporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two plugins fail at the same place of the code that imports them."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "plugin_one.py").write_text("def f(:\n")
    (tmp_path / "plugin_two.py").write_text("def f(:\n")
    found = Counter[str]()
    for number in range(40):
        name = ("plugin_one", "plugin_two")[number % 2]
        try:
            importlib.import_module(name)
        except SyntaxError as fault:
            prefix = (reporter.report(fault) or "").partition("-")[0]
            found[f"{name} {prefix}"] += 1
    assert sorted(found.values()) == [20, 20]
    assert len({each.partition(" ")[2] for each in found}) == 2
