"""What a driver raised goes in; what it means leaves: an Outcome in an operator's words, or "try again at once"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.exc import DBAPIError, StatementError

from tocsin.event.limits import SAID_CHARS
from tocsin.render import harmless
from tocsin.sinks.base import Refused, Unavailable
from tocsin.sinks.database.options import Place
from tocsin.sinks.database.store import DDL_REMEDY, NotCreatedError
from tocsin.sinks.network import explain

__all__ = ["Verdict", "verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Say what a fault comes to; ``is_passing``: trying again at once may do, with new tables if they were lost."""

    outcome: Unavailable | Refused
    is_passing: bool = False


_Told = tuple[str, str]  # a reason's words and a remedy; {said} stands for the server's words

_PASSWORD: Final[_Told] = ("refused the user or the password: {said}", "check user and password")
_DOWN: Final[_Told] = ("can't be reached: {said}", "check host and port, and whether the server runs")
_TLS: Final[_Told] = (
    "can't be reached by TLS: {said}",
    "name its authority's file in url: sslmode=verify-full&sslrootcert=… for PostgreSQL, ssl_ca=… for MariaDB",
)
_GONE: Final[_Told] = ("ended the connection: {said}", "see the server's log; tried again by itself")
_DATABASE: Final[_Told] = ("has no such database: {said}", "check the name in url, or create the database")
_RIGHT: Final[_Told] = ("doesn't let this user do that: {said}", "grant SELECT, INSERT, UPDATE, DELETE on its tables")
_CREATING: Final[_Told] = ("lacks tables, and this user may not make them: {said}", DDL_REMEDY)
_TABLE: Final[_Told] = ("lacks a table: {said}", DDL_REMEDY)
_SCHEMA: Final[_Told] = ("has no such schema: {said}", "create it, or mend schema_name")
_COLUMNS: Final[_Told] = ("has tables of these names that are not tocsin's: {said}", "choose another prefix")
_FULL: Final[_Told] = ("has no room left: {said}", "free space on the server's disk")
_CROWDED: Final[_Told] = ("takes no more connections: {said}", "raise the server's limit, or close some")
_LOCKED: Final[_Told] = ("waited too long for a lock: {said}", "see which session holds it; tried again by itself")
_SLOW: Final[_Told] = ("took too long: {said}", "raise timeout, or see what keeps the server busy")
_READ_ONLY: Final[_Told] = (
    "is read-only: {said}",
    "name the primary server, not a replica; for a file: give the right",
)
_OLD: Final[_Told] = ("did not understand a statement: {said}", "it needs PostgreSQL 12, MariaDB 10.5 or MySQL 8.0")
_BROKEN: Final[_Told] = ("is damaged or no database: {said}", "restore it, or name another")
_CLASH: Final[_Told] = ("was written by another at the same time: {said}", "tried again by itself")
_OTHER: Final[_Told] = ("failed: {said}", "see the server's log")

_POSTGRES: Final[Mapping[str, _Told]] = {  # by SQLSTATE (appendix A of PostgreSQL's manual), or by its class
    "28": _PASSWORD,
    "3D": _DATABASE,
    "3F": _SCHEMA,
    "08": _GONE,
    "42501": _RIGHT,
    "42P01": _TABLE,
    "42703": _COLUMNS,
    "42804": _COLUMNS,
    "23502": _COLUMNS,  # a column of somebody's own that must not be null: ours never are
    "42601": _OLD,
    "42704": _OLD,
    "42883": _OLD,
    "0A": _OLD,
    "53100": _FULL,
    "53300": _CROWDED,
    "57P": _GONE,
    "57014": _SLOW,
    "55P03": _LOCKED,
    "25006": _READ_ONLY,
    "XX001": _BROKEN,
    "XX002": _BROKEN,
    "40": _CLASH,
    "23505": _CLASH,
    "42P07": _CLASH,
}
_POSTGRES_DATA: Final = ("22", "23", "54")  # a value, a constraint, a limit: of this row, for good

