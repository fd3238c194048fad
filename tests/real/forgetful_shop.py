"""A worker that breaks for its customers, one after another, until its standard input ends.

Usage: forgetful_shop.py CONFIG SIDE. Each report is a line in SIDE once it has returned.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable

import tocsin

CUSTOMERS = ("Jane Roe, 12 Elm Street", "John Doe, 7 Oak Street")


FAULTS = 300


def make_fault(number: int) -> Callable[[str], None]:
    """Return a function of its own code object, so that each number is a fault of its own, told in full."""
    namespace: dict[str, Callable[[str], None]] = {}
    source = f"def serve_{number}(customer):\n    return {{}}[f'nothing for {{customer}}']\n"
    exec(compile(source, f"shop_{number}.py", "exec"), namespace)
    return namespace[f"serve_{number}"]


def main() -> None:
    """Report until told to end."""
    config, side = sys.argv[1:]
    reporter = tocsin.setup(config)
    noted = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    faults = [make_fault(number) for number in range(FAULTS)]
    number = 0
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        for customer in CUSTOMERS:
            number += 1
            try:
                faults[number % FAULTS](customer)
            except KeyError as fault:
                reporter.report(fault, customer=customer, order=number)
            os.write(noted, b"x")
    reporter.close()


if __name__ == "__main__":
    main()
