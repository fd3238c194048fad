"""Each fuzzing target for a few seconds: guided by coverage where atheris is there, from the seed that is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fuzzing
import pytest

import seeds

FOLDER = Path(__file__).parents[1] / "fuzz"
RUNS = 4_000
TARGETS = sorted(path.stem for path in FOLDER.glob("fuzz_*.py"))


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_holds_its_laws_for_a_while(target: str, tmp_path: Path) -> None:
    """A longer run: ``make fuzz``, or ``python tests/fuzz/<target>.py -max_total_time=600``."""
    if not fuzzing.has_atheris():
        pytest.skip(fuzzing.NO_ATHERIS)
    seed = seeds.dice().randrange(1, 1 << 31)
    options = [f"-runs={RUNS}", f"-seed={seed}", f"-artifact_prefix={tmp_path}/"]
    command = [sys.executable, str(FOLDER / f"{target}.py"), *options]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False, env={**os.environ})
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout[-3_000:]}{ran.stderr[-3_000:]}"
    done = next(line for line in ran.stderr.splitlines() if "number_of_executed_units" in line)
    assert int(done.rpartition(":")[2]) >= RUNS
