"""The short form of the soak: two minutes of mixed load, in which nothing may grow. `make soak` runs the long one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = Path(__file__).parents[2] / "bench" / "soak.py"


def test_nothing_grows_in_two_minutes_of_mixed_load(tmp_path: Path) -> None:
    """Memory, descriptors, threads and disk stay within their bounds, and every occurrence is counted."""
    for module in ("gunicorn", "aiosmtpd"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"no {module}; pip install {module}")
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc; Linux has it")
    command = [sys.executable, str(_PROGRAM), "--minutes", "2", "--folder", str(tmp_path / "soak")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize("measure", ["bytes", "descriptors", "threads"])
def test_the_verdict_tells_what_grows_and_only_that(measure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that gains 2 MB, or two of the others, in half an hour is named; noise and what stays are not."""
    monkeypatch.syspath_prepend(_PROGRAM.parent)
    from soak_samples import Sample
    from soak_verdict import growths

    def look(at_s: int, role: str, pid: int, grown: float) -> Sample:
        noise = at_s % 7
        values = {"bytes": 20_000_000 + 1000 * noise, "descriptors": 8 + (noise == 3), "threads": 2}
        values[measure] += int(grown * (3_000_000 if measure == "bytes" else 3) * at_s / 1800)
        return Sample(at_s, role, pid, **values)

    roles = ("master", "worker", "deliver", "spool", "sink")
    samples = [look(at_s, role, pid, role == "worker") for at_s in range(0, 1800, 5) for pid, role in enumerate(roles)]
    told = {(each.role, each.measure) for each in growths(samples, 1800.0) if not each.is_flat}
    assert told == {("worker", "memory" if measure == "bytes" else measure)}
