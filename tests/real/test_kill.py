"""SIGKILL at random among processes without a server: counts stay exact, each occurrence is delivered once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from storm_books import Books

import seeds

WORKER = Path(__file__).with_name("storm_worker.py")
SECONDS = 8.0
WORKERS = 4


def test_counts_survive_the_killing_of_workers_and_leaders(tmp_path: Path) -> None:
    """The oracle: what each process noted before it raised and after its report returned. See `storm_books`."""
    dice = seeds.dice()
    spool, events, side = tmp_path / "spool", tmp_path / "events.jsonl", tmp_path / "side"
    command = [sys.executable, str(WORKER), str(spool), str(events), str(side)]
    workers = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(WORKERS)]
    killed: dict[int, int] = {}
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            time.sleep(dice.uniform(0.02, 0.4))
            victim = dice.randrange(WORKERS)
            killed[workers[victim].pid] = 1  # thread that raises
            workers[victim].kill()
            workers[victim].wait()
            workers[victim] = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    finally:  # they would go on for ever
        for worker in workers:
            killed[worker.pid] = 1
            worker.kill()
            worker.wait()
    tocsin = Path(sys.executable).with_name("tocsin")
    drain = [tocsin, "deliver", "--drain", "--spool", str(spool), "--sink", f"file:{events}"]
    subprocess.run(drain, check=True, timeout=120)

    books = Books.opened(side, events)
    print(books.summary(len(killed)))
    assert len(books.raised) > 1_000
    assert not books.disagreements(killed)
