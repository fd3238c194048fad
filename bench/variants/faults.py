"""How cost grows with the number of different faults among the same number of errors: CPU time and disk."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import ours
import stack
from measure import Figures, Measure, cpu_of
from variants.event import DEPTH

__all__ = ["COUNTS", "MEASURE"]

COUNTS = (1, 10, 100, 1_000)


def _storm(faults: int, steps: int) -> Figures:
    folder = tempfile.mkdtemp()
    reporter = ours.reporter(folder=folder)
    figures = cpu_of(stack.raising(stack.falls(DEPTH, faults), reporter.report), steps)
    stats = reporter.stats()
    disk = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*") if path.is_file())
    return {"ns": figures["thread_ns"], "captured": stats["captured"], "disk_kb": disk / 1024}


MEASURE = Measure("faults", steps=9_000, few=20, variants={str(count): partial(_storm, count) for count in COUNTS})
