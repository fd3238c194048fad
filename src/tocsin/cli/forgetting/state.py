"""A place and what is to be forgotten go in; its state, a file or a database, leaves without it."""

from __future__ import annotations

import json

from tocsin.cli.forgetting.blank import blanked
from tocsin.cli.forgetting.spool import Taken
from tocsin.cli.forgetting.whom import Whom
from tocsin.cli.place import Place
from tocsin.event import limits
from tocsin.routing.forgetting import Forgetting, Gone
from tocsin.routing.opening import has_state
from tocsin.spool.identity import read_spool_id

__all__ = ["forget_in_state"]


def forget_in_state(place: Place, whom: Whom, taken: Taken, *, is_dry: bool) -> tuple[Gone, str]:
    """Take it out of the state; return what went, and what could not be wiped, else "". Raises StoreError.

    ``taken`` is what went from the spool: by that, more of it is known in the state.
    """
    where = place.state
    if not has_state(place.folder, where):
        return Gone(), ""
    what = _what(whom, taken)
    if not where.is_shared:
        from tocsin.routing.sqlite.forgetting import forget_in_sqlite

        return forget_in_sqlite(place.folder.state, what, is_dry=is_dry), ""
    from tocsin.routing.postgresql.connection import Scope
    from tocsin.routing.postgresql.forgetting import forget_in_postgresql

    spool = read_spool_id(place.folder, make=False)
    scope = Scope(where.application, where.environment, spool, where.host)
    return forget_in_postgresql(where.url, scope, what, is_dry=is_dry)


def _what(whom: Whom, taken: Taken) -> Forgetting:
    hashes = {found for _, found in taken.clients}
    titles = {(fingerprint, title[: limits.NAME_CHARS]) for fingerprint, title in taken.titles}

    def is_client(fingerprint: str, day: int, found: str) -> bool:
        # A key that the rules gave before may be an issue's own: then only the client tells.
        is_its = whom.fault is None or whom.fault.fits(fingerprint) or (fingerprint, found) in taken.clients
        return (found in hashes and is_its) or whom.has_client_hash(fingerprint, day, found)

    def body(data: bytes) -> bytes | None:
        members = json.loads(data)
        if not whom.takes(members):
            return None
        taken.note(members)
        titles.update((fingerprint, title[: limits.NAME_CHARS]) for fingerprint, title in taken.titles)
        return json.dumps({**blanked(members, whom.without), "forgotten": True}, separators=(",", ":")).encode("ascii")

    return Forgetting(whom.without, lambda *title: title in titles and bool(title[1]), is_client, body)
