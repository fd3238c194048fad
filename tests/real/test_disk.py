"""A full disk, for real: a small tmpfs. Reporting goes on, is said once, and nothing is lost that memory can hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = """
import os, sys, tocsin
disk, events = sys.argv[1:]
reporter = tocsin.setup({"application": "shop", "spool": f"{disk}/spool", "sinks": [f"file:{events}"]})

def fail(n):
    raise LookupError(n)

def happen(times):
    for n in range(times):
        try:
            fail(n)
        except LookupError as fault:
            reporter.report(fault)

happen(3)
with open(f"{disk}/filler", "wb", buffering=0) as filler:
    try:
        while True:
            filler.write(bytes(4096))
    except OSError:
        pass
    while True:  # and the last bytes too
        try:
            filler.write(b"x")
        except OSError:
            break
for number in range(20):
    reporter.report(message="while full", fingerprint=f"other {number}")
happen(500)
print(reporter.stats()["pending"] > 0, flush=True)
os.remove(f"{disk}/filler")
print(reporter.flush(30), reporter.stats()["pending"], flush=True)
reporter.close()
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a tmpfs of 512 kB."""
    if os.geteuid() != 0:
        pytest.skip("a small disk can be mounted by root only; sudo make test")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not let root mount a tmpfs; run the tests where it may")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_survived_told_once_and_made_up_for(small_disk: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(small_disk), str(events)], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["True", "True", "0"], (ran.stdout, ran.stderr[-2000:])
    assert ran.stderr.count("reports are kept in memory") == 1
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    lookups = [line for line in lines if (line["exception"] or {}).get("type") == "LookupError"]
    assert len({line["fingerprint"] for line in lookups}) == 1
    assert sum(line["occurrences"] for line in lookups) == 503
    others = {line["fingerprint"] for line in lines if line["message"] == "while full"}
    assert len(others) == 20  # also the one whose record the disk took only in part
    assert sum(line["occurrences"] for line in lines if line["fingerprint"] in others) == 20
