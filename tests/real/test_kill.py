"""SIGKILL at random among workers and leaders: counts of completed captures stay exact, each is delivered once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

WORKER = Path(__file__).with_name("storm_worker.py")
SECONDS = 8.0
WORKERS = 4


def numbers(path: Path) -> Counter[int]:
    return Counter(int(line) for line in path.read_text().split())


def lines(folder: Path) -> list[dict[str, object]]:
    paths = sorted(folder.glob("events.jsonl*"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_counts_survive_the_killing_of_workers_and_leaders(tmp_path: Path) -> None:
    """The oracle: what each worker noted before it raised and after its report returned.

    A worker killed in between may or may not have completed the capture, so at most one occurrence per killed
    worker lies between the two; everything else is exact, per fault.
    """
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    spool, events, side = tmp_path / "spool", tmp_path / "events.jsonl", tmp_path / "side"
    command = [sys.executable, str(WORKER), str(spool), str(events), str(side)]
    workers = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(WORKERS)]
    killed = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.02, 0.4))
        victim = dice.randrange(WORKERS)
        workers[victim].kill()
        workers[victim].wait()
        killed += 1
        workers[victim] = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    for worker in workers:
        worker.kill()
        worker.wait()
        killed += 1
    tocsin = Path(sys.executable).with_name("tocsin")
    drain = [tocsin, "deliver", "--drain", "--spool", str(spool), "--sink", f"file:{events}"]
    subprocess.run(drain, check=True, timeout=120)

    delivered: Counter[int] = Counter()
    number_of: dict[str, int] = {}
    origins: Counter[tuple[object, ...]] = Counter()
    for line in lines(tmp_path):
        assert line["kind"] != "loss", line
        if line.get("fields"):
            number_of[line["fingerprint"]] = line["fields"]["number"]  # type: ignore[index]
        origin = line["origin"]
        origins[tuple(sorted(origin.items()))] += 1  # type: ignore[attr-defined]
    for line in lines(tmp_path):
        delivered[number_of[line["fingerprint"]]] += line["occurrences"]  # type: ignore[index,operator]
    before, after = numbers(tmp_path / "side.before"), numbers(tmp_path / "side.after")

    assert max(origins.values()) == 1, "an occurrence was delivered twice"
    assert all(after[number] <= delivered[number] <= before[number] for number in before)
    assert before.total() - after.total() <= killed
    assert before.total() > 1_000
    print(f"{before.total()} occurrences, {killed} processes killed, {delivered.total() - after.total()} in between")
