"""What it costs to import, in cold processes: CPU time, a bare interpreter's subtracted later."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial

import peers
from measure import Figures, Measure, Skipped

__all__ = ["MEASURE"]

_SETUP = "import tocsin; tocsin.setup({{'application': 'bench', 'spool': {folder!r}}}, delivery='process')"


def _cpu_ms(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-I", "-c", f"{code}\nimport os; os._exit(0)"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def _imported(code: str, steps: int) -> Figures:
    _cpu_ms(code)  # its bytecode is cached from here on
    return {"cpu_ms": statistics.median(_cpu_ms(code) for _ in range(steps))}


def _set_up(steps: int) -> Figures:
    return _imported(_SETUP.format(folder=tempfile.mkdtemp()), steps)


def _peer(file: str, steps: int) -> Figures:
    peer = peers.Peer(file)
    if not peer.is_installed:
        raise Skipped(f"{peer.package} isn't installed: make bench installs it in .venv-bench")
    return _imported(f"import {peer.imports}", steps)


def _variants() -> dict[str, Callable[[int], Figures]]:
    found: dict[str, Callable[[int], Figures]] = {
        "nothing": partial(_imported, "pass"),
        "logging and json": partial(_imported, "import logging, json"),
        "tocsin": partial(_imported, "import tocsin"),
        "tocsin and its setup": _set_up,
    }
    return found | {peers.Peer(file).name: partial(_peer, file) for file in peers.NAMES if file != "stdlib"}


MEASURE = Measure("imports", steps=5, few=1, variants=_variants())
