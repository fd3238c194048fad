"""The dice of randomised tests: a seed from the environment, or a new one, printed so that a run can be repeated."""

from __future__ import annotations

import os
import random

__all__ = ["dice"]

_given = os.environ.pop("TOCSIN_SEED", None)  # out of sight of tocsin, to which it is an unknown setting: a fault


def dice(usual: int | None = None) -> random.Random:
    """Return a generator of random numbers. ``TOCSIN_SEED=…`` gives it the seed of an earlier run.

    Without it, it is a new seed each time, or the ``usual`` one.
    """
    seed = int(_given) if _given else random.randrange(2**32) if usual is None else usual
    print(f"TOCSIN_SEED={seed}")
    return random.Random(seed)
