"""What was masked, without the sort that it says: a text or a structure of texts goes in, ``[masked]`` leaves."""

from __future__ import annotations

from typing import Any

from tocsin.event.masking.marks import MASK, MASKED

__all__ = ["bare"]


def bare(value: Any) -> Any:
    """Return a value with every mask in its texts as ``[masked]``."""
    if type(value) is str:
        return MASKED.sub(MASK, value)
    if type(value) is dict:
        return {bare(name): bare(each) for name, each in value.items()}
    return type(value)(map(bare, value)) if type(value) in (list, tuple) else value
