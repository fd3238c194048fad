"""tocsin as the variants use it: settings go in, a Reporter leaves that spools into a folder of this process."""

from __future__ import annotations

import tempfile
from typing import Any

import tocsin
from measure import Skipped
from tocsin.config.settings import Settings
from tocsin.event import limits

__all__ = ["lift_limits", "reporter"]


def reporter(*, is_unlimited: bool = False, folder: str = "", **settings: Any) -> tocsin.Reporter:
    """Return a Reporter that spools and leaves delivery to another process, unless ``settings`` say otherwise.

    ``is_unlimited``: every occurrence is captured in full, where a storm of one fault would only be counted.
    """
    if is_unlimited:
        lift_limits()
    missing = settings.keys() - Settings.__dataclass_fields__.keys()
    if missing:
        raise Skipped(f"this tocsin has no setting {', '.join(sorted(missing))}")
    usual = {"application": "bench", "spool": folder or tempfile.mkdtemp(), "delivery": "process", "spool_max_mb": 4096}
    return tocsin.setup({**usual, **settings})


def lift_limits() -> None:
    """Capture everything in full."""
    vars(limits).update(BURST=10**9, CAPTURES_PER_MINUTE=10**9)
