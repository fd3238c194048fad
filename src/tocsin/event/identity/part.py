"""A part of a fingerprint: what was looked at, what was found there, and why."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Part"]


class Part(NamedTuple):
    """Hold one thing that an identity is made of. ``name`` and ``value`` enter it; ``reason`` is for people."""

    name: str
    value: str
    reason: str
