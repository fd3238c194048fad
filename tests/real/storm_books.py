"""What happened against what was told: side files and the file sink's lines go in, every disagreement leaves.

Plain JSON and the kernel's files only; nothing of tocsin is asked.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storm_faults import Side

__all__ = ["Books"]

_BREAK = re.compile(r"break_(\d+)")


@dataclass(slots=True)
class Books:
    """Hold both sides. ``answers`` are (number, error id) that visitors got, ``broken`` what they got no answer to."""

    raised: list[tuple[int, int]]
    returned: list[tuple[int, int]]
    lines: list[dict[str, Any]]
    answers: list[tuple[int, str]] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)

    @classmethod
    def opened(cls, side: Path, events: Path) -> Books:
        """Read the side files, and the file sink's file with its backups."""
        paths = sorted(events.parent.glob(f"{events.name}*"))
        text = "".join(path.read_text() for path in paths)
        assert not text or text.endswith("\n"), "the last line is torn"
        lines = [json.loads(line) for line in text.splitlines()]
        return cls(Side.read(side, "raised"), Side.read(side, "returned"), lines)

    def sums(self) -> Counter[int]:
        """Return the occurrences that were delivered, per fault."""
        numbers = self.numbers()
        sums: Counter[int] = Counter()
        for line in self.lines:
            if line["fingerprint"] in numbers:
                sums[numbers[line["fingerprint"]]] += line["occurrences"]
        return sums

    def numbers(self) -> dict[str, int]:
        """Return which fault a fingerprint is: the innermost frame of its full reports names it."""
        return {line["fingerprint"]: number for line in self.lines if (number := _number(line)) is not None}

    def by_fingerprint(self) -> Counter[str]:
        """Return the occurrences that were delivered, per fingerprint."""
        sums: Counter[str] = Counter()
        for line in self.lines:
            sums[line["fingerprint"]] += line["occurrences"]
        return sums

    def disagreements(self, threads: Mapping[int, int]) -> list[str]:
        """Return what does not fit. ``threads`` says how many threads of each killed process could raise."""
        return [*self._counts_off(threads), *self._reports_missing(), *self._told_twice(), *self._ids_unknown()]

    def in_between(self) -> dict[int, int]:
        """Return how many occurrences of each process were raised, but not seen to return from tocsin."""
        gap = Counter(pid for pid, _ in self.raised)
        gap.subtract(pid for pid, _ in self.returned)
        return {pid: number for pid, number in gap.items() if number}

    def summary(self, killed: int) -> str:
        """Say what was compared, and what lay between a raise and its count when its process was killed."""
        delivered, between = sum(self.sums().values()), sum(self.in_between().values())
        found = delivered - len(self.returned)
        return (
            f"{len(self.raised):,} raised, {len(self.returned):,} of them seen to be reported, {delivered:,} delivered "
            f"in {len(self.lines):,} lines; {killed} processes killed; {between} occurrences lay between the raise and "
            f"tocsin's return when their thread was killed: {found} of them were counted already, {between - found} not"
        )

    def _counts_off(self, threads: Mapping[int, int]) -> Iterator[str]:
        """Per fault returned <= delivered <= raised; per process at most one per killed thread lies in between."""
        raised, returned, sums = _per_fault(self.raised), _per_fault(self.returned), self.sums()
        answered, broken = Counter(number for number, _ in self.answers), Counter(self.broken)
        for number in sorted(raised):
            if not returned[number] <= sums[number] <= raised[number]:
                yield f"fault {number}: delivered {sums[number]}, of {returned[number]} to {raised[number]}"
            if answered[number] > returned[number]:
                yield f"fault {number}: {answered[number]} visitors have an id, {returned[number]} were reported"
            if self.answers and raised[number] - answered[number] > broken[number]:
                yield f"fault {number}: raised {raised[number]}, answered {answered[number]}, broke {broken[number]}"
        for pid, number in self.in_between().items():
            if not 0 <= number <= threads.get(pid, 0):
                yield f"process {pid}: {number} between raise and return, {threads.get(pid, 0)} threads were killed"

    def _reports_missing(self) -> Iterator[str]:
        known = self.numbers()
        for number in sorted(_per_fault(self.returned)):
            if number not in known.values():
                yield f"fault {number}: no full report"
        for line in self.lines:
            if line["kind"] == "loss":
                yield f"a loss: {line['message']}"
            elif line["fingerprint"] not in known:
                yield f"unknown fault: {line['fingerprint']} {line['message']!r}"

    def _told_twice(self) -> Iterator[str]:
        """No origin comes twice, and a counter's lines add up to the highest count told of it."""
        origins = Counter(tuple(sorted(line["origin"].items())) for line in self.lines)
        yield from (f"delivered twice: {origin}" for origin, times in origins.items() if times > 1)
        highest: Counter[tuple[Any, ...]] = Counter()
        summed: Counter[tuple[Any, ...]] = Counter()
        for line in self.lines:
            origin = line["origin"]
            if "slot" in origin:
                cell = origin["process"], origin["generation"], origin["slot"]
                highest[cell] = max(highest[cell], origin["count"])
                summed[cell] += line["occurrences"]
        for cell, high in highest.items():
            if summed[cell] != high:
                yield f"counter {cell}: told {summed[cell]} of {high}"

    def _ids_unknown(self) -> Iterator[str]:
        numbers = self.numbers()
        issue_of = {line["error_id"][:6]: numbers.get(line["fingerprint"]) for line in self.lines if line["error_id"]}
        for number, error_id in self.answers:
            if issue_of.get(error_id[:6], -1) != number:
                yield f"visitor's id {error_id!r} of fault {number}: not found under it"


def _per_fault(noted: list[tuple[int, int]]) -> Counter[int]:
    return Counter(number for _, number in noted)


def _number(line: dict[str, Any]) -> int | None:
    """Return the fault's number from a full report; None for a count or a torn report."""
    frames = (line.get("exception") or {}).get("frames") or []
    found = _BREAK.search(frames[-1]["function"]) if frames else None
    return int(found[1]) if found else None
