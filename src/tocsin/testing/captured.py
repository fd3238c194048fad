"""For tests of applications: a block of code goes in; the events it would have reported leave. Nothing is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tocsin import reporter as reporters
from tocsin.config.load import load
from tocsin.event.model import Event
from tocsin.reporter import Reporter

__all__ = ["Captured", "captured_events"]


class Captured(list[Event]):
    """Hold the events in the order they happened; ``reporter`` is what captures them."""

    reporter: Reporter


@contextmanager
def captured_events(**overrides: Any) -> Iterator[Captured]:
    """Capture what happens within the block, as production would, and send nothing.

    The process's Reporter is replaced for the length of the block, so an application that is installed *within* it,
    and every LogHandler's next record, report here; `tocsin.setup` returns it whatever it is given. ``overrides`` are
    settings. Of one fault the first five occurrences come in full, then samples, as in production. Not for use in two
    threads at once.
    """
    captured = Captured()

    def keep(event: Event) -> None:
        captured.append(event)

    with tempfile.TemporaryDirectory(prefix="tocsin-testing-") as folder:
        settings = load({"application": "test", "spool": folder, "delivery": "process", **overrides}, {}, {})
        captured.reporter = Reporter(settings, before_spool=keep)
        captured.reporter.is_substitute = True
        previous = reporters.substitute(captured.reporter)
        try:
            yield captured
        finally:
            captured.reporter.close()
            reporters.substitute(previous)
