"""For tests of applications: a block of code goes in; the events it would have reported leave. Nothing is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tocsin import reporter as reporters
from tocsin.config.load import load
from tocsin.event.model import Event, Kind
from tocsin.reporter import Reporter
from tocsin.testing.ear import listening
from tocsin.testing.expectations import Expected, told

__all__ = ["Captured", "captured_events"]


class Captured(list[Event]):
    """Hold the events in the order they happened; ``reporter`` is what captures them.

    The assertions fail with the reports in their message. What one of them was met by counts as expected; `unexpected`
    are the others.
    """

    reporter: Reporter

    def __init__(self) -> None:
        super().__init__()
        self._met: list[Event] = []
        self._listen: Callable[[], None] = lambda: None

    def assert_none(
        self,
        exception: type[BaseException] | str | None = None,
        *,
        match: str | None = None,
        kind: Kind | None = None,
        logger: str | None = None,
    ) -> None:
        """Fail if anything was reported, or anything of this sort; see `assert_one` for the arguments."""
        __tracebackhide__ = True
        expected = Expected(exception, match, kind, logger)
        found = self._of(expected)
        if found:
            raise AssertionError(f"expected no report{_of(expected)}, there {_are(len(found))}\n\n{told(found)}")

    def assert_one(
        self,
        exception: type[BaseException] | str | None = None,
        *,
        match: str | None = None,
        kind: Kind | None = None,
        logger: str | None = None,
    ) -> Event:
        """Return the one event of this sort; fail if there is none, or more than one. Others don't matter.

        ``exception`` is a class, exactly that one, or its name; ``match`` a regular expression that is found in the
        message of the exception or of the record.
        """
        __tracebackhide__ = True
        return self.assert_times(1, exception, match=match, kind=kind, logger=logger)[0]

    def assert_times(
        self,
        times: int,
        exception: type[BaseException] | str | None = None,
        *,
        match: str | None = None,
        kind: Kind | None = None,
        logger: str | None = None,
    ) -> list[Event]:
        """Return the events of this sort; fail unless there are so many. Of one fault the first five are captured."""
        __tracebackhide__ = True
        expected = Expected(exception, match, kind, logger)
        found = self._of(expected)
        if len(found) != times:
            number = "one report" if times == 1 else f"{times} reports"
            there = _are(len(found)) if found or not self else f"is none among {len(self)}"
            raise AssertionError(f"expected {number}{_of(expected)}, there {there}\n\n{told(found or self)}")
        self._met.extend(found)
        return found

    def unexpected(self) -> list[Event]:
        """Return the events that no assertion was met by so far. Those of a list that was cleared are gone."""
        met = {id(event) for event in self._met}
        return [event for event in self if id(event) not in met]

    def text(self) -> str:
        """Return the reports as a failure shows them."""
        return told(self)

    def listen(self) -> None:
        """Hear ordinary logging again, after something took the handler of `captured_events(logs=True)` away."""
        self._listen()

    def _of(self, expected: Expected) -> list[Event]:
        return [event for event in self if expected.is_met(event)]


@contextmanager
def captured_events(*, logs: bool = False, **overrides: Any) -> Iterator[Captured]:
    """Capture what happens within the block, as production would, and send nothing.

    The process's Reporter is replaced for the length of the block, so an application that is installed within it, and
    every LogHandler's next record, report here, as does one that was installed before in production's mode;
    `tocsin.setup` returns it whatever it is given. With ``logs`` ordinary logging is heard by a handler on the root
    logger, as after `tocsin.setup`, unless the application has a LogHandler of its own. ``overrides`` are settings. Of
    one fault the first five occurrences come in full, then samples, as in production. Not for use in two threads at
    once.
    """
    captured = Captured()

    def keep(event: Event) -> None:
        captured.append(event)

    with tempfile.TemporaryDirectory(prefix="tocsin-testing-") as folder, ExitStack() as stack:
        settings = load({"application": "test", "spool": folder, "delivery": "process", **overrides}, {}, {})
        captured.reporter = Reporter(settings, before_spool=keep)
        captured.reporter.is_substitute = True
        previous = reporters.substitute(captured.reporter)
        stack.callback(reporters.substitute, previous)
        stack.callback(captured.reporter.close)
        if previous is not None and not previous.is_closed:
            stack.callback(previous.intake.lend(captured.reporter.intake))
        if logs:
            captured._listen = stack.enter_context(listening(captured.reporter))
        yield captured


def _of(expected: Expected) -> str:
    return f" of {expected}" if str(expected) else ""


def _are(count: int) -> str:
    return "is none" if not count else "is 1" if count == 1 else f"are {count}"
