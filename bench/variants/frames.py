"""How cost grows with the depth of the traceback."""

from __future__ import annotations

from functools import partial

from measure import Measure
from variants.event import captured, format_exc, raise_alone
from variants.known import counted

__all__ = ["DEPTHS", "MEASURE"]

DEPTHS = (5, 20, 50, 100)


MEASURE = Measure(
    "frames",
    steps=500,
    few=2,
    variants={
        f"{name}, {depth}": partial(measured, depth)
        for depth in DEPTHS
        for name, measured in (
            ("raise", raise_alone),
            ("format_exc", format_exc),
            ("full", captured),
            ("known", lambda depth, steps: counted(depth, steps * 5)),
        )
    },
)
