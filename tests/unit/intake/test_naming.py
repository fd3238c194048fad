"""What an application calls its faults: asked on the failing thread, guarded, and exact for what is only counted."""

from __future__ import annotations

import json
import sys
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tocsin
from tocsin.event import limits, wire
from tocsin.event.identity.fingerprint import fingerprint
from tocsin.event.model import Event
from tocsin.reporter import Reporter
from tocsin.spool import format as fmt
from tocsin.spool.counters import FIRST_FAULT_CELL
from tocsin.spool.folder import Folder
from tocsin.spool.reader import SpoolReader


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Any]:
    made: list[Reporter] = []

    def make(**settings: Any) -> Reporter:
        made.append(
            tocsin.setup({"application": "shop", "spool": str(tmp_path / "s"), "delivery": "process", **settings})
        )
        return made[-1]

    yield make
    for reporter in made:
        reporter.close()


def fail(message: str) -> None:
    raise LookupError(message)


def happen(reporter: Reporter, message: str, **more: Any) -> None:
    try:
        fail(message)
    except LookupError as exc:
        reporter.report(exc, **more)


def spooled(reporter: Reporter) -> tuple[list[Event], Counter[str]]:
    """Return the events, and how many occurrences there are of which fingerprint."""
    events: list[Event] = []
    times: Counter[str] = Counter()
    for reader in SpoolReader(Folder(reporter.stats()["spool"])).generations():
        for record in reader.records(0, 10**8):
            if record.header is not None and record.header.type == fmt.EVENT:
                events.append(wire.decode(record.body or b""))
                times[record.header.fingerprint] += record.header.count
        for cell, value in reader.cells().items():
            if cell >= FIRST_FAULT_CELL and (first := reader.fault(cell - FIRST_FAULT_CELL)) is not None:
                times[first[0].fingerprint] += value
    return events, times


def name_of(events: list[Event], key: str) -> str:
    return next(event.custom_fingerprint for event in events if event.fingerprint == key)


def test_rules_split_what_has_one_traceback_and_counts_are_exact(setup: Any) -> None:
    rules = [{"message": "^stock", "fingerprint": "stock"}, {"message": "^price", "fingerprint": "price"}]
    reporter = setup(fingerprints=rules)
    for _ in range(100):
        happen(reporter, "stock 7 is gone")
        happen(reporter, "price of 9")
        happen(reporter, "whatever")
    events, times = spooled(reporter)
    assert {name_of(events, key): n for key, n in times.items()} == {"stock": 100, "price": 100, "": 100}
    assert len(events) < 100  # the others were only counted
    assert all(event.fingerprint == fingerprint(event) for event in events)


def test_a_rule_joins_what_has_two_tracebacks(setup: Any) -> None:
    reporter = setup(fingerprints=[{"type": "LookupError", "by": ["type"]}])
    happen(reporter, "a")
    try:
        raise LookupError("b")
    except LookupError as exc:
        reporter.report(exc)
    events, times = spooled(reporter)
    assert list(times.values()) == [2]
    assert {event.custom_fingerprint for event in events} == {"type=LookupError"}


def test_the_callers_own_fingerprint_wins(setup: Any) -> None:
    asked: list[Event] = []
    reporter = setup(fingerprint=asked.append, fingerprints=[{"type": "*", "fingerprint": "rule"}])
    happen(reporter, "x", fingerprint="mine")
    events, _ = spooled(reporter)
    assert ([event.custom_fingerprint for event in events], asked) == (["mine"], [])


def test_a_function_is_given_the_masked_event_and_comes_before_the_rules(setup: Any) -> None:
    seen: list[Event] = []

    def name(event: Event) -> str | None:
        seen.append(event)
        return None if "other" in event.exception.message else "named password=hunter2"  # type: ignore[union-attr]

    reporter = setup(fingerprint=name, fingerprints=[{"type": "*", "fingerprint": "rule"}])
    happen(reporter, "password=hunter2")
    happen(reporter, "other")
    events, _ = spooled(reporter)
    assert "hunter2" not in repr(seen[0])
    assert events[0].custom_fingerprint.startswith("named password=")
    assert "hunter2" not in events[0].custom_fingerprint
    assert events[1].custom_fingerprint == "rule"


