"""What stands in a secret's place: a sort goes in, ``[masked: sort]`` leaves."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MASK", "MASKED", "MASKED_SORT", "is_in_mask", "is_mask", "is_sort", "mask_end", "mask_for"]

MASK: Final = "[masked]"  # where nothing is known of what it was
_SORT: Final = r"[A-Za-z0-9][A-Za-z0-9 ._\-]{0,39}"
MASKED: Final = re.compile(rf"\[masked(?:: {_SORT})?\]")
# Has a blank, so it is no part of a run that has none: an expression may repeat either.
MASKED_SORT: Final = rf"\[masked: {_SORT}\]"
_IS_SORT: Final = re.compile(_SORT)
_BEGUN: Final = re.compile(r"\[masked: [A-Za-z0-9 ._\-]{0,40}\Z")
_LONGEST: Final = len("[masked: ") + 40


def is_sort(text: str) -> bool:
    """Return whether a mask can say this."""
    return _IS_SORT.fullmatch(text) is not None


def mask_for(sort: str) -> str:
    """Return what a secret of this sort becomes: a sort of the table, or a name of the configuration; never a value."""
    return f"[masked: {sort}]" if is_sort(sort) else MASK


def is_mask(text: str) -> bool:
    """Return whether a text is a mask and nothing else."""
    return text.startswith("[masked") and MASKED.fullmatch(text) is not None


def mask_end(text: str, start: int) -> int | None:
    """Return where the mask ends that begins at ``start``, None if none does."""
    found = MASKED.match(text, start) if text.startswith("[masked", start) else None
    return found.end() if found else None


def is_in_mask(text: str, start: int, end: int) -> bool:
    """Return whether a word is the end of a mask's sort: no name of anything, whatever stands behind it."""
    return text.startswith("]", end) and _BEGUN.search(text[max(0, start - _LONGEST) : start]) is not None
