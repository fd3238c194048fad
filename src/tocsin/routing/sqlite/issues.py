"""Occurrences go in, issues, samples and distinct clients come back: the ledger's part of the state file."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tocsin.event import limits
from tocsin.routing.issues import Issue, Occurrences, SampleRef, begin, grow
from tocsin.routing.rows import FIXED, GROWING, ISSUE_COLUMNS, growing_values, issue_of, sample_of, to_us
from tocsin.routing.sqlite.aliases import AliasTables
from tocsin.routing.sqlite.schema import ADD_LOSS
from tocsin.routing.state import Purged

__all__ = ["ISSUE_SELECT", "UPDATE_ISSUE", "IssueTables"]

ISSUE_SELECT: Final = ", ".join(f"issues.{name}" for name in ISSUE_COLUMNS)
_SELECT: Final = f"SELECT {ISSUE_SELECT} FROM issues"
UPDATE_ISSUE: Final = f"UPDATE issues SET {', '.join(f'{name} = ?' for name in GROWING)} WHERE fingerprint = ?"
_INSERT: Final = (
    f"INSERT INTO issues ({', '.join((*GROWING, *FIXED))}) VALUES ({', '.join('?' * len((*GROWING, *FIXED)))})"
)
_SELECT_SAMPLE: Final = "SELECT process, generation, position, error_id, at FROM samples"


class IssueTables(AliasTables):
    """Keep issues and where their events lie. The methods are those of the State protocol."""

    def add_occurrences(self, seen: Occurrences) -> None:
        """Count occurrences into their issue and its episode; keep the sample and the client's hash."""
        with self.transaction():
            seen = self._placed(seen)
            row = self._row(f"{_SELECT} WHERE issues.fingerprint = ?", (seen.fingerprint,))
            if row is None:
                issue = begin(seen)
                self._run(_INSERT, (*growing_values(issue, self._next_revision()), issue.fingerprint, issue.prefix))
            else:
                issue = grow(issue_of(row), seen, self._silence_s)
                self._run(UPDATE_ISSUE, (*growing_values(issue, self._next_revision()), issue.fingerprint))
            if seen.sample is not None:
                self._add_sample(seen.fingerprint, seen.sample)
            if seen.client_hash:
                self._add_client(seen.fingerprint, seen.at, seen.client_hash)

    def issue(self, fingerprint: str) -> Issue | None:
        """Return one issue, by any fingerprint that it goes by."""
        row = self._row(f"{_SELECT} WHERE fingerprint = ?", (self._identity(fingerprint),))
        return None if row is None else issue_of(row)

    def issues(
        self,
        *,
        now: datetime,
        include_muted: bool = False,
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Issue, ...]:
        """Return the issues last seen at or after ``since``, latest first."""
        rows = self._rows(
            f"{_SELECT} WHERE last_seen >= ? AND (? OR muted_until IS NULL OR muted_until <= ?)"
            " ORDER BY last_seen DESC, fingerprint LIMIT ?",
            (0 if since is None else to_us(since), include_muted, to_us(now), limit),
        )
        return tuple(map(issue_of, rows))

    def issues_by_prefix(self, prefix: str) -> tuple[Issue, ...]:
        """Return the issues whose error ids begin with six characters (in capitals), latest first."""
        is_meant = "prefix = ?"
        if self._has_aliases:
            is_meant += " OR fingerprint IN (SELECT issue FROM aliases WHERE prefix = ?)"
        values = (prefix,) * is_meant.count("?")
        return tuple(map(issue_of, self._rows(f"{_SELECT} WHERE {is_meant} ORDER BY last_seen DESC", values)))

    def mute(self, fingerprint: str, until: datetime) -> None:
        """Count the issue without telling it until then."""
        self._mute(fingerprint, to_us(until))

    def unmute(self, fingerprint: str) -> None:
        """Tell the issue again."""
        self._mute(fingerprint, None)

    def sample(self, error_id: str) -> SampleRef | None:
        """Return where the event with this error id lies, the latest if there are several."""
        row = self._row(f"{_SELECT_SAMPLE} WHERE error_id = ? ORDER BY at DESC LIMIT 1", (error_id,))
        return None if row is None else sample_of(row)

    def samples(
        self, fingerprint: str, limit: int, *, since: datetime | None = None, is_oldest_first: bool = False
    ) -> tuple[SampleRef, ...]:
        """Return where an issue's events lie, latest first unless told otherwise."""
        rows = self._rows(
            f"{_SELECT_SAMPLE} WHERE fingerprint = ? AND at >= ?"
            f" ORDER BY at {'ASC' if is_oldest_first else 'DESC'} LIMIT ?",
            (fingerprint, 0 if since is None else to_us(since), limit),
        )
        return tuple(map(sample_of, rows))

    def clients(self, fingerprint: str, since: datetime) -> int | None:
        """Return the number of distinct client hashes since the day of ``since``; None if there are none."""
        row = self._row(
            "SELECT count(DISTINCT hash) FROM clients WHERE fingerprint = ? AND day >= ?",
            (fingerprint, since.toordinal()),
        )
        return row[0] or None

    def purge(self, before: datetime) -> Purged:
        """Drop samples and client hashes older than ``before``, and what exceeds the bounds."""
        with self.transaction():
            gone = self._run("DELETE FROM samples WHERE at < ?", (to_us(before),)).rowcount
            gone += self._run(
                "DELETE FROM samples WHERE at < (SELECT at FROM samples ORDER BY at DESC LIMIT 1 OFFSET ?)",
                (limits.SAMPLES - 1,),
            ).rowcount
            self._run("DELETE FROM clients WHERE day < ?", (before.toordinal(),))
            self._run("DELETE FROM aliases WHERE sort = 'back' AND since < ?", (to_us(before),))
            return Purged(samples=gone, issues=self._purge_issues())

    def _purge_issues(self) -> int:
        surplus = self._rows(
            "SELECT fingerprint, count FROM issues ORDER BY last_seen DESC LIMIT -1 OFFSET ?", (limits.ISSUES,)
        )
        # Without a sink that tells there is nothing that could go untold.
        sinks = self._row("SELECT count(*) FROM paces")[0]
        for fingerprint, count in surplus:
            told, least = self._row("SELECT count(*), min(count) FROM told WHERE fingerprint = ?", (fingerprint,))
            untold = count - (least if told >= sinks and told else 0) if sinks else 0
            if untold > 0:
                self._run(ADD_LOSS, ("issues_forgotten", untold))
            for table in ("issues", "told", "clients", "samples"):
                self._run(f"DELETE FROM {table} WHERE fingerprint = ?", (fingerprint,))
            self._run("DELETE FROM aliases WHERE issue = ?", (fingerprint,))
        return len(surplus)

    def _mute(self, fingerprint: str, until_us: int | None) -> None:
        with self.transaction():
            self._run(
                "UPDATE issues SET muted_until = ?, revision = ? WHERE fingerprint = ?",
                (until_us, self._next_revision(), self._identity(fingerprint)),
            )

    def _add_sample(self, fingerprint: str, sample: SampleRef) -> None:
        self._run(
            "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?)",
            (sample.process, sample.generation, sample.offset, sample.error_id, fingerprint, to_us(sample.at)),
        )

    def _add_client(self, fingerprint: str, at: datetime, client_hash: str) -> None:
        # Counting the day's hashes reads at most CLIENTS_PER_DAY keys, and only full captures come here.
        day = at.toordinal()
        self._run(
            "INSERT OR IGNORE INTO clients SELECT ?, ?, ?"
            " WHERE (SELECT count(*) FROM clients WHERE fingerprint = ? AND day = ?) < ?",
            (fingerprint, day, client_hash, fingerprint, day, limits.CLIENTS_PER_DAY),
        )