# A connection that failed has no SQLSTATE in psycopg, only the words.
_POSTGRES_WORDS: Final = (
    ("password authentication failed|no password supplied|no pg_hba.conf entry|role .* does not exist", _PASSWORD),
    ("database .* does not exist", _DATABASE),
    ("certificate|SSL error|does not support SSL", _TLS),
    ("too many clients|remaining connection slots", _CROWDED),
    ("permission denied for database", _RIGHT),
)
_MYSQL: Final[Mapping[int, _Told]] = {
    **dict.fromkeys((1045, 1698, 1251), _PASSWORD),
    **dict.fromkeys((2002, 2003, 2005), _DOWN),
    **dict.fromkeys((2006, 2013, 2055, 1053, 1927), _GONE),
    1049: _DATABASE,
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), _RIGHT),
    1146: _TABLE,
    **dict.fromkeys((1048, 1054, 1136, 1364), _COLUMNS),
    **dict.fromkeys((1021, 1114, 1041), _FULL),
    **dict.fromkeys((1040, 1203, 1226), _CROWDED),
    1205: _LOCKED,
    **dict.fromkeys((1969, 3024), _SLOW),
    **dict.fromkeys((1036, 1290, 1792, 1836), _READ_ONLY),
    **dict.fromkeys((1064, 1193, 1273, 1115), _OLD),
    **dict.fromkeys((1062, 1213, 1050, 1061, 1020), _CLASH),
}
_MYSQL_DATA: Final = frozenset(
    {1118, 1153, 1264, 1265, 1292, 1366, 1406, 1452, 1690, 3140, 3141, 3157, 3819, 4025, 22001}
)
_SQLITE: Final = (  # by the name of its result code, or what that begins with
    ("SQLITE_BUSY", _LOCKED),
    ("SQLITE_LOCKED", _LOCKED),
    ("SQLITE_READONLY", _READ_ONLY),
    ("SQLITE_PERM", _READ_ONLY),
    ("SQLITE_FULL", _FULL),
    ("SQLITE_IOERR", ("can't be read or written: {said}", "see to that disk")),
    ("SQLITE_CANTOPEN", ("can't be opened: {said}", "create its folder, and give this user the right to write there")),
    ("SQLITE_CORRUPT", _BROKEN),
    ("SQLITE_NOTADB", _BROKEN),
    ("SQLITE_CONSTRAINT_PRIMARYKEY", _CLASH),
    ("SQLITE_CONSTRAINT_UNIQUE", _CLASH),
    ("SQLITE_CONSTRAINT_NOTNULL", _COLUMNS),
)
_SQLITE_WORDS: Final = (
    ("no such table", _TABLE),
    ("already exists", _CLASH),
    ("has no column|no such column", _COLUMNS),
)
_SQLITE_DATA: Final = ("SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH")
_REFUSED_REMEDY: Final = "see what it refuses in the dead letters; `tocsin spool retry` sends it again"


def verdict(
    fault: BaseException, place: Place, mask: Callable[[str], str], *, has_cut: bool, waited_s: float
) -> Verdict:
    """Return what a fault means. ``has_cut``: we cut a silent server off after ``waited_s``."""
    where = place.where
    is_creating = isinstance(fault, NotCreatedError)
    fault = fault.__cause__ or fault if isinstance(fault, NotCreatedError) else fault
    if has_cut:
        reason = f"{where} did not answer within {waited_s:g} s"
        return Verdict(Unavailable(reason, "see whether the server hangs, or raise timeout"))
    if isinstance(fault, DBAPIError) and fault.orig is not None:
        return _of_driver(fault.orig, place, mask, is_creating=is_creating)
    said = _said(fault, place, mask)
    if isinstance(fault, (FileNotFoundError, PermissionError, IsADirectoryError)):  # by PyMySQL, of a TLS file
        return Verdict(Unavailable(f"a file that url names for {where} can't be read: {said}", "check its path"))
    if isinstance(fault, OSError):
        return Verdict(explain(fault, where, "talking to it"))
    if isinstance(fault, (StatementError, UnicodeError, OverflowError)):  # the driver can't say this row at all
        return Verdict(Refused(f"{where} can't take this report: {said}", _REFUSED_REMEDY))
    if isinstance(fault, ImportError):
        return Verdict(Unavailable(f"the driver for {where} can't be loaded: {said}", "install it with its libraries"))
    if isinstance(fault, RuntimeError) and "cryptography" in said:  # PyMySQL's words for MySQL's newer passwords
        return Verdict(Unavailable(f"{where} needs more of the driver: {said}", "pip install 'PyMySQL[rsa]'"))
    return Verdict(Unavailable(f"{where} failed: {type(fault).__name__}: {said}", "see the server's log"))


