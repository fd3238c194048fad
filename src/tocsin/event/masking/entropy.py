"""Values that a machine drew: a text goes in, whether it looks random leaves."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["RANDOM_CHARS", "holds_random", "is_random"]

_RANDOM: Final = re.compile(
    r"(?=[A-Za-z0-9+/=_\-]{0,200}?(?:[A-Za-z][0-9]|[0-9][A-Za-z]))[A-Za-z0-9+/=_\-]{16,}+"  # user_2024_01_05 is not
)
RANDOM_CHARS: Final = 16
_PARTS: Final = re.compile(r"[A-Za-z0-9+=_\-]{16,}+")


def is_random(value: str) -> bool:
    """Return whether a value looks as if a machine had drawn it."""
    return _RANDOM.fullmatch(value) is not None


def holds_random(value: str) -> bool:
    """Return whether a part of a value looks so; a path's parts are looked at one by one."""
    if len(value) < RANDOM_CHARS:
        return False
    return is_random(value) or any(is_random(part) for part in _PARTS.findall(value))
