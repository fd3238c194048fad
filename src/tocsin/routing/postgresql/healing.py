"""The database's own time brings back what the shared state holds of later ones: some host's clock was far ahead."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from tocsin.event import limits
from tocsin.routing.healing import brought_back, healed_issue, healed_pace, healed_told, times_of
from tocsin.routing.issues import Issue
from tocsin.routing.postgresql.cursors import CursorTables
from tocsin.routing.postgresql.issues import ISSUE_SELECT, SAVE_ISSUE, IssueTables
from tocsin.routing.postgresql.telling import TellingTables
from tocsin.routing.rows import TOLD_COLUMNS, from_us, issue_of, to_us, told_of
from tocsin.routing.state import Told
from tocsin.routing.stored import dump_pace, load_pace

__all__ = ["HealingTables"]

_ISSUES: Final = f"SELECT {ISSUE_SELECT} FROM tocsin_state_issues AS issues WHERE scope = %s AND last_seen > %s"
_TOLD: Final = (
    f"SELECT identity, {', '.join(TOLD_COLUMNS)} FROM tocsin_state_told"
    " WHERE scope = %s AND (at > %s OR comeback_at > %s)"
)
_SINKS: Final = "SELECT identity, since, pace FROM tocsin_state_sinks WHERE scope = %s"
_SINCE: Final = "UPDATE tocsin_state_{} SET since = %s WHERE scope = %s AND since > %s AND since = %s"


class HealingTables(CursorTables, IssueTables, TellingTables):
    """Heal what a clock that was set back has left. The method is that of the State protocol."""

    def heal(self, now: datetime) -> int:
        """Bring times far ahead of the database's clock back to it, whatever this host's says."""
        with self.transaction():
            self._lock()
            now = self._run("SELECT clock_timestamp()")[0][0]
            late = to_us(now + timedelta(seconds=limits.CLOCK_BACK_S))
            issues = [issue_of(row) for row in self._run(_ISSUES, (self._scope, late))]
            rows = self._run(_TOLD, (self._scope, late, late))
            told = [(row[0], each) for row in rows if (each := told_of(row[1:])) is not None]
            sinks = self._run(_SINKS, (self._scope,))
            since = {at for _, at, _ in sinks if at is not None and at > late}
            times = times_of(issues, [each for _, each in told])
            bring = brought_back([*times, *map(from_us, since)], now)
            self._save_issues([healed_issue(issue, bring, now) for issue in issues])
            self._save_told([(identity, healed_told(each, bring)) for identity, each in told])
            for at in since:
                for table in ("sinks", "consumers"):
                    self._run(_SINCE.format(table), (to_us(bring(from_us(at))), self._scope, late, at))
            for table in ("samples", "bodies"):
                self._run(
                    f"UPDATE tocsin_state_{table} SET at = %s WHERE scope = %s AND at > %s",
                    (to_us(now), self._scope, late),
                )
            for identity, _, text in sinks:
                self._heal_pace(identity, text, now)
        return len(issues)

    def _save_issues(self, issues: list[Issue]) -> None:
        self._run_many(SAVE_ISSUE, [self._values(replace(each, revision=self._next_revision())) for each in issues])

    def _save_told(self, told: list[tuple[str, Told]]) -> None:
        for identity, each in told:
            self.save_told(identity, each)

    def _heal_pace(self, identity: str, text: str | None, now: datetime) -> None:
        if text is None:
            return
        pace = load_pace(text)
        times = (*pace.sent, pace.gather_until, pace.flood_at, pace.digest_at, pace.alive_at)
        latest = max((at for at in times if at is not None), default=now)
        if latest > now + timedelta(seconds=limits.CLOCK_BACK_S + limits.CLOCK_BACK_GATHER_S):
            self._save_sink(identity, "pace", dump_pace(healed_pace(pace, now)))
