"""What gevent has put its own in the place of: a name of the standard library goes in, the original leaves."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["native"]


def native(module: str, name: str) -> Any:
    """Return ``module.name`` as it was before gevent put its own in its place, where it has."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(sys.modules[module], name)
