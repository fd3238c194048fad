"""Occurrences go in; the same leave under their issue's own fingerprint: the aliases' part of the state file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin.event import error_id
from tocsin.routing.identity import Alias, Placing, candidates, place
from tocsin.routing.issues import Occurrences
from tocsin.routing.rows import ISSUE_COLUMNS, from_us, issue_of, to_us
from tocsin.routing.sqlite.connection import Connection

__all__ = ["AliasTables"]

_ALIASES_SINCE: Final = 3  # the version of the file that has them
# From a key, to it, and to what it is an alias of.
_NEAR: Final = (
    "SELECT fingerprint, issue, sort, since FROM aliases WHERE fingerprint IN ({0}) OR issue IN ({0})"
    " OR issue IN (SELECT issue FROM aliases WHERE fingerprint IN ({0}))"
)


class AliasTables(Connection):
    """Keep what an issue is called besides its own fingerprint. The methods are those of the State protocol."""

    def identities(self, fingerprints: Collection[str]) -> dict[str, str]:
        """Return which of them are counted under another fingerprint, and that."""
        if not fingerprints or not self._has_aliases:
            return {}
        wanted = sorted(set(fingerprints))
        return dict(
            self._rows(f"SELECT fingerprint, issue FROM aliases WHERE fingerprint IN ({_marks(wanted)})", wanted)
        )

    def called(self, fingerprint: str) -> frozenset[str]:
        """Return every fingerprint that the issue of one is counted under, its own and its aliases."""
        issue = self._identity(fingerprint)
        rows = self._rows("SELECT fingerprint FROM aliases WHERE issue = ?", (issue,)) if self._has_aliases else ()
        return frozenset({issue, *(row[0] for row in rows)})

    @property
    def _has_aliases(self) -> bool:
        return self._version >= _ALIASES_SINCE  # else a command looks before the first delivery of this version

    def _identity(self, fingerprint: str) -> str:
        return self.identities((fingerprint,)).get(fingerprint, fingerprint)

    def _placed(self, seen: Occurrences) -> Occurrences:
        """Return the occurrences under the fingerprint they are counted under; only inside a transaction."""
        keys = candidates((seen,))
        rows = self._rows(_NEAR.format(_marks(keys)), keys * 3)
        if not rows and not seen.former:
            return seen  # nearly always, and a count never needs more
        aliases = {row[0]: Alias(row[0], row[1], row[2], from_us(row[3])) for row in rows}
        wanted = sorted({*keys, *(alias.issue for alias in aliases.values())})
        found = self._rows(
            f"SELECT {', '.join(ISSUE_COLUMNS)} FROM issues WHERE fingerprint IN ({_marks(wanted)})", wanted
        )
        placing = place(seen, {row[0]: issue_of(row) for row in found}, aliases)
        self._keep(placing)
        return seen if placing.fingerprint == seen.fingerprint else replace(seen, fingerprint=placing.fingerprint)

    def _keep(self, placing: Placing) -> None:
        for ended in placing.ended:
            self._run("DELETE FROM aliases WHERE fingerprint = ?", (ended,))
        for made in placing.made:
            values = (made.fingerprint, error_id.prefix(made.fingerprint), made.issue, made.sort, to_us(made.since))
            self._run("INSERT OR REPLACE INTO aliases VALUES (?, ?, ?, ?, ?)", values)


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
