"""The demo, run through: a shop under gunicorn breaks, a worker is killed, and what arrived is what was sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_DEMO = Path(__file__).parents[2] / "demo" / "run.py"


def test_what_arrives_is_what_was_sent(tmp_path: Path) -> None:
    """Every fault is mailed once, counted exactly, found by its id, and without a secret."""
    done = _run("--check", "--folder", str(tmp_path / "demo"))
    assert done.returncode == 0, _told(done)


def test_check_fails_when_masking_is_switched_off(tmp_path: Path) -> None:
    """A check that can't fail proves nothing."""
    done = _run("--check", "--masking", "off", "--folder", str(tmp_path / "demo"))
    assert done.returncode == 1, _told(done)
    wrong = [line for line in done.stdout.splitlines() if line.lstrip().startswith("✗")]
    assert len(wrong) == 1, _told(done)
    assert "planted secrets" in wrong[0]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(_DEMO), *arguments], capture_output=True, text=True, timeout=180, check=False
    )


def _told(done: subprocess.CompletedProcess[str]) -> str:
    return f"exit status {done.returncode}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
