"""A full report of an exception with 20 frames whose source is cached: without local variables, and with them."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import peers
import stack
from measure import Figures, Measure, cpu_of
from sink import Sink

__all__ = ["DEPTH", "MEASURE", "captured", "format_exc", "raise_alone"]

DEPTH: Final = 20


def raise_alone(depth: int, steps: int) -> Figures:
    """Raise and catch, which is subtracted from the others."""
    return cpu_of(stack.raising(stack.falls(depth), lambda fault: None), steps * 5)


def format_exc(depth: int, steps: int) -> Figures:
    """Format the traceback, as every log handler does with ``exc_info``: the yardstick."""
    return cpu_of(stack.raising(stack.falls(depth), lambda fault: traceback.format_exc()), steps)


def captured(depth: int, steps: int, **settings: Any) -> Figures:
    """Have tocsin capture every occurrence in full, mask it and write it to the spool."""
    import ours

    reporter = ours.reporter(is_unlimited=True, **settings)
    return cpu_of(stack.raising(stack.falls(depth), reporter.report), steps)


def _delivered(steps: int) -> Figures:
    import ours

    path = f"{tempfile.mkdtemp()}/events.jsonl"
    sinks = [{"type": "file", "path": path, "max_mb": 1000}]
    reporter = ours.reporter(is_unlimited=True, delivery="thread", sinks=sinks)
    return cpu_of(stack.raising(stack.falls(DEPTH), reporter.report), steps, lambda: reporter.flush(120))


def _peer(file: str, has_locals: bool | None, steps: int) -> Figures:
    with Sink() as sink:
        peer = peers.started(file, sink, has_locals=has_locals)
        step = stack.raising(stack.falls(DEPTH), peer.capture)
        return cpu_of(step, max(steps // 10, 1), peer.finish)


def _variants() -> dict[str, Callable[[int], Figures]]:
    found: dict[str, Callable[[int], Figures]] = {
        "raise": partial(raise_alone, DEPTH),
        "format_exc": partial(format_exc, DEPTH),
        "tocsin": partial(captured, DEPTH),
        "tocsin, its thread delivers to a file": _delivered,
        "tocsin, locals": partial(captured, DEPTH, locals=True),
    }
    for file in peers.NAMES:
        peer = peers.Peer(file)
        if peer.does("capture"):
            found[peer.name] = partial(_peer, file, None if peer.default_locals is None else False)
            if peer.default_locals is not None:
                found[f"{peer.name}, locals"] = partial(_peer, file, True)
    return found


MEASURE = Measure("event", steps=2_000, few=2, variants=_variants())
