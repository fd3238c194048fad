"""Nothing goes in; tocsin's version leaves, for protocols in which a sender says who it is."""

from __future__ import annotations

import sys

__all__ = ["version"]


def version() -> str:
    """Return the version, looked up when it is needed: at import the package itself may be half imported."""
    return str(getattr(sys.modules.get("tocsin"), "__version__", "0"))
