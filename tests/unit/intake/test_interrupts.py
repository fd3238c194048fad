"""What a signal handler raises while tocsin works is the application's: a task learns that it is out of time."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import tocsin
from tocsin.capture.present import PRESENT, Present
from tocsin.capture.scopes import SCOPE
from tocsin.complaints import complain, swallowed
from tocsin.event import limits
from tocsin.sinks.base import Accepted, Outcome

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no timer that sends a signal")


class OutOfTime(Exception):
    """As Celery's SoftTimeLimitExceeded: no BaseException."""


class Alarm:
    """Handlers of the kinds that there are."""

    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind

    def method(self, *_: object) -> None:
        raise self.kind("out of time")

    __call__ = method


@pytest.fixture(params=[OutOfTime, TimeoutError])
def kind(request: pytest.FixtureRequest) -> type[BaseException]:
    found: type[BaseException] = request.param
    return found


@pytest.fixture(params=["method", "object", "partial", "function"])
def alarm(request: pytest.FixtureRequest, kind: type[BaseException]) -> Iterator[None]:
    alarm = Alarm(kind)

    def function(*_: object) -> None:
        raise kind("out of time")

    handlers = {
        "method": alarm.method,
        "object": alarm,
        "partial": partial(function),
        "function": function,
    }
    before = signal.signal(signal.SIGALRM, handlers[request.param])
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


class Hanging:
    """A sink of the test's own, which takes nothing before it is let."""

    type = "hanging"
    identity = "hanging"
    is_local = False
    options = ()

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.taken: list[str] = []

    def deliver(self, entries: Any) -> Outcome:
        self.gate.wait(30)
        self.taken += [json.loads(entry.line)["message"] for entry in entries]
        return Accepted()

    def close(self) -> None:
        pass


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    from tocsin.config.load import load
    from tocsin.reporter import Reporter, substitute
    from tocsin.sinks.registry import BuiltSink

    monkeypatch.setattr(limits, "INLINE_S", 60.0)
    sink = Hanging()
    built = BuiltSink(sink, "hanging", 0, frozenset({"traceback", "error", "warning"}), "oldest")
    given = {"application": "shop", "spool": str(tmp_path / "spool"), "sinks": [], "delivery": "inline"}
    reporter = Reporter(load(given, {}, {}), sinks=[built])
    before = substitute(reporter)
    yield sink
    sink.gate.set()
    reporter.close(5)
    substitute(before)


def test_a_report_that_waits_for_its_delivery_ends_by_an_alarm(hanging: Hanging, alarm: None, kind: type) -> None:
    before = swallowed()
    with pytest.raises(kind, match="out of time"):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        tocsin.report(message="slow")
    assert swallowed() == before
    reporter = tocsin.reporter.current()
    assert reporter is not None
    hanging.gate.set()
    assert reporter.flush(30)
    assert set(hanging.taken) == {"slow"}  # a call that was under way may be repeated


def fail() -> None:
    raise ValueError("told")


def by_logging() -> None:
    try:
        fail()
    except ValueError:
        logging.getLogger("shop").exception("it %s", "failed")


def by_watch() -> None:
    with tocsin.watch("import"), tocsin.context(order=7):
        fail()


def by_report() -> None:
    tocsin.report(ValueError("told"))


# Functions of ours that are called within one edge or several.
PLACES = {
    "tocsin.capture.exceptions.message_of": (by_report, by_logging, by_watch),
    "tocsin.capture.messages._message": (by_report, by_logging, by_watch),
    "tocsin.intake.capturer.fingerprint": (by_report, by_logging, by_watch),
    "tocsin.capture.records.plain": (by_logging,),
    "tocsin.capture.source._read": (by_logging, by_watch),
    "tocsin.intake.core.recall": (by_report, by_logging, by_watch),
    "tocsin.capture.present.secrets.token_hex": (by_watch,),
    "tocsin.spool.writer.require_own_application": (by_report, by_logging, by_watch),
}


@pytest.mark.parametrize(("place", "way"), [(place, way) for place, ways in PLACES.items() for way in ways])
def test_no_edge_takes_it_for_a_failure_of_ours(
    place: str, way: Callable[[], None], kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter = tocsin.setup({"application": "shop", "spool": str(tmp_path / "spool"), "delivery": "process"})
    logging.getLogger("shop").addHandler(logging.NullHandler())

    def function(*_: object) -> None:
        raise kind("out of time")

    monkeypatch.setattr(place, lambda *_, **__: signal.raise_signal(signal.SIGUSR1))
    before = signal.signal(signal.SIGUSR1, function), swallowed()
    try:
        with pytest.raises(kind, match="out of time"):
            way()
    finally:
        signal.signal(signal.SIGUSR1, before[0])
        monkeypatch.undo()
    assert swallowed() == before[1]
    reporter.report(message="afterwards")  # nothing is left held or entered
    assert reporter.stats()["captured"] > 0
    assert (PRESENT.get(), SCOPE.get()) == (Present(), None)


def test_what_the_application_handles_already_is_not_raised_again(kind: type) -> None:
    def function(*_: object) -> None:
        raise kind("out of time")

    before = signal.signal(signal.SIGUSR1, function)
    try:
        try:
            signal.raise_signal(signal.SIGUSR1)
        except kind:
            complain("a test's own sort", "something else is the matter")
    finally:
        signal.signal(signal.SIGUSR1, before)
