"""What a person calls a fault goes in: an error id, its first half, a fingerprint. The issues it may mean leave."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tocsin.event import error_id
from tocsin.event.errors import ConfigError, DecodeError
from tocsin.routing.issues import Issue
from tocsin.routing.state import State

__all__ = ["Wanted", "matching", "wanted"]

_FINGERPRINT: Final = re.compile(r"(?:v(\d+):)?([0-9a-f]{32})")
_LOOK_ALIKES: Final = frozenset("01ILOS")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Hold what was asked for: a fingerprint, or an issue's prefix and perhaps an occurrence's suffix."""

    prefix: str
    suffix: str = ""
    fingerprint: str = ""

    def __str__(self) -> str:
        if self.fingerprint:
            return f"fingerprint {self.fingerprint}"
        return f"error id {self.prefix}-{self.suffix}" if self.suffix else f"issue {self.prefix}"

    @property
    def hint(self) -> str:
        """Return what may have been misread in an error id, else ""."""
        misread = sorted(_LOOK_ALIKES.intersection(self.prefix + self.suffix)) if not self.fingerprint else []
        return f" (error ids have no {', '.join(misread)}: misread?)" if misread else ""


def wanted(text: str) -> Wanted:
    """Return what ``text`` asks for. Raises ConfigError where it has no such form."""
    match = _FINGERPRINT.fullmatch(text.strip().lower())
    if match:
        fingerprint = f"v{match[1] or 1}:{match[2]}"
        return Wanted(error_id.prefix(fingerprint), fingerprint=fingerprint)
    try:
        return Wanted(*error_id.parse(text))
    except DecodeError as fault:
        raise ConfigError(str(fault)) from fault


def matching(state: State, what: Wanted) -> tuple[Issue, ...]:
    """Return the issues it may mean, the latest first; hardly ever more than one."""
    if what.fingerprint:
        issue = state.issue(what.fingerprint)
        return () if issue is None else (issue,)
    return state.issues_by_prefix(what.prefix)
