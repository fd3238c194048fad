"""For tests: of applications (`captured_events`) and of sinks (`SinkContract`). Nothing here needs a test framework.

pytest imports `tocsin.testing.plugin` at every start, so the names load at their first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.testing.captured import Captured, captured_events
    from tocsin.testing.contract import SinkContract
    from tocsin.testing.hostile import HOSTILE, HostileCase

__all__ = ["HOSTILE", "Captured", "HostileCase", "SinkContract", "captured_events"]

_HOMES = {
    "Captured": "tocsin.testing.captured",
    "HOSTILE": "tocsin.testing.hostile",
    "HostileCase": "tocsin.testing.hostile",
    "SinkContract": "tocsin.testing.contract",
    "captured_events": "tocsin.testing.captured",
}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use."""
    from importlib import import_module

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
