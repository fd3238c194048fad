"""What a step is made of: the name of a measure goes in; a table of functions with their share of its time leaves.

cProfile tells calls and shares; it makes small functions look dearer than they are. So the shares are of its own
total, and the time beside them is that share of what the step takes without a profiler.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import ours
import stack
from measure import Step, ns_per_step
from variants.event import DEPTH
from variants.wsgi import generator_app, list_app, request

__all__ = ["NAMES", "apart", "profile"]

_STEPS: Final = 2_000
_LINES: Final = 14


def apart(name: str) -> str:
    """Return the table of a name, made in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("run.py")), "--profile", name]
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        environ = {**os.environ, "TMPDIR": folder}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "It could not be profiled here."


def profile(name: str) -> str:
    """Return the table of a name of `NAMES`, in Markdown."""
    step = _STEPS_BY_NAME[name]()
    for _ in range(20):
        step()
    total_ns = ns_per_step(step, _STEPS)
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(_STEPS):
        step()
    profiler.disable()
    rows = sorted(_rows(pstats.Stats(profiler)), key=lambda row: -row[2])
    whole = sum(own for _, _, own in rows)
    lines = [
        f"One step takes {total_ns / 1000:.1f} µs without the profiler.",
        "",
        "| function | calls a step | share | of the step |",
        "| --- | --- | --- | --- |",
    ]
    for place, calls, own in rows[:_LINES]:
        share = own / whole
        lines.append(f"| `{place}` | {calls / _STEPS:.3g} | {share:.0%} | {share * total_ns / 1000:.2f} µs |")
    rest = sum(own for _, _, own in rows[_LINES:]) / whole
    if rest:
        lines.append(f"| {len(rows) - _LINES} others | | {rest:.0%} | {rest * total_ns / 1000:.2f} µs |")
    return "\n".join(lines)


def _rows(stats: pstats.Stats) -> list[tuple[str, int, float]]:
    found = []
    for (file, line, function), (_, calls, own, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        place = function if file == "~" else f"{_short(file)}:{line} {function}"
        found.append((place.replace("|", "/"), calls, own))
    return found


def _short(file: str) -> str:
    path = Path(file)
    return "/".join(path.parts[path.parts.index("tocsin") + 1 :]) if "tocsin" in path.parts else path.name


def _known() -> Step:
    return stack.raising(stack.falls(DEPTH), ours.reporter().report)


def _event() -> Step:
    return stack.raising(stack.falls(DEPTH), ours.reporter(is_unlimited=True).report)


def _locals() -> Step:
    return stack.raising(stack.falls(DEPTH), ours.reporter(is_unlimited=True, locals=True).report)


_STEPS_BY_NAME: Final[dict[str, Callable[[], Step]]] = {
    "known": _known,
    "event": _event,
    "locals": _locals,
    "wsgi": lambda: request(ours.reporter().wsgi(list_app)),
    "wsgi-generator": lambda: request(ours.reporter().wsgi(generator_app)),
}
NAMES: Final = tuple(_STEPS_BY_NAME)
