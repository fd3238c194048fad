"""Whom the kernel killed for want of memory: its counts for each control group go in; whether they tell leaves.

The count of a group says how many processes of it were killed, not which. It is known of a process that died only where
no more of its group died at that time than were killed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tocsin.routing.state import LEDGER, State
from tocsin.spool import control_group
from tocsin.spool.control_group import KillCount

__all__ = ["KillWatch", "kill_count_of"]

_NOTE = "kills"  # in the ledger's note: [path, inode, kills] of each group


class KillWatch:
    """Remember what was counted when processes were last seen alive; the next leader finds it in the state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known = dict(_pairs(state.note(LEDGER).get(_NOTE)))

    def begin(self, groups: Iterable[KillCount]) -> dict[KillCount, int]:
        """Return the present counts of the groups of the living. To be asked before it is asked who lives."""
        found = {group: control_group.kills(group) for group in set(groups)}
        return {group: kills for group, kills in found.items() if kills is not None}

    def told(self, dead: Mapping[str, tuple[KillCount, int]]) -> set[str]:
        """Return those of the dead of whom it is known. Of each its group, and the count when it began."""
        number = Counter(group for group, _ in dead.values())
        return {
            process
            for process, (group, at_begin) in dead.items()
            if number[group] <= (control_group.kills(group) or 0) - max(at_begin, self._known.get(group, 0))
        }

    def end(self, counted: Mapping[KillCount, int]) -> None:
        """Keep what `begin` counted, for who dies from now on."""
        if counted == self._known:
            return
        self._known = dict(counted)
        note = self._state.note(LEDGER)
        kept = [[*group, kills] for group, kills in counted.items()]
        with self._state.transaction():
            self._state.save_note(LEDGER, {**note, _NOTE: kept})


def kill_count_of(about: Mapping[str, Any]) -> tuple[KillCount, int] | None:
    """Return where a process's group is counted, and the count when it began; None where it doesn't know."""
    return next(iter(_pairs([about.get("kills")])), None)


def _pairs(said: object) -> list[tuple[KillCount, int]]:
    """Return what can be read of [path, inode, kills]: people edit files."""
    found = said if type(said) is list else []
    whole = [each for each in found if type(each) is list and [type(part) for part in each] == [str, int, int]]
    return [(KillCount(path, inode), kills) for path, inode, kills in whole]
