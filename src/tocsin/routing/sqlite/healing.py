"""A time goes in; what the state file holds of later times is brought back to it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tocsin.routing.healing import brought_back, healed_issue, healed_pace, healed_told, times_of
from tocsin.routing.rows import TOLD_COLUMNS, from_us, growing_values, issue_of, to_us, told_of
from tocsin.routing.sqlite.issues import ISSUE_SELECT, UPDATE_ISSUE, IssueTables
from tocsin.routing.sqlite.telling import TellingTables

__all__ = ["HealingTables"]

_ISSUES: Final = f"SELECT {ISSUE_SELECT} FROM issues WHERE last_seen > ?"
_TOLD: Final = f"SELECT identity, {', '.join(TOLD_COLUMNS)} FROM told WHERE at > ? OR comeback_at > ?"


class HealingTables(IssueTables, TellingTables):
    """Heal what a clock that was set back has left. The method is that of the State protocol."""

    def heal(self, now: datetime) -> int:
        """Bring times that lie after ``now`` back to it; return how many issues had some."""
        us = to_us(now)
        with self.transaction():
            issues = [issue_of(row) for row in self._rows(_ISSUES, (us,))]
            told = [(row[0], each) for row in self._rows(_TOLD, (us, us)) if (each := told_of(row[1:])) is not None]
            since = [(name, from_us(at)) for name, at in self._rows("SELECT * FROM consumers WHERE since > ?", (us,))]
            times = times_of(issues, [each for _, each in told])
            bring = brought_back([*times, *(at for _, at in since)], now)
            for issue in issues:
                healed = healed_issue(issue, bring, now)
                self._run(UPDATE_ISSUE, (*growing_values(healed, self._next_revision()), issue.fingerprint))
            for identity, each in told:
                self.save_told(identity, healed_told(each, bring))
            for name, at in since:
                self._run("UPDATE consumers SET since = ? WHERE consumer = ?", (to_us(bring(at)), name))
            self._run("UPDATE samples SET at = ? WHERE at > ?", (us, us))
            self._heal_paces(now)
        return len(issues)

    def _heal_paces(self, now: datetime) -> None:
        for (identity,) in self._rows("SELECT identity FROM paces"):
            pace = self.pace(identity)
            healed = healed_pace(pace, now)
            if healed != pace:
                self.save_pace(identity, healed)