def test_what_a_function_tells_apart_is_counted_apart(setup: Any) -> None:
    def name(event: Event) -> str | None:
        assert event.exception is not None
        return event.exception.message.split()[0]

    reporter = setup(fingerprint=name)
    for number in range(200):
        happen(reporter, f"stock {number}")
        happen(reporter, f"price {number}")
    events, times = spooled(reporter)
    assert {name_of(events, key): n for key, n in times.items()} == {"stock": 200, "price": 200}


def test_names_that_visitors_make_up_are_bounded(setup: Any) -> None:
    """Past the bound the usual rules hold, for all of them one fault; nothing is lost."""
    reporter = setup(fingerprints=[{"type": "LookupError", "fingerprint": "{message}"}])
    words = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(200)]
    for word in words:
        happen(reporter, word)
    _, times = spooled(reporter)
    assert len(times) == limits.REFINED_KEYS + 1
    assert sum(times.values()) == 200
    assert max(times.values()) == 200 - limits.REFINED_KEYS


def test_a_function_with_one_name_for_all_has_one_issue_whatever_visitors_write(setup: Any) -> None:
    reporter = setup(fingerprint=lambda event: "payment")
    words = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(200)]
    for word in words:
        happen(reporter, word)
    _, times = spooled(reporter)
    assert list(times.values()) == [200]


def test_a_function_may_go_by_tags(setup: Any) -> None:
    reporter = setup(fingerprint=lambda event: event.tags.get("region"))
    for _ in range(50):
        for region in ("eu", "us"):
            with tocsin.context(tags={"region": region}):
                happen(reporter, "x")
    events, times = spooled(reporter)
    assert {name_of(events, key): n for key, n in times.items()} == {"eu": 50, "us": 50}


@pytest.mark.complaints
@pytest.mark.parametrize("answer", [7, ["x"], b"x", type("Odd", (str,), {})("x")])
def test_an_answer_that_is_no_text_is_told_once_and_the_usual_rules_hold(
    answer: Any, setup: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = setup(fingerprint=lambda event: answer)
    for _ in range(3):
        happen(reporter, "x")
    events, times = spooled(reporter)
    assert list(times.values()) == [3]
    assert {event.custom_fingerprint for event in events} == {""}
    said = capsys.readouterr().err
    assert said.count("the usual rules hold: TypeError") == 1


@pytest.mark.complaints
def test_a_function_that_fails_or_reports_itself_harms_nothing(setup: Any) -> None:
    def name(event: Event) -> str | None:
        happen(reporter, "from within")
        raise RuntimeError("broken")

    reporter = setup(fingerprint=name)
    happen(reporter, "x")
    events, _ = spooled(reporter)
    assert sorted(event.exception.message for event in events if event.exception) == ["from within", "x"]


def test_a_function_is_found_by_its_path_at_the_first_event(
    setup: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = setup(fingerprint="shop_errors:name")  # which is not there yet: the application is about to define it
    module = types.ModuleType("shop_errors")
    module.name = lambda event: "by path"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop_errors", module)
    happen(reporter, "x")
    assert spooled(reporter)[0][0].custom_fingerprint == "by path"
    assert capsys.readouterr().err == ""


@pytest.mark.complaints
def test_a_path_that_leads_nowhere_is_told_and_the_usual_rules_hold(
    setup: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = setup(fingerprint="no_such_module_here:name")
    happen(reporter, "x")
    assert spooled(reporter)[0][0].custom_fingerprint == ""
    assert "fingerprint: no_such_module_here:name can't be used: ModuleNotFoundError" in capsys.readouterr().err


def test_routes_and_tasks_are_counted_apart_where_a_rule_asks_for_them(setup: Any) -> None:
    reporter = setup(fingerprints=[{"type": "LookupError", "by": ["default", "task"]}])
    for _ in range(50):
        for task in ("settle", "ship"):
            with reporter.watch(task):
                happen(reporter, "x")
    events, times = spooled(reporter)
    assert sorted(times.values()) == [50, 50]
    assert {event.custom_fingerprint.partition(" ")[2] for event in events} == {"task=settle", "task=ship"}


def test_segments_say_by_which_rules_they_were_written(setup: Any) -> None:
    reporter = setup(fingerprints=[{"type": "LookupError", "by": ["type"]}])
    happen(reporter, "x")
    (reader,) = SpoolReader(Folder(reporter.stats()["spool"])).generations()
    assert len(reader.about()["fingerprints"]) == 32
    json.dumps(dict(reader.about()))
