"""Rules that group occurrences: facts of one go in; a key leaves. What has the same key is the same issue.

Each of the others' rules is written anew from its public document, which its file names; what that leaves open, and
what was taken for it, is told there. None has more at hand than its own reporter would send.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

__all__ = ["PEERS", "Facts", "Rule", "rule"]

Facts: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[Facts], str]

#: What the tables call a rule, by its file.
PEERS: Final = {
    "sentry": "Sentry, in-app stack",
    "rollbar": "Rollbar, files and methods",
    "bugsink": "Bugsink, type, message, transaction",
    "glitchtip": "GlitchTip, title and culprit",
    "paste": "Paste, type and functions",
    "logbook": "Logbook, place of the log call",
}


def rule(file: str) -> Rule:
    """Return the rule of a file."""
    found: Rule = importlib.import_module(f"rules.{file}").key
    return found
