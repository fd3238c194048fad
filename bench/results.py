"""What the rounds gave: figures go in by measure and variant; medians, spreads and differences leave."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

import peers
from measure import Figures

__all__ = ["Results", "Spread"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Be a median and the range of what was measured, over the rounds."""

    median: float
    low: float
    high: float
    number: int

    @staticmethod
    def of(values: list[float]) -> Spread:
        """Return the spread of at least one value."""
        return Spread(statistics.median(values), min(values), max(values), len(values))


@dataclass(slots=True)
class Results:
    """Hold all figures of a run, round by round, and what they were measured on."""

    machine: dict[str, str]
    versions: dict[str, str]
    figures: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @staticmethod
    def begun() -> Results:
        """Return empty results of this machine."""
        machine = {
            "python": f"{platform.python_implementation()} {sys.version.split()[0]}",
            "system": f"{platform.system()} {platform.machine()}",
            "cpus": str(os.cpu_count()),
        }
        found = [peers.Peer(file) for file in peers.NAMES]
        return Results(machine, {peer.name: peer.version for peer in found if peer.is_installed})

    @staticmethod
    def from_json(kept: dict[str, Any]) -> Results:
        """Return what `as_json` kept."""
        return Results(**kept)

    def as_json(self) -> dict[str, Any]:
        """Return what can be kept as JSON."""
        return asdict(self)

    def add(self, measure: str, variant: str, answer: dict[str, Any]) -> None:
        """Take one process's answer in."""
        if "figures" in answer:
            self.figures.setdefault(measure, {}).setdefault(variant, []).append(answer["figures"])
        else:
            place = self.skipped if "skipped" in answer else self.failed
            place[f"{measure}: {variant}"] = answer.get("skipped") or answer["failed"]

    def of(self, measure: str, variant: str, figure: str) -> Spread | None:
        """Return the spread of a figure, None where it wasn't measured."""
        values = [figures[figure] for figures in self._rounds(measure, variant) if figure in figures]
        return Spread.of(values) if values else None

    def over(self, measure: str, variant: str, base: str, figure: str) -> Spread | None:
        """Return the spread of what a variant costs more than ``base``, round by round."""
        bases = [figures[figure] for figures in self._rounds(measure, base)]
        values = [figures[figure] for figures in self._rounds(measure, variant)]
        pairs = [value - least for value, least in zip(values, bases, strict=False)]
        return Spread.of(pairs) if pairs else None

    def variants(self, measure: str) -> list[str]:
        """Return the names of what was measured."""
        return list(self.figures.get(measure, {}))

    def _rounds(self, measure: str, variant: str) -> list[Figures]:
        return self.figures.get(measure, {}).get(variant, [])
