"""Logbook: the place of the log call, its logger and its level.

https://github.com/dag/logbook/blob/rtd/docs/ticketing.rst, read on 22 November 2026 (stored copy): a hash of the name
of the logger, the location of the call and the level; the message is not taken into account.

Left open there: what a location is (taken: file and line). An exception that nobody logs is no record: what reports it
is one log call at the edge of the application, as in Logbook's own documentation of handlers for web applications; it
has one place for all faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["key"]


def key(facts: Mapping[str, Any]) -> str:
    """Return the key of an occurrence."""
    record = facts["record"]
    if record is None:
        return "the edge"
    return repr((record["logger"], record["level"], record["file"], record["line"]))
