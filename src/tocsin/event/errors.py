"""The error tree: what tocsin raises on purpose. Foreign exceptions become one of these at the boundary."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ConfigError", "DecodeError", "DeliveryError", "StoreError", "TocsinError"]


class TocsinError(Exception):
    """Be the root of everything tocsin raises on purpose."""


class ConfigError(TocsinError):
    """Tell every fault of a configuration at once.

    ``faults`` holds one sentence each: the setting, what is wrong with it, what to do. Never a secret.
    """

    def __init__(self, faults: str | Sequence[str]) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


class DecodeError(TocsinError):
    """Say that bytes are not what they should be: a record, an event, an error id."""


class DeliveryError(TocsinError):
    """Say that a sink can't be used at all; expected refusals are `Outcome` values instead."""


class StoreError(TocsinError):
    """Say that the spool or its state can't be read or written, and what to do."""
