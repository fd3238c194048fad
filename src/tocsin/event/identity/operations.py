"""The words of `Frame.operation` that say whose fault it is: capture writes them, the fingerprint reads them."""

from __future__ import annotations

from typing import Final

__all__ = ["GIVEN", "GUARD", "HANDS_ON", "WRONG_KIND", "is_callers"]

HANDS_ON: Final = "hands on"  # the function calls another one with what it was given, and nothing else
GUARD: Final = "refuses"  # it looks at what it was given, and raises
GIVEN: Final = "uses"  # it uses a parameter as something that it may not be
WRONG_KIND: Final = ("AttributeError", "TypeError")  # raised where a value is of another kind than was expected


def is_callers(operation: str, type_name: str) -> bool:
    """Return whether who called a function is a part of the fault: it gave what is refused, or is of a wrong kind."""
    return operation.startswith(f"{GUARD} ") or (operation.startswith(f"{GIVEN} ") and type_name in WRONG_KIND)
