"""What all tests share: nothing of tocsin outlives a test, no fault of ours goes unseen, what was skipped is told."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest


def _swallowed() -> int:
    # Tests that never import tocsin don't pay for it.
    complaints = sys.modules.get("tocsin.complaints")
    return complaints.swallowed() if complaints is not None else 0


@pytest.fixture(autouse=True)
def _no_fault_of_ours_is_swallowed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which tocsin swallowed a fault of its own, unless it is marked `complaints`."""
    before = _swallowed()
    yield
    grown = _swallowed() - before
    if grown and request.node.get_closest_marker("complaints") is None:
        pytest.fail(f"tocsin swallowed {grown} fault(s) of its own; see stderr, or mark the test `complaints`")


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """Close a Reporter that a test left open, and put loggers back as they were: `dictConfig` changes all of them."""
    before = {logger: (logger.handlers[:], logger.level, logger.propagate, logger.disabled) for logger in _loggers()}
    yield
    complaints = sys.modules.get("tocsin.complaints")
    if complaints is not None:  # what one test made it say would else be kept back in the next
        complaints._last_told.clear()
        complaints._kept_back.clear()
    reporters = sys.modules.get("tocsin.reporter")
    reporter = reporters.current() if reporters is not None else None
    if reporter is not None:
        reporter.close(0.0)
    for logger in _loggers():
        handlers, level, logger.propagate, logger.disabled = before.get(logger, ([], logging.NOTSET, True, False))
        logger.handlers[:] = handlers
        logger.setLevel(level)


def _loggers() -> list[logging.Logger]:
    named = [logger for logger in logging.Logger.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    return [logging.getLogger(), *named]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what was not run, why, and which command would help; the closing line comes after it."""
    parts = Counter(_skipped_parts())
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        parts[reason.removeprefix("Skipped: ")] += 1
    if not parts:
        return
    terminalreporter.section(f"{len(parts)} skipped part{'' if len(parts) == 1 else 's'}")
    for reason, tests in sorted(parts.items()):
        terminalreporter.line(f"{reason}" + (f" ({tests} tests)" if tests > 1 else ""))


def _skipped_parts() -> list[str]:
    """Return what `make test` could not run at all; it writes a line of what, why and command for each."""
    path = os.environ.get("SKIPPED_PARTS")
    if not path or not Path(path).exists():
        return []
    rows = [line.split("\t") for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [f"{what}: {why}. To have it: {command}" for what, why, command in rows]
