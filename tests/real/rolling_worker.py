"""A worker of a deploy: rolling_worker.py FOLDER SEED DELIVERY. Reports until FOLDER/stop; says when it leads."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import life

import tocsin


def main() -> None:
    """Report faults, now and then; delivery goes on in a thread."""
    life.watch()
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    dice = random.Random(seed)
    reporter = tocsin.setup(life.settings(folder, delivery=sys.argv[3]))
    was_leading = False
    while not (folder / "stop").exists():
        life.fall(folder, dice.randrange(40))
        time.sleep(dice.random() * 0.01)
        is_leading = reporter.stats()["is_leader"]
        if is_leading is not was_leading:
            print("leads" if is_leading else "yields", flush=True)
            was_leading = is_leading


if __name__ == "__main__":
    main()
