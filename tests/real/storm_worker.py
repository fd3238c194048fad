"""A worker that breaks: raises numbered faults without end, noting each in side files that know nothing of tocsin.

Usage: storm_worker.py SPOOL EVENTS SIDE. Appends the fault's number to SIDE.before before it raises, and to SIDE.after
when the report has returned. Every process also delivers (delivery in a thread), so killing workers kills leaders.
"""

from __future__ import annotations

import os
import random
import sys
import time

import tocsin

FAULTS = 40


def make_fault(number: int):  # type: ignore[no-untyped-def]
    """Return a function of its own code object, so that each number is a fault of its own."""
    namespace: dict[str, object] = {}
    source = f"def break_{number}(x):\n    return {{}}[f'missing {{x}}']\n"
    exec(compile(source, f"storm_{number}.py", "exec"), namespace)
    return namespace[f"break_{number}"]


def main() -> None:
    spool, events, side = sys.argv[1:]
    reporter = tocsin.setup(
        {
            "application": "storm",
            "spool": spool,
            "sinks": [{"type": "file", "path": events, "max_mb": 1, "backups": 999}],
        }
    )
    before = os.open(f"{side}.before", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    after = os.open(f"{side}.after", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    faults = [make_fault(number) for number in range(FAULTS)]
    dice = random.Random()
    while True:
        number = dice.randrange(FAULTS)
        os.write(before, b"%d\n" % number)
        try:
            faults[number](dice.random())
        except KeyError as fault:
            reporter.report(fault, number=number)
        os.write(after, b"%d\n" % number)
        if dice.random() < 0.01:
            time.sleep(0.001)


if __name__ == "__main__":
    main()
