"""What tocsin costs: nothing goes in; a table of CPU times leaves. `python bench/quick.py [rounds]`.

Each variant runs in a process of its own, the variants interleaved over several rounds, so that a change of the
machine's pace meets all of them. Times are CPU times of the process; the median of the rounds counts.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Final

_DEPTH: Final = 20  # with the two frames around it, 22 in the traceback
_WARM_UP: Final = 200

Step = Callable[[], object]


# -- a request that succeeds -------------------------------------------------------------------------------


def _list_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]


def _generator_app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"fine"


def _request(app: Any) -> Step:
    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        return None

    def step() -> None:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": ""}
        body = app(environ, start_response)
        for _ in body:
            pass
        close = getattr(body, "close", None)
        if close is not None:
            close()

    return step


# -- a request that fails ----------------------------------------------------------------------------------


def _fall(depth: int) -> None:
    if depth:
        _further(depth - 1)
    raise ValueError("no such order: 4711")


def _further(depth: int) -> None:
    _fall(depth - 1) if depth else _fall(0)


def _raising(then: Callable[[BaseException], object]) -> Step:
    def step() -> None:
        try:
            _fall(_DEPTH)
        except ValueError as fault:
            then(fault)

    return step


def _reporter(*, is_unlimited: bool = False) -> Any:
    import tocsin
    from tocsin.event import limits

    if is_unlimited:
        vars(limits).update(BURST=10**9, CAPTURES_PER_MINUTE=10**9)
    folder = tempfile.mkdtemp()  # in a folder that `main` removes
    return tocsin.setup({"application": "bench", "spool": folder, "delivery": "process", "spool_max_mb": 4096})


VARIANTS: Final[dict[str, tuple[int, Callable[[], Step]]]] = {
    "request, list": (200_000, lambda: _request(_list_app)),
    "request, list, tocsin": (200_000, lambda: _request(_reporter().wsgi(_list_app))),
    "request, generator": (200_000, lambda: _request(_generator_app)),
    "request, generator, tocsin": (200_000, lambda: _request(_reporter().wsgi(_generator_app))),
    "raise": (20_000, lambda: _raising(lambda fault: None)),
    "raise, format_exc": (1_000, lambda: _raising(lambda fault: traceback.format_exc())),
    "raise, tocsin, known fault": (20_000, lambda: _raising(_reporter().report)),
    "raise, tocsin, full event": (2_000, lambda: _raising(_reporter(is_unlimited=True).report)),
}


def measure(name: str) -> float:
    """Return nanoseconds of CPU time per step of a variant, in this process."""
    number, prepare = VARIANTS[name]
    step = prepare()
    for _ in range(_WARM_UP):
        step()
    begun = time.process_time_ns()
    for _ in range(number):
        step()
    return (time.process_time_ns() - begun) / number


def main(rounds: int) -> None:
    """Run all variants in turn, each in its own process, and print the medians."""
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        for _ in range(rounds):
            for name, values in times.items():
                values.append(_measured(name, folder))
    print(f"CPython {sys.version.split()[0]}, {rounds} rounds, CPU time per step, median (lowest to highest)")
    for name, values in times.items():
        low, high = min(values), max(values)
        print(f"{name:<28} {_shown(statistics.median(values)):>9}   ({_shown(low)} to {_shown(high)})")


def _measured(name: str, folder: str) -> float:
    command = [sys.executable, __file__, "--one", name]
    done = subprocess.run(command, env={**os.environ, "TMPDIR": folder}, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _shown(ns: float) -> str:
    return f"{ns:,.0f} ns" if ns < 10_000 else f"{ns / 1000:,.1f} µs"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(measure(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
