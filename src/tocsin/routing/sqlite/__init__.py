"""The state in one SQLite file, written by the leader alone."""

from __future__ import annotations

from tocsin.routing.issues import SampleRef
from tocsin.routing.sqlite.cursors import CursorTables
from tocsin.routing.sqlite.healing import HealingTables
from tocsin.routing.sqlite.issues import IssueTables
from tocsin.routing.sqlite.telling import TellingTables

__all__ = ["SqliteState"]


class SqliteState(HealingTables, CursorTables, IssueTables, TellingTables):
    """Keep the state in a file (or ``:memory:``). Implements `tocsin.routing.state.State`.

    ``read_only`` opens what exists, for commands that look while the leader works. Raises StoreError when
    the file can't be used, is damaged, or was written by a newer tocsin.
    """

    def has_peers(self) -> bool:
        """Return False: the file belongs to one spool."""
        return False

    def claim(self, identity: str) -> bool:
        """Return True: one leader only writes the file."""
        return True

    def event_body(self, sample: SampleRef) -> bytes | None:
        """Return None: events lie in the spool, beside the file."""
        return None
