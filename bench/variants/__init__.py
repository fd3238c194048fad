"""The names of all measures go out; `load` returns one. Nothing else is imported: each child loads only its own."""

from __future__ import annotations

from importlib import import_module

from measure import Measure

__all__ = ["NAMES", "load"]

NAMES = (
    "wsgi",
    "asgi",
    "deaths",
    "event",
    "known",
    "lead_up",
    "imports",
    "frames",
    "faults",
    "workers",
    "masking",
    "latency",
    "storm",
    "memory",
)


def load(name: str) -> Measure:
    """Return the measure that ``variants/<name>.py`` describes."""
    measure: Measure = import_module(f"variants.{name}").MEASURE
    return measure
