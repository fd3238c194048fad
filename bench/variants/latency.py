"""Requests to the leader's worker, while it delivers a backlog and while it has nothing to deliver: wall-clock times.

One process: a loop of requests, each a millisecond of Python's work in a wrapped application; delivery in its thread.
A worker that has time to breathe waits a millisecond between requests, as for a socket; a saturated one doesn't.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import ours
import stack
from measure import Figures, Measure, Step
from sink import Sink
from variants.event import DEPTH
from variants.wsgi import request

__all__ = ["MEASURE"]

_BACKLOG: Final = 10_000
_WORK_S: Final = 0.001
_WAIT_S: Final = 0.001
_LOOK_EVERY: Final = 100
_AT_MOST_S: Final = 15.0
_SHARES: Final = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "p999_ms": 0.999}


def _rounds_per_request() -> int:
    """Return how often the inner loop is run for a millisecond of CPU time here."""
    begun = time.thread_time_ns()
    _work(100_000)
    return max(1, int(100_000 * _WORK_S * 1e9 / (time.thread_time_ns() - begun)))


def _work(rounds: int) -> int:
    total, seen = 0, {}
    for number in range(rounds):
        seen[number & 63] = number
        total += number * 3 & 7
    return total


def _app(rounds: int) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        _work(rounds)
        start_response("200 OK", [])
        return [b"fine"]

    return app


def _prefill(folder: str, number: int) -> None:
    """Have a process spool a backlog, and end."""
    subprocess.run([sys.executable, __file__, folder, str(number)], check=True, env=_env())


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def _loop(step: Step, wait_s: float, least: int, is_done: Callable[[], bool]) -> list[float]:
    """Return seconds per request: of at least so many, and until ``is_done`` or the time is up."""
    times: list[float] = []
    end = time.perf_counter() + _AT_MOST_S
    while True:
        for _ in range(min(least, _LOOK_EVERY)):
            begun = time.perf_counter()
            step()
            times.append(time.perf_counter() - begun)
            if wait_s:
                time.sleep(wait_s)
        if time.perf_counter() > end or (len(times) >= least and is_done()):
            return times


def _measured(backlog: int, wait_s: float, steps: int) -> Figures:
    folder = Path(tempfile.mkdtemp())
    lines = folder / "events.jsonl"
    backlog = min(backlog, steps)
    if backlog:
        _prefill(str(folder / "spool"), backlog)
    with Sink() as sink:
        mail = {"type": "mail", "host": "127.0.0.1", "port": sink.smtp_port, "tls": "none", "to": "ops@example.org"}
        sinks = [{"type": "file", "path": str(lines), "max_mb": 1000}, mail]
        _go_first()
        reporter = ours.reporter(folder=str(folder / "spool"), delivery="thread", sinks=sinks)
        step = request(reporter.wsgi(_app(_rounds_per_request())))
        times = _loop(step, wait_s, steps // 4, lambda: _count(lines) >= backlog)
    times.sort()
    figures = {name: 1000 * times[int(len(times) * share)] for name, share in _SHARES.items()}
    return {**figures, "requests": len(times), "delivered": _count(lines)}


def _go_first() -> None:
    """Have this process and its threads scheduled before all others, where that is allowed.

    Wall-clock times are of a machine's other processes as well; what is asked here is what threads do to each other.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def _count(lines: Path) -> int:
    return lines.read_bytes().count(b"\n") if lines.exists() else 0


def _fill(folder: str, number: int) -> None:
    reporter = ours.reporter(is_unlimited=True, folder=folder)
    step = stack.raising(stack.falls(DEPTH, 50), reporter.report)
    for _ in range(number):
        step()


MEASURE = Measure(
    "latency",
    steps=_BACKLOG,
    few=40,
    variants={
        f"{leader}, {worker}": partial(_measured, backlog, wait_s)
        for worker, wait_s in (("busy half the time", _WAIT_S), ("saturated", 0.0))
        for leader, backlog in (("idle", 0), ("delivering", _BACKLOG))
    },
    rounds=3,
)

if __name__ == "__main__":
    _fill(sys.argv[1], int(sys.argv[2]))
