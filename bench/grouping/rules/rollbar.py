"""Rollbar: files and methods of all frames, and the class of the exception.

https://docs.rollbar.com/docs/grouping-algorithm read on 22 November 2026 (stored copy): file names and method names of
all frames combined, the exception's class appended, SHA1 of it; no line numbers, no message; the server's root is taken
off file names. For messages it says that the text is used, with what varies replaced.

Left open there: causes (taken: the reported exception alone), what of a message is replaced (taken: numbers and
identifiers). What Rollbar recognises by patterns from machine learning is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["key"]


def key(facts: Mapping[str, Any]) -> str:
    """Return the key of an occurrence."""
    exception = facts["exception"]
    if exception is None:
        return f"message {re.sub(r'[0-9a-f-]*[0-9][0-9a-f-]*', '0', facts['record']['message'])}"
    return repr([*((frame["file"], frame["function"]) for frame in exception["frames"]), exception["type"]])
