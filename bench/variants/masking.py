"""Masking's share of a full report: the same with the setting ``masking`` on and off."""

from __future__ import annotations

from functools import partial

from measure import Measure
from variants.event import DEPTH, captured, raise_alone

__all__ = ["MEASURE"]

MEASURE = Measure(
    "masking",
    steps=1_000,
    few=2,
    variants={
        "raise": partial(raise_alone, DEPTH),
        "on": partial(captured, DEPTH),
        "off": partial(captured, DEPTH, masking=False),
    },
)
