"""Several processes spool full events into one folder at once: how many a second, and what one costs."""

from __future__ import annotations

import os
import tempfile
import time
from functools import partial

import ours
import stack
from measure import Figures, Measure, Step, ns_per_step
from variants.event import DEPTH

__all__ = ["COUNTS", "MEASURE"]

COUNTS = (1, 2, 4)


def _spooled(workers: int, steps: int) -> Figures:
    reporter = ours.reporter(is_unlimited=True, folder=tempfile.mkdtemp())
    step = stack.raising(stack.falls(DEPTH), reporter.report)
    begun, before = time.perf_counter(), os.times()
    children = [_forked(step, steps) for _ in range(workers)]
    for pid in children:
        if os.waitpid(pid, 0)[1]:
            raise RuntimeError("a worker failed")
    passed, after = time.perf_counter() - begun, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return {"per_s": workers * steps / passed, "cpu_ns": cpu_s * 1e9 / (workers * steps)}


def _forked(step: Step, steps: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        ns_per_step(step, steps)
    except BaseException:
        os._exit(1)
    os._exit(0)


MEASURE = Measure("workers", steps=3_000, few=3, variants={str(count): partial(_spooled, count) for count in COUNTS})
