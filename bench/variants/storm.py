"""A storm of 20,000 errors: what it does to memory and disk, how long it takes, and what arrives.

Others are stopped after some seconds; what they do in that time, and what arrives of it, is told.
"""

from __future__ import annotations

import gc
import itertools
import json
import re
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import peers
import stack
from measure import Figures, Measure
from resident import resident_kb
from sink import Sink
from variants.event import DEPTH

__all__ = ["MEASURE"]

_AT_MOST_S: Final = 8.0
_MESSAGE: Final = re.compile(rb"order \d{6} is gone")  # of the stack that they raise from
_SIZES: Final = (2_000, 20_000)
_FAULTS: Final = 50
_IDLE_EVENTS: Final = 5  # what is loaded and cached by then is no matter of the storm


def _storm(
    functions: list[Callable[[int], object]],
    capture: Callable[[BaseException], object],
    errors: int,
    settle: Callable[[], object] = lambda: None,
) -> Figures:
    """Return time, memory and number of a storm; the first few errors come before it, until ``settle`` returns."""
    step = stack.raising(functions, capture)
    for _ in range(_IDLE_EVENTS):
        step()
    settle()
    gc.collect()
    before = resident_kb()["rss_kb"]
    process, thread, begun = time.process_time(), time.thread_time(), time.monotonic()
    done = 0
    for done in itertools.count(1):
        step()
        if done >= errors - _IDLE_EVENTS or time.monotonic() - begun > _AT_MOST_S:
            break
    return {
        "errors": done + _IDLE_EVENTS,
        "wall_s": time.monotonic() - begun,
        "thread_s": time.thread_time() - thread,
        "process_s": time.process_time() - process,
        "grown_kb": max(0.0, resident_kb()["rss_kb"] - before),
    }


def _tocsin(errors: int, faults: int, steps: int) -> Figures:
    """Storm with delivery in a thread; once all is delivered, sum up what the file sink holds."""
    import ours

    folder = Path(tempfile.mkdtemp())
    lines = folder / "events.jsonl"
    sinks = [{"type": "file", "path": str(lines)}]
    reporter = ours.reporter(folder=str(folder / "spool"), delivery="thread", sinks=sinks)
    flush = partial(reporter.flush, 60)
    figures = _storm(stack.falls(DEPTH, faults), reporter.report, min(errors, steps), flush)
    flush()
    disk = sum(path.stat().st_blocks * 512 for path in (folder / "spool").rglob("*") if path.is_file())
    return {**figures, "disk_kb": disk / 1024, "arrived": _sum(lines)}


def _sum(lines: Path) -> float:
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines.read_bytes().splitlines()]
    return float(sum(entry["occurrences"] for entry in entries))


def _peer(file: str, steps: int) -> Figures:
    with Sink() as sink:
        peer = peers.started(file, sink)
        figures = _storm(stack.falls(DEPTH), peer.capture, min(_SIZES[-1], steps))
        peer.finish()
        files = [path for path in Path(tempfile.gettempdir()).rglob("shop.log") if path.is_file()]
        arrived = sink.arrived() or sum(map(_errors_in, files))
        return {**figures, "disk_kb": sum(path.stat().st_size for path in files) / 1024, "arrived": arrived}


def _errors_in(log: Path) -> int:
    """Return how many errors a log file tells of, by their messages: no two are the same."""
    return len(set(_MESSAGE.findall(log.read_bytes())))


def _variants() -> dict[str, Callable[[int], Figures]]:
    found: dict[str, Callable[[int], Figures]] = {
        f"tocsin, {errors:,} of one fault": partial(_tocsin, errors, 1) for errors in _SIZES
    }
    found[f"tocsin, {_SIZES[-1]:,} of {_FAULTS} faults"] = partial(_tocsin, _SIZES[-1], _FAULTS)
    for file in peers.NAMES:
        peer = peers.Peer(file)
        if peer.does("capture"):
            found[peer.name] = partial(_peer, file)
    return found


MEASURE = Measure("storm", steps=_SIZES[-1], few=10, variants=_variants(), rounds=1)
