"""The examples work for a stranger: installed into a fresh environment, tested, and used by the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_package_with_a_sink_of_its_own_installs_passes_its_contract_and_is_found(tmp_path: Path) -> None:
    """As `examples/tocsin-folder/README.md` says it."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, ROOT, ROOT / "examples" / "tocsin-folder", "pytest"], check=True, capture_output=True)
    tests = ROOT / "examples" / "tocsin-folder" / "tests"
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tests, "-c", os.devnull, tests],
        capture_output=True, text=True, env=environ, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3_000:]
    assert "passed" in run.stdout

    (tmp_path / "tocsin.toml").write_text(
        f'application = "shop"\nspool = "{tmp_path}/spool"\n[[sinks]]\ntype = "folder"\npath = "{tmp_path}/wall"\n'
    )
    check = subprocess.run(
        [python, "-m", "tocsin.cli", "check", "--config", tmp_path / "tocsin.toml"],
        capture_output=True, text=True, env=environ, cwd=tmp_path,
    )  # fmt: skip
    assert check.returncode == 0, check.stdout + check.stderr
    [notice] = (tmp_path / "wall").glob("*.txt")
    assert "tocsin check" in notice.read_text()
