"""One variant in one process: names of a measure and a variant go in; its figures leave as a line of JSON.

``python bench/child.py MEASURE VARIANT STEPS``. The answer is ``{"skipped": reason}`` where it can't be measured here.
"""

from __future__ import annotations

import json
import os
import sys

import variants
from measure import Skipped

__all__: list[str] = []


def main(name: str, variant: str, steps: int) -> dict[str, object]:
    """Measure, and return what is to be printed."""
    try:
        return {"figures": variants.load(name).variants[variant](steps)}
    except Skipped as reason:
        return {"skipped": str(reason)}


if __name__ == "__main__":
    answer = main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    print(json.dumps(answer), flush=True)
    os._exit(0)  # nobody's exit hooks: some peers wait there for a server
