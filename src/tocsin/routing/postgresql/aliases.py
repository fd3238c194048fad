"""Occurrences go in; the same leave under their issues' own fingerprints: the aliases' part of the shared state."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from tocsin.event import error_id
from tocsin.routing.identity import Alias, Placing, candidates, place
from tocsin.routing.issues import Issue, Occurrences, begin, grow
from tocsin.routing.postgresql.connection import Connection
from tocsin.routing.rows import ISSUE_COLUMNS, from_us, issue_of, to_us

__all__ = ["AliasTables"]

_ALIASES_SINCE: Final = 2  # the version of the tables that has them
# From a key, to it, and to what it is an alias of.
_NEAR: Final = (
    "SELECT fingerprint, issue, sort, since FROM tocsin_state_aliases WHERE scope = %s AND (fingerprint = ANY(%s)"
    " OR issue = ANY(%s) OR issue IN"
    " (SELECT issue FROM tocsin_state_aliases WHERE scope = %s AND fingerprint = ANY(%s)))"
)
_ISSUES: Final = (
    f"SELECT {', '.join(ISSUE_COLUMNS)} FROM tocsin_state_issues WHERE scope = %s AND fingerprint = ANY(%s)"
)
_SAVE: Final = (
    "INSERT INTO tocsin_state_aliases VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (scope, fingerprint) DO UPDATE"
    " SET issue = excluded.issue, sort = excluded.sort, since = excluded.since"
)


class AliasTables(Connection):
    """Keep what an issue is called besides its own fingerprint. The methods are those of the State protocol."""

    def identities(self, fingerprints: Collection[str]) -> dict[str, str]:
        """Return which of them are counted under another fingerprint, and that."""
        if not fingerprints or not self._has_aliases:
            return {}
        rows = self._rows(
            "SELECT fingerprint, issue FROM tocsin_state_aliases WHERE scope = %s AND fingerprint = ANY(%s)",
            (self._scope, sorted(set(fingerprints))),
        )
        return {row[0]: row[1] for row in rows}

    def called(self, fingerprint: str) -> frozenset[str]:
        """Return every fingerprint that the issue of one is counted under, its own and its aliases."""
        issue = self._identity(fingerprint)
        if not self._has_aliases:
            return frozenset({issue})
        select = "SELECT fingerprint FROM tocsin_state_aliases WHERE scope = %s AND issue = %s"
        return frozenset({issue, *(row[0] for row in self._rows(select, (self._scope, issue)))})

    @property
    def _has_aliases(self) -> bool:
        return self._tables_version >= _ALIASES_SINCE  # else a command looks before a leader of this version

    def _identity(self, fingerprint: str) -> str:
        return self.identities((fingerprint,)).get(fingerprint, fingerprint)

    def _counted(self, seen: Sequence[Occurrences]) -> tuple[list[Occurrences], dict[str, Issue]]:
        """Return the occurrences under the fingerprints they are counted under, and the issues grown by them.

        Only under the scope's lock: of two leaders that meet a key at once, the second finds what the first made of it.
        """
        keys = candidates(seen)
        rows = self._execute(_NEAR, (self._scope, keys, keys, self._scope, keys))
        aliases = {row[0]: Alias(row[0], row[1], row[2], from_us(row[3])) for row in rows}
        wanted = sorted({*keys, *(alias.issue for alias in aliases.values())})
        issues = {row[0]: issue_of(row) for row in self._execute(_ISSUES, (self._scope, wanted))}
        placed = []
        for each in seen:
            placing = place(each, issues, aliases)
            self._keep(placing, aliases)
            own = each if placing.fingerprint == each.fingerprint else replace(each, fingerprint=placing.fingerprint)
            known = issues.get(own.fingerprint)
            counted = begin(own) if known is None else grow(known, own, self._silence_s)
            issues[own.fingerprint] = replace(counted, revision=self._next_revision())
            placed.append(own)
        changed = {each.fingerprint for each in placed}
        return placed, {fingerprint: issue for fingerprint, issue in issues.items() if fingerprint in changed}

    def _keep(self, placing: Placing, aliases: dict[str, Alias]) -> None:
        for ended in placing.ended:
            del aliases[ended]
            self._execute(
                "DELETE FROM tocsin_state_aliases WHERE scope = %s AND fingerprint = %s", (self._scope, ended)
            )
        for made in placing.made:
            aliases[made.fingerprint] = made
            key = (self._scope, made.fingerprint, error_id.prefix(made.fingerprint))
            self._execute(_SAVE, (*key, made.issue, made.sort, to_us(made.since)))
