"""The state in a PostgreSQL database, shared by the leaders of many spools.

What is shared by all spools of one application and environment (a *scope*): issues with their episodes, mutes, what
each sink was told, its pace and pending notice, and the events that notices show. What belongs to one spool: cursors,
notes, losses, and which consumers it has.

Many leaders write at once. The rules that keep this exact:

- A transaction that writes anything shared locks the scope's row first. So there is one order of locks and no
  deadlock, every read in it is of what is committed, and revisions become visible in their order.
- Nothing in a transaction waits for anything but the database. Occurrences are gathered in memory and written at its
  end, so the lock is held for a few statements.
- Who sends a notice has claimed it (`claim`): the claim is committed with the notice, before it is sent, and holds by
  the database's clock.
"""

from __future__ import annotations

from tocsin.routing.postgresql.cursors import CursorTables
from tocsin.routing.postgresql.healing import HealingTables
from tocsin.routing.postgresql.issues import IssueTables
from tocsin.routing.postgresql.retention import RetentionTables
from tocsin.routing.postgresql.telling import TellingTables

__all__ = ["PostgresState"]


class PostgresState(HealingTables, RetentionTables, CursorTables, IssueTables, TellingTables):
    """Keep the state in a database. Implements `tocsin.routing.state.State`.

    ``read_only`` looks at what is there, for commands. Raises StoreError when the database can't be used, and says
    which one, what is wrong and what to do.
    """
