"""A fault that was reported before, once more: on top of raising it, 20 frames deep."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import peers
import stack
from measure import Figures, Measure, cpu_of
from sink import Sink
from variants.event import DEPTH, raise_alone

__all__ = ["MEASURE", "counted"]

_BURST = 20  # past these tocsin counts


def counted(depth: int, steps: int) -> Figures:
    """Have tocsin count a fault that it knows; the warm-up is past what it captures in full."""
    import ours

    step = stack.raising(stack.falls(depth), ours.reporter().report)
    for _ in range(_BURST):
        step()
    return cpu_of(step, steps)


def _peer(file: str, steps: int) -> Figures:
    with Sink() as sink:
        peer = peers.started(file, sink)
        return cpu_of(stack.raising(stack.falls(DEPTH), peer.capture), max(steps // 100, 1), peer.finish)


def _variants() -> dict[str, Callable[[int], Figures]]:
    found: dict[str, Callable[[int], Figures]] = {
        "raise": lambda steps: raise_alone(DEPTH, steps // 5 or 1),
        "tocsin": partial(counted, DEPTH),
    }
    for file in peers.NAMES:
        peer = peers.Peer(file)
        if peer.does("capture"):
            found[peer.name] = partial(_peer, file)
    return found


MEASURE = Measure("known", steps=20_000, few=5, variants=_variants())
