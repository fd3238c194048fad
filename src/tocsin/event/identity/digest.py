"""Digests: texts go in, 32 hexadecimal digits leave, others for every other list of texts."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

__all__ = ["digest"]

_BYTES: Final = 16


def digest(parts: Iterable[str]) -> str:
    """Return 128 bits of BLAKE2b. Each part counts with its length: ("ab", "c") and ("a", "bc") differ."""
    made = blake2b(digest_size=_BYTES)
    for part in parts:
        data = part.encode("utf-8", "replace")
        made.update(b"%d:" % len(data))
        made.update(data)
    return made.hexdigest()
