"""`tocsin deliver` beside a running application: its worker makes room, takes over again, and nothing is told twice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

_APPLICATION = """
import sys, time, tocsin
reporter = tocsin.setup("shop.toml", root_handler=False)
def pay():
    return 1 / 0
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        try:
            pay()
        except ZeroDivisionError:
            tocsin.report()
    print("done", flush=True)
reporter.close(5)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it ends by SIGTERM, which Windows does not have")
def test_worker_makes_room_and_leads_again_with_exact_counts(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(
        'application = "shop"\nspool = "spool"\n[[sinks]]\ntype = "file"\npath = "events.jsonl"\n'
    )
    lock = tmp_path / "spool" / "leader.lock"
    worker = subprocess.Popen(
        [sys.executable, "-c", _APPLICATION], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdin is not None and worker.stdout is not None
    try:
        assert worker.stdout.readline() == "ready\n"
        for _ in range(3):
            worker.stdin.write("50\n")
            worker.stdin.flush()
            assert worker.stdout.readline() == "done\n"
            _wait_for(lambda: lock.exists() and b"a worker" in lock.read_bytes())
            drained = subprocess.run(
                [sys.executable, "-m", "tocsin.cli", "deliver", "--drain", "--config", "shop.toml"],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert (drained.returncode, drained.stderr) == (0, "")
        worker.stdin.close()
        assert worker.wait(10) == 0
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert sum(line["occurrences"] for line in lines) == 150
    assert len({json.dumps(line["origin"]) for line in lines}) == len(lines)


def _wait_for(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def test_drain_beside_a_dedicated_process_asks_that_one(tmp_path: Path) -> None:
    """Two can't lead one spool, so the one that leads delivers at once, and the command says so."""
    (tmp_path / "shop.toml").write_text(
        'application = "shop"\nspool = "spool"\ndelivery = "process"\n[[sinks]]\ntype = "file"\npath = "events.jsonl"\n'
    )
    report = "import tocsin; tocsin.setup('shop.toml', root_handler=False).report(message='waits')"
    command = [sys.executable, "-m", "tocsin.cli", "deliver", "--config", "shop.toml"]
    subprocess.run([sys.executable, "-c", report], cwd=tmp_path, check=True)
    dedicated = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert dedicated.stdout is not None
        assert dedicated.stdout.readline().startswith("delivering ")
        subprocess.run([sys.executable, "-c", report], cwd=tmp_path, check=True)
        drained = subprocess.run(
            [*command, "--drain"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert (drained.returncode, drained.stderr) == (0, "")
        assert f"tocsin deliver (pid {dedicated.pid})" in drained.stdout
        lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
        assert sum(line["occurrences"] for line in lines) == 2
    finally:
        dedicated.terminate()
        dedicated.communicate(timeout=10)
