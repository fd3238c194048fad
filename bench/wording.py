"""Numbers in words: a spread and a unit go in; short text for a table leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from results import Spread

__all__ = ["in_mb", "in_ms", "in_percent", "in_us", "spread", "table"]


def in_us(ns: float) -> str:
    """Say nanoseconds in µs, with as many digits as mean something."""
    return f"{_digits(ns / 1000)} µs"


def in_ms(ms: float) -> str:
    """Say milliseconds."""
    return f"{_digits(ms)} ms"


def in_mb(kb: float) -> str:
    """Say kilobytes in MB."""
    return f"{_digits(kb / 1024)} MB"


def in_percent(share: float) -> str:
    """Say a share."""
    return f"{share:.0%}"


def _digits(value: float) -> str:
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def spread(found: Spread | None, say: Callable[[float], str]) -> str:
    """Say a median with its range; nothing where nothing was measured."""
    if found is None:
        return ""
    if found.number == 1:
        return say(found.median)
    low, high = (say(end).partition(" ")[0] for end in (found.low, found.high))
    return f"{say(found.median)} ({low} to {high})"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [" | ".join(row) for row in (head, ("---",) * len(head), *rows)]
    return "\n".join(f"| {line} |".replace("  ", " ") for line in lines)
