"""Occurrences of many spools go in; issues, samples, the events to show and distinct clients come back."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.routing.issues import Issue, Occurrences, SampleRef
from tocsin.routing.postgresql.aliases import AliasTables
from tocsin.routing.postgresql.connection import storable
from tocsin.routing.rows import FIXED, GROWING, ISSUE_COLUMNS, from_us, growing_values, issue_of, sample_of, to_us

__all__ = ["ISSUE_SELECT", "SAVE_ISSUE", "IssueTables"]

ISSUE_SELECT: Final = ", ".join(f"issues.{name}" for name in ISSUE_COLUMNS)
_SELECT: Final = f"SELECT {ISSUE_SELECT} FROM tocsin_state_issues AS issues WHERE issues.scope = %s"
_SAVED: Final = ("scope", *FIXED, *GROWING)
SAVE_ISSUE: Final = (
    f"INSERT INTO tocsin_state_issues ({', '.join(_SAVED)}) VALUES ({', '.join(['%s'] * len(_SAVED))})"
    f" ON CONFLICT (scope, fingerprint) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in GROWING)}"
)
_SELECT_SAMPLE: Final = "SELECT process, generation, position, error_id, at FROM tocsin_state_samples"
_SAVE_SAMPLE: Final = (
    "INSERT INTO tocsin_state_samples VALUES (%s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (scope, process, generation, position) DO UPDATE"
    " SET error_id = excluded.error_id, fingerprint = excluded.fingerprint, at = excluded.at"
)
# Counting the day's hashes reads at most CLIENTS_PER_DAY keys, and only full captures come here.
_SAVE_CLIENT: Final = (
    "INSERT INTO tocsin_state_clients SELECT %s::int, %s::text, %s::int, %s::text"
    " WHERE (SELECT count(*) FROM tocsin_state_clients WHERE scope = %s AND fingerprint = %s AND day = %s) < %s"
    " ON CONFLICT DO NOTHING"
)
_SAVE_BODY: Final = (
    "INSERT INTO tocsin_state_bodies VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (scope, fingerprint, role) DO UPDATE SET process = excluded.process,"
    " generation = excluded.generation, position = excluded.position, at = excluded.at,"
    " episode = excluded.episode, body = excluded.body"
)


class IssueTables(AliasTables):
    """Keep issues and their events. The methods are those of the State protocol."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self._unwritten: list[Occurrences] = []
        super().__init__(*args, **named)

    def add_occurrences(self, seen: Occurrences) -> None:
        """Count occurrences into their issue and its episode; keep the sample, its event and the client's hash.

        Inside a transaction they are gathered, and written at its end or before the next read.
        """
        with self.transaction():
            self._unwritten.append(seen)

    def _forget_unwritten(self) -> None:
        self._unwritten = []

    def _flush(self) -> None:
        if not self._unwritten:
            return
        seen, self._unwritten = self._unwritten, []
        self._lock()
        seen, issues = self._counted(seen)
        self._run_many(SAVE_ISSUE, [self._values(issues[fingerprint]) for fingerprint in sorted(issues)])
        self._save_samples(seen)
        self._save_bodies(seen, issues)
        self._run_many(_SAVE_CLIENT, list(filter(None, map(self._client_values, seen))))

    def issue(self, fingerprint: str) -> Issue | None:
        """Return one issue, by any fingerprint that it goes by."""
        row = self._row(f"{_SELECT} AND issues.fingerprint = %s", (self._scope, self._identity(fingerprint)))
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
            f"{_SELECT} AND last_seen >= %s AND (%s OR muted_until IS NULL OR muted_until <= %s)"
            ' ORDER BY last_seen DESC, fingerprint COLLATE "C" LIMIT %s',
            (self._scope, 0 if since is None else to_us(since), include_muted, to_us(now), limit),
        )
        return tuple(map(issue_of, rows))

    def issues_by_prefix(self, prefix: str) -> tuple[Issue, ...]:
        """Return the issues whose error ids begin with six characters (in capitals), latest first."""
        is_meant, values = "prefix = %s", [self._scope, storable(prefix)]
        if self._has_aliases:
            is_meant += (
                " OR fingerprint IN (SELECT issue FROM tocsin_state_aliases AS aliases"
                " WHERE aliases.scope = issues.scope AND aliases.prefix = %s)"
            )
            values.append(storable(prefix))
        return tuple(map(issue_of, self._rows(f"{_SELECT} AND ({is_meant}) ORDER BY last_seen DESC", values)))

    def mute(self, fingerprint: str, until: datetime) -> None:
        """Count the issue without telling it until then."""
        self._mute(fingerprint, to_us(until))

    def unmute(self, fingerprint: str) -> None:
        """Tell the issue again."""
        self._mute(fingerprint, None)

    def sample(self, error_id: str) -> SampleRef | None:
        """Return where the event with this error id lies, the latest if there are several."""
        row = self._row(
            f"{_SELECT_SAMPLE} WHERE scope = %s AND error_id = %s ORDER BY at DESC LIMIT 1",
            (self._scope, storable(error_id)),
        )
        return None if row is None else sample_of(row)

    def samples(
        self, fingerprint: str, limit: int, *, since: datetime | None = None, is_oldest_first: bool = False
    ) -> tuple[SampleRef, ...]:
        """Return where an issue's events lie, latest first unless told otherwise."""
        rows = self._rows(
            f"{_SELECT_SAMPLE} WHERE scope = %s AND fingerprint = %s AND at >= %s"
            f" ORDER BY at {'ASC' if is_oldest_first else 'DESC'} LIMIT %s",
            (self._scope, fingerprint, 0 if since is None else to_us(since), limit),
        )
        return tuple(map(sample_of, rows))

    def event_body(self, sample: SampleRef) -> bytes | None:
        """Return an event's wire form, where it is among those kept here."""
        row = self._row(
            "SELECT body FROM tocsin_state_bodies"
            " WHERE scope = %s AND process = %s AND generation = %s AND position = %s LIMIT 1",
            (self._scope, sample.process, sample.generation, sample.offset),
        )
        if row is None:
            return None
        try:
            return zlib.decompress(row[0])
        except zlib.error as fault:
            raise StoreError(f"an event in the shared state {self.name} can't be read: {fault}") from fault

    def clients(self, fingerprint: str, since: datetime) -> int | None:
        """Return the number of distinct client hashes since the day of ``since``; None if there are none."""
        row = self._row(
            "SELECT count(DISTINCT hash) FROM tocsin_state_clients WHERE scope = %s AND fingerprint = %s AND day >= %s",
            (self._scope, fingerprint, since.toordinal()),
        )
        return row[0] or None

    def _mute(self, fingerprint: str, until_us: int | None) -> None:
        with self.transaction():
            revision = self._next_revision()
            self._run(
                "UPDATE tocsin_state_issues SET muted_until = %s, revision = %s WHERE scope = %s AND fingerprint = %s",
                (until_us, revision, self._scope, self._identity(fingerprint)),
            )

    # -- writing ---------------------------------------------------------------------------------------------
    def _values(self, issue: Issue) -> tuple[Any, ...]:
        values = (self._scope, issue.fingerprint, issue.prefix, *growing_values(issue, issue.revision))
        return tuple(storable(value) if isinstance(value, str) else value for value in values)

    def _save_samples(self, seen: Sequence[Occurrences]) -> None:
        rows = {
            (each.sample.process, each.sample.generation, each.sample.offset): (
                self._scope, each.sample.process, each.sample.generation, each.sample.offset,
                each.sample.error_id, each.fingerprint, to_us(each.sample.at),
            )
            for each in seen
            if each.sample is not None
        }  # fmt: skip
        self._run_many(_SAVE_SAMPLE, [rows[key] for key in sorted(rows)])

    def _save_bodies(self, seen: Sequence[Occurrences], issues: dict[str, Issue]) -> None:
        """Keep the episode's first event and the latest: those that a notice may show, whichever leader sends it."""
        full = [each for each in seen if each.sample is not None and each.body]
        if not full:
            return
        kept = {
            (row[0], row[1]): (row[2], from_us(row[3]))
            for row in self._execute(
                "SELECT fingerprint, role, episode, at FROM tocsin_state_bodies"
                " WHERE scope = %s AND fingerprint = ANY(%s)",
                (self._scope, sorted({each.fingerprint for each in full})),
            )
        }
        chosen: dict[tuple[str, str], Occurrences] = {}
        for each in full:
            issue, first, latest = issues[each.fingerprint], (each.fingerprint, "first"), (each.fingerprint, "latest")
            episode, at = kept.get(first, (0, each.at))
            if each.at >= issue.episode_started and (episode < issue.episode or each.at < at):
                chosen[first], kept[first] = each, (issue.episode, each.at)
            if latest not in kept or each.at >= kept[latest][1]:
                chosen[latest], kept[latest] = each, (issue.episode, each.at)
        for key in sorted(chosen):
            self._execute(_SAVE_BODY, self._body_values(key[1], chosen[key], issues[key[0]].episode))

    def _body_values(self, role: str, each: Occurrences, episode: int) -> tuple[Any, ...]:
        sample = each.sample
        if sample is None or each.body is None:
            raise StoreError("only an occurrence with its event can be kept")
        return (
            self._scope, each.fingerprint, role, sample.process, sample.generation, sample.offset, to_us(sample.at),
            episode, zlib.compress(each.body, 1),
        )  # fmt: skip

    def _client_values(self, each: Occurrences) -> tuple[Any, ...] | None:
        if not each.client_hash:
            return None
        day = each.at.toordinal()
        key = (self._scope, each.fingerprint, day)
        return (*key, each.client_hash, *key, limits.CLIENTS_PER_DAY)
