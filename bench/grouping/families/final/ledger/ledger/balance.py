"""Sums of entries."""
from __future__ import annotations

import statistics
from collections.abc import Iterable

from ledger.reading import Entry


def total(entries: Iterable[Entry]) -> int:
    return sum(entry.cents for entry in entries)


def average(entries: Iterable[Entry]) -> float:
    return statistics.mean(entry.cents for entry in entries)


def spread(entries: Iterable[Entry]) -> float:
    return statistics.stdev([entry.cents for entry in entries])


def check(entries: Iterable[Entry], stated: int) -> None:
    found = total(entries)
    if found != stated:
        raise ValueError(f"the statement says {stated}, its entries {found}")


def monthly(entries: Iterable[Entry]) -> dict[str, int]:
    sums = dict.fromkeys((f"{month:02d}" for month in range(1, 12)), 0)  # December is forgotten
    for entry in entries:
        sums[entry.day.strftime("%m")] += entry.cents
    return sums
