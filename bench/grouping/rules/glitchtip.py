"""GlitchTip: the title of an issue and its culprit.

https://glitchtip.com/documentation names no rule; on 22 November 2026 no public page that states one was found. Taken
is what its list of issues shows of each: the title (`Type: value`, or the message) and the culprit (the transaction,
else where it happened).

Left open, therefore: everything else. A newer release may do otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.parts import culprit, title

__all__ = ["key"]


def key(facts: Mapping[str, Any]) -> str:
    """Return the key of an occurrence."""
    return repr((title(facts), culprit(facts)))
