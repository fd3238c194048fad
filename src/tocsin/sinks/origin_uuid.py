"""An origin goes in; the same id leaves each time, in the shape of a UUID: what destinations know a repetition by."""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID

from tocsin.sinks.base import Origin

__all__ = ["origin_text", "origin_uuid"]


def origin_text(origin: Origin) -> str:
    """Return ``process/generation/offset``, of a count ``process/generation/slot=count``."""
    if origin.offset is not None:
        return f"{origin.process}/{origin.generation}/{origin.offset}"
    return f"{origin.process}/{origin.generation}/{origin.slot}={origin.count}"


def origin_uuid(origin: Origin) -> UUID:
    """Return a UUID that no other origin has. It says version 4: servers take no other, and look no closer."""
    return UUID(bytes=blake2b(origin_text(origin).encode("utf-8", "replace"), digest_size=16).digest(), version=4)
