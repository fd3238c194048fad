"""An error of the database goes in; a StoreError leaves that says which database, what is wrong and what to do."""

from __future__ import annotations

import re
from typing import Any, Final

from tocsin.event.errors import StoreError
from tocsin.render import harmless

__all__ = ["MISSING_PSYCOPG", "MISSING_SQLALCHEMY", "translated"]

MISSING_SQLALCHEMY: Final = "the shared state needs SQLAlchemy: pip install 'SQLAlchemy>=2.0'"
MISSING_PSYCOPG: Final = "the shared state needs psycopg: pip install 'psycopg[binary]>=3.2'"

_MESSAGE_CHARS: Final = 300
# libpq says where it tried to connect, and how, before it says what went wrong.
_PREFIX: Final = re.compile(
    r'^(connection failed: )?(connection to server at "[^"]*"( \([^)]*\))?, port \d+ failed: )?'
)
_KEEPS: Final = "nothing is lost: reports wait in the spool, and delivery goes on by itself"
_RIGHTS: Final = (
    "let a role that may create tables run what `tocsin ddl` prints, and GRANT SELECT, INSERT,"
    " UPDATE, DELETE on its tables"
)

# By the SQLSTATE, or its class of two characters.
_BY_STATE: Final = {
    "28": "see to user and password, in `state` or ~/.pgpass",
    "3D": "create the database, or name another in `state`",
    "42501": _RIGHTS,
    "42P01": f"tables are missing; {_RIGHTS}",
    "3F000": f"no schema to create tables in; {_RIGHTS}",
    "25006": "it takes no writes: name the primary, not a standby",
    "57014": "it took too long: see what else it does",
    "55P03": "another leader holds it: tried again by itself",
    "40": "tried again by itself",
    "25P03": "this process was held up for too long: tried again by itself",
    "53100": "its disk is full: make room",
    "53300": "it has too many connections: raise max_connections; each leader takes one",
    "57": "it is starting or going down: tried again by itself",
    "22": "this is a fault of tocsin: please report it",
}
_HOST: Final = "see to the host's name in `state`"
# Of failures to connect, which carry no SQLSTATE.
_BY_WORDS: Final = (
    ("password authentication failed", _BY_STATE["28"]),
    ("no password supplied", _BY_STATE["28"]),
    ("pg_hba.conf", "let this host in: see pg_hba.conf of the server"),
    ("certificate", "see to sslmode and sslrootcert in `state`, and to the server's certificate"),
    ("does not exist", _BY_STATE["3D"]),
    ("too many clients", _BY_STATE["53300"]),
    ("remaining connection slots", _BY_STATE["53300"]),
    ("no answer within", "it hangs: see its disk and its load"),
    ("starting up", _BY_STATE["57"]),
    ("shutting down", _BY_STATE["57"]),
    ("host name", _HOST),
    ("resolve host", _HOST),
    ("Name or service", _HOST),
    ("idle-in-transaction timeout", _BY_STATE["25P03"]),
)
_OTHER: Final = "see the server's log"
_UNREACHED: Final = "see that it runs, and that this host may connect"


def translated(fault: BaseException, name: str, secret: str = "") -> StoreError:
    """Return the StoreError of a foreign one; ``secret`` is masked wherever it should turn up."""
    origin: Any = getattr(fault, "orig", None) or fault
    state = getattr(origin, "sqlstate", None) or ""
    words = _PREFIX.sub("", " ".join(str(origin).partition("\n\t")[0].split())) or type(origin).__name__
    words = harmless.without([secret], words)
    remedy = _BY_STATE.get(state) or _BY_STATE.get(state[:2]) or _by_words(words) or (_OTHER if state else _UNREACHED)
    text = f"the shared state {name}: {harmless.line(words, _MESSAGE_CHARS)}; {remedy}; {_KEEPS}"
    return StoreError(text)


def _by_words(words: str) -> str:
    return next((remedy for part, remedy in _BY_WORDS if part in words), "")