def _of_driver(fault: BaseException, place: Place, mask: Callable[[str], str], *, is_creating: bool) -> Verdict:
    known = {"postgresql": _of_postgres, "mysql": _of_mysql, "sqlite": _of_sqlite}[place.dialect](fault)
    said = _said(fault, place, mask)
    if known is None:
        return Verdict(Refused(f"{place.where} refuses this report: {said}", _REFUSED_REMEDY))
    if is_creating and known in (_RIGHT, _READ_ONLY):
        known = _CREATING
    reason, remedy = known
    outcome = Unavailable(f"{place.where} {reason.format(said=said)}", remedy)
    return Verdict(outcome, is_passing=known in (_CLASH, _TABLE))


def _of_postgres(fault: Any) -> _Told | None:
    """Return what to tell, or None where the row is refused for good; so do the next two."""
    state = getattr(fault, "sqlstate", None) or getattr(fault, "pgcode", None)
    if state:
        if state in _POSTGRES:
            return _POSTGRES[state]
        if state[:2] in _POSTGRES_DATA:
            return None
        return _POSTGRES.get(state[:3]) or _POSTGRES.get(state[:2]) or _OTHER
    told = _by_words(str(fault), _POSTGRES_WORDS)
    if told is not None:
        return told
    # Without a state: psycopg's own refusal of a value, or a connection that failed or broke.
    if type(fault).__name__ == "DataError":
        return None
    return _GONE if "server closed" in str(fault) or "connection is lost" in str(fault) else _DOWN


def _of_mysql(fault: Any) -> _Told | None:
    code = fault.args[0] if fault.args else None
    if not isinstance(code, int):
        return _OTHER
    if code in _MYSQL:
        is_tls = code == 2003 and "SSL" in str(fault)
        return _TLS if is_tls else _MYSQL[code]
    if code in _MYSQL_DATA or type(fault).__name__ == "DataError":
        return None
    return _GONE if code == 0 else _OTHER  # PyMySQL's 0: the connection was closed under it


def _of_sqlite(fault: Any) -> _Told | None:
    name = getattr(fault, "sqlite_errorname", "") or ""
    for beginning, told in _SQLITE:
        if name.startswith(beginning):
            return told
    if name.startswith(_SQLITE_DATA) or type(fault).__name__ in ("DataError", "InterfaceError"):
        return None
    return _by_words(str(fault), _SQLITE_WORDS) or _OTHER


def _by_words(said: str, table: tuple[tuple[str, _Told], ...]) -> _Told | None:
    return next((told for pattern, told in table if re.search(pattern, said)), None)


def _said(fault: BaseException, place: Place, mask: Callable[[str], str]) -> str:
    """Return the first line of the driver's words, masked: in the others there may be a row's values."""
    diagnosis = getattr(getattr(fault, "diag", None), "message_primary", None)
    words = diagnosis or (fault.args[1] if len(fault.args) > 1 else None) or str(fault) or type(fault).__name__
    line = next((line for line in str(words).splitlines() if line.strip()), type(fault).__name__)
    return harmless.line(mask(harmless.without([place.password], line).strip()), SAID_CHARS)
