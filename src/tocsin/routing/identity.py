"""Keys and what is known go in; whose issue an occurrence belongs to leaves. Pure, so every state decides alike.

The rules that make fingerprints change, by a new version of tocsin or by the application's own `fingerprints`. An issue
that is known under a key of before goes on under it: its counts, its mute, what was told, its ticket and its thread are
found by that key. What the rules of now call it becomes its alias.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from tocsin.event import limits
from tocsin.routing.issues import Issue, Occurrences, is_muted

__all__ = ["Alias", "Placing", "Sort", "candidates", "place"]

# The first key of later rules that an issue went on under; one that came later, as those rules tell apart what was one
# fault before; and a key of earlier rules, by which older processes still call an issue of later ones.
Sort: TypeAlias = Literal["first", "later", "back"]

_OPEN: Final = timedelta(days=limits.KEY_OPEN_DAYS)
_TRANSITION: Final = timedelta(days=limits.KEY_TRANSITION_DAYS)
_ROLLING_DEPLOY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Alias:
    """Say that what carries ``fingerprint`` is counted under ``issue``, an issue's own, since when."""

    fingerprint: str
    issue: str
    sort: Sort
    since: datetime

    @property
    def is_by_rule(self) -> bool:
        """Tell whether a rule of the application's brought the key, and no new version of tocsin's."""
        return self.sort != "back" and _version(self.fingerprint) == _version(self.issue)


@dataclass(frozen=True, slots=True)
class Placing:
    """Say under which fingerprint occurrences are counted, and which aliases begin and end by that."""

    fingerprint: str
    made: tuple[Alias, ...] = ()
    ended: tuple[str, ...] = ()


def candidates(seen: Iterable[Occurrences]) -> list[str]:
    """Return all keys that `place` may ask for, sorted; it is given their issues, and the aliases from and to them."""
    return sorted({key for each in seen for key in (each.fingerprint, *each.former)})


def place(seen: Occurrences, issues: Mapping[str, Issue], aliases: Mapping[str, Alias]) -> Placing:
    """Return whose issue these occurrences belong to.

    ``issues`` are those of `candidates` and those that their aliases name; ``aliases`` (by fingerprint) those from a
    candidate, and those to an issue given. Law: placed again, with what was made and ended, it is the same issue.
    """
    key = seen.fingerprint
    alias = aliases.get(key)
    if alias is not None and alias.issue in issues:
        # Counts go where their report went: only a full report ends an alias.
        if not _is_over(alias, issues[alias.issue], seen, aliases):
            return Placing(alias.issue)
        return Placing(key, ended=(key,))
    if key in issues:
        return Placing(key, ended=_returned(seen, aliases))
    for issue in _known(seen, issues, aliases):
        sort = _sort(key, issue, seen, aliases)
        if sort is not None:
            return Placing(issue.fingerprint, made=(Alias(key, issue.fingerprint, sort, seen.at),))
    return Placing(key, made=tuple(_backward(seen, issues, aliases)))


def _is_over(alias: Alias, issue: Issue, seen: Occurrences, aliases: Mapping[str, Alias]) -> bool:
    if alias.sort != "later" or not seen.is_full:
        return False
    if alias.is_by_rule:  # who tells faults apart by a rule wants them apart, also those that never fall quiet
        return seen.at - alias.since >= _OPEN
    return not _is_open(issue, seen.at)


def _returned(seen: Occurrences, aliases: Mapping[str, Alias]) -> tuple[str, ...]:
    """Return the rules' aliases of an issue that goes on by itself, when every process has those rules.

    It was split, not renamed: from then on the others have issues of their own.
    """
    if not seen.is_full:
        return ()
    return tuple(
        each.fingerprint
        for each in aliases.values()
        if each.issue == seen.fingerprint and each.is_by_rule and seen.at - each.since >= _ROLLING_DEPLOY
    )


def _known(seen: Occurrences, issues: Mapping[str, Issue], aliases: Mapping[str, Alias]) -> Sequence[Issue]:
    """Return the issues known by another key, the latest seen first: the others fall quiet by themselves."""
    found = {}
    for former in seen.former:
        alias = aliases.get(former)
        # A key of before leads to its own issue, and to that which it goes on under; not to one that came after it:
        # several may have.
        is_followed = alias is not None and alias.sort != "back"
        issue = issues.get(alias.issue if alias is not None and is_followed else former)
        if issue is not None:
            found[issue.fingerprint] = issue
    return sorted(found.values(), key=lambda issue: (issue.last_seen, issue.fingerprint), reverse=True)


def _sort(key: str, issue: Issue, seen: Occurrences, aliases: Mapping[str, Alias]) -> Sort | None:
    """Return as what the key joins the issue, None where the transition is over."""
    if _version(key) < _version(issue.fingerprint):
        return "back"
    joined = [each.since for each in aliases.values() if each.issue == issue.fingerprint and each.sort != "back"]
    if not joined:
        return "first"
    is_in_transition = seen.at - min(joined) < _TRANSITION and len(joined) < limits.KEY_ALIASES
    return "later" if is_in_transition and _is_open(issue, seen.at) else None


def _backward(seen: Occurrences, issues: Mapping[str, Issue], aliases: Mapping[str, Alias]) -> Iterable[Alias]:
    """Yield the keys by which older processes will call a new issue, in a rolling deploy say."""
    for former in seen.former:
        is_older = _version(former) < _version(seen.fingerprint)
        if is_older and former not in issues and former not in aliases:
            yield Alias(former, seen.fingerprint, "back", seen.at)


def _is_open(issue: Issue, at: datetime) -> bool:
    return is_muted(issue, at) or at - issue.last_seen < _OPEN


def _version(fingerprint: str) -> int:
    number = fingerprint.partition(":")[0][1:]
    return int(number) if number.isdecimal() else 1
