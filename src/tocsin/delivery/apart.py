"""A batch goes in; what the sink takes is taken, and each entry it refuses for good leaves with its own reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.sinks.base import Accepted, Entry, EntrySink, Outcome, Refused

__all__ = ["Apart", "deliver_apart"]


@dataclass(frozen=True, slots=True)
class Apart:
    """Hold the outcome of a batch and the entries refused within it. With Unavailable the whole batch is repeated."""

    outcome: Outcome
    refused: tuple[tuple[Entry, Refused], ...] = ()


def deliver_apart(sink: EntrySink, entries: Sequence[Entry]) -> Apart:
    """Deliver a batch; one that is refused is halved until what can't be taken stands alone.

    A sink that took the first part of a batch before it refused gets that part again, as after a crash.
    """
    outcome = sink.deliver(entries)
    if not isinstance(outcome, Refused):
        return Apart(outcome)
    if len(entries) == 1:
        return Apart(Accepted(), ((entries[0], outcome),))
    middle = len(entries) // 2
    refused: tuple[tuple[Entry, Refused], ...] = ()
    for part in (entries[:middle], entries[middle:]):
        apart = deliver_apart(sink, part)
        refused += apart.refused
        if not isinstance(apart.outcome, Accepted):
            return Apart(apart.outcome, refused)
    return Apart(Accepted(), refused)
