"""What a person calls a fault goes in: an error id, its first half, a fingerprint. The issues it may mean leave."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from tocsin.event import error_id, limits
from tocsin.event.errors import ConfigError, DecodeError
from tocsin.routing.issues import Issue
from tocsin.routing.state import State
from tocsin.spool.format import Header

__all__ = ["Wanted", "all_names", "matching", "wanted"]

# Its beginning is told from an error id by its `v1:`, or by being longer than one.
_FINGERPRINT: Final = re.compile(r"v(\d+):([0-9a-f]{4,32})|(?!v)()([0-9a-f]{12,32})")
_WHOLE: Final = 32
_LOOK_ALIKES: Final = frozenset("01ILOS")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Hold what was asked for: an issue's prefix and perhaps an occurrence's suffix, or a fingerprint's beginning.

    ``version`` is the fingerprint's, such as ``v1``, "" where only digits were given. ``others`` are fingerprints that
    the same issue has by other rules; see `all_names`.
    """

    prefix: str
    suffix: str = ""
    digits: str = ""
    version: str = ""
    others: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if self.fingerprint:
            return f"fingerprint {self.fingerprint}{'' if self.is_whole else '…'}"
        return f"error id {self.prefix}-{self.suffix}" if self.suffix else f"issue {self.prefix}"

    @property
    def is_whole(self) -> bool:
        """Tell whether a fingerprint is given in full."""
        return len(self.digits) == _WHOLE

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint as far as it was given, "" for an error id."""
        return f"{self.version}:{self.digits}" if self.version else self.digits

    @property
    def hint(self) -> str:
        """Return what may have been misread in an error id, else ""."""
        misread = sorted(_LOOK_ALIKES.intersection(self.prefix + self.suffix)) if not self.fingerprint else []
        return f" (error ids have no {', '.join(misread)}: misread?)" if misread else ""

    def names(self, header: Header) -> bool:
        """Tell whether a record is of what was asked for; of its issue, where a suffix was given."""
        return self.fits(header.fingerprint)

    def fits(self, fingerprint: str) -> bool:
        """Tell whether a fingerprint may be the one that was asked for."""
        if fingerprint in self.others:
            return True
        if not self.digits:
            return error_id.prefix(fingerprint) == self.prefix
        version, _, digits = fingerprint.rpartition(":")
        return digits.startswith(self.digits) and self.version in ("", version)


def wanted(text: str) -> Wanted:
    """Return what ``text`` asks for. Raises ConfigError where it has no such form."""
    match = _FINGERPRINT.fullmatch(text.strip().lower())
    if match:
        digits = match[2] or match[4]
        prefix = error_id.prefix(digits) if len(digits) == _WHOLE else ""
        return Wanted(prefix, digits=digits, version=f"v{match[1]}" if match[1] else "")
    try:
        return Wanted(*error_id.parse(text))
    except DecodeError as fault:
        raise ConfigError(str(fault)) from fault


def all_names(state: State | None, what: Wanted) -> Wanted:
    """Return what was asked for, with every fingerprint that its issues are counted under."""
    if state is None:
        return what
    names = (name for issue in matching(state, what) for name in state.called(issue.fingerprint))
    return replace(what, others=frozenset(names))


def matching(state: State, what: Wanted) -> tuple[Issue, ...]:
    """Return the issues it may mean, the latest first; hardly ever more than one."""
    if what.is_whole and what.version:
        issue = state.issue(what.fingerprint)
        return () if issue is None else (issue,)
    if what.is_whole:  # of whatever version of the rules
        return tuple(issue for issue in state.issues_by_prefix(what.prefix) if what.fits(issue.fingerprint))
    if what.digits:
        everything = state.issues(now=datetime.now(UTC), include_muted=True, limit=limits.ISSUES)
        return tuple(issue for issue in everything if what.fits(issue.fingerprint))
    return state.issues_by_prefix(what.prefix)
