"""A JSON value goes in; OTLP's AnyValue or attributes leave, in the JSON encoding: 64-bit integers are texts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from tocsin.event import limits

__all__ = ["Attributes", "any_value", "attributes"]

Attributes: TypeAlias = "list[dict[str, Any]]"

_DEPTH: Final = 8


def attributes(pairs: Iterable[tuple[str, Any]]) -> Attributes:
    """Return the attributes that have a value, each name once: None and empty texts are left out."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name and value is not None and value != "" and value != [] and name not in found:
            found[name] = any_value(value)
    return [{"key": name, "value": value} for name, value in found.items()]


def any_value(value: Any, depth: int = 0) -> dict[str, Any]:
    """Return an AnyValue. What the protocol has no number for is told as text; too deep a part as ``…``."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)} if -(2**63) <= value < 2**63 else {"stringValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value} if math.isfinite(value) else {"stringValue": repr(value)}
    if depth >= _DEPTH and isinstance(value, (list, tuple, dict)):
        return {"stringValue": "…"}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [any_value(each, depth + 1) for each in value[: limits.FIELD_ITEMS]]}}
    if isinstance(value, dict):
        items = list(value.items())[: limits.FIELD_ITEMS]
        return {"kvlistValue": {"values": [{"key": str(n), "value": any_value(each, depth + 1)} for n, each in items]}}
    return {"stringValue": str(value)}
