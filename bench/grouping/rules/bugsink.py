"""Bugsink: type and value of the exception, and the transaction.

https://www.bugsink.com/docs/grouping/ read on 22 November 2026 (stored copy): type and message of the exception, of a
chain the last one; the transaction where there is one; of log messages the label "Log Message" and the first line.

Left open there: which is the last of a chain (taken: the one that arrived, which the SDK lists last), whether all of
the message counts (taken: its first line).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.parts import title, transaction

__all__ = ["key"]


def key(facts: Mapping[str, Any]) -> str:
    """Return the key of an occurrence."""
    if facts["exception"] is None:
        return repr(("Log Message", title(facts), transaction(facts)))
    return repr((title(facts), transaction(facts)))
