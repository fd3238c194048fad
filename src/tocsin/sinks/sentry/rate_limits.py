"""A server's headers go in; for how long it wants no error events leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["DEFAULT_WAIT_S", "wait_s"]

DEFAULT_WAIT_S: Final = 60.0  # after a 429 that says no time
_CATEGORIES: Final = frozenset({"", "error"})  # no category stands for all of them


def wait_s(status: int, headers: Mapping[str, str]) -> float:
    """Return how long no event may be sent after this reply; 0 where it sets no limit. Header names in lower case.

    ``X-Sentry-Rate-Limits`` has comma-separated limits ``seconds:category;category:scope:…``, with any status. Where
    it is missing a 429 counts for everything, for as long as Retry-After says.
    """
    limits = headers.get("x-sentry-rate-limits")
    if limits is not None:
        waits = [_of_limit(limit) for limit in limits.split(",")]
        return max(waits, default=0.0)
    if status != 429:
        return 0.0
    return _seconds(headers.get("retry-after", "")) or DEFAULT_WAIT_S


def _of_limit(limit: str) -> float:
    seconds, *rest = limit.strip().split(":")
    categories = rest[0].strip().lower().split(";") if rest else [""]
    return _seconds(seconds) if _CATEGORIES & {name.strip() for name in categories} else 0.0


def _seconds(text: str) -> float:
    text = text.strip().partition(".")[0]
    return float(text[:9]) if text.isascii() and text.isdigit() else 0.0
