"""Records of logging by which a framework tells what an integration reports: one goes in, marked as told already.

Not ``tocsin_skip``: with that our handler, where it is the only one, would keep the record from a console as well.
"""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["TOLD", "settle"]

TOLD: Final = "tocsin_told"  # on a record: the id of the report that an integration made in its place, "" for none


def settle(record: logging.LogRecord, error_id: str | None) -> None:
    """Have `LogHandler` take a record as told already; other handlers find the id of what was reported."""
    record.__dict__[TOLD] = error_id or ""
    if error_id:
        record.__dict__["error_id"] = error_id
