"""A process without a server that breaks: raises numbered faults without end and reports each by hand.

Usage: storm_worker.py SPOOL EVENTS SIDE. Every process also delivers (delivery in a thread), so killing workers kills
leaders.
"""

from __future__ import annotations

import random
import sys
import time

from storm_faults import FAULTS, Side, make_fault

import tocsin


def main() -> None:
    spool, events, side_path = sys.argv[1:]
    reporter = tocsin.setup(
        {
            "application": "storm",
            "spool": spool,
            "sinks": [{"type": "file", "path": events, "max_mb": 1, "backups": 999}],
        }
    )
    side = Side(side_path)
    faults = [make_fault(number) for number in range(FAULTS)]
    dice = random.Random()
    while True:
        number = dice.randrange(FAULTS)
        side.raised(number)
        try:
            faults[number](dice.random())
        except KeyError as fault:
            reporter.report(fault, number=number)
        side.returned(number)
        if dice.random() < 0.01:
            time.sleep(0.001)


if __name__ == "__main__":
    main()
