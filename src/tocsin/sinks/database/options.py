"""Validated options or a URL go in; which database, which tables and what is kept there leave, or every fault of them.

The URL is read here, and not by SQLAlchemy, which is loaded with the first delivery only. Nothing said of it quotes it.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast
from urllib.parse import quote, unquote

from tocsin.config.setting import Setting, boolean, choice, count, text
from tocsin.config.sink_table import SINK_SETTINGS
from tocsin.event.errors import ConfigError
from tocsin.sinks.endpoint import TIMEOUT, host_name
from tocsin.sinks.url import bracketed, parameters, split

__all__ = ["SCHEMES", "SETTINGS", "Dialect", "Place", "Plan", "Store", "from_url", "place_of", "plan_of"]

Dialect: TypeAlias = Literal["mysql", "postgresql", "sqlite"]
Store: TypeAlias = Literal["occurrences", "issues", "both"]

_FORM: Final = "it must look like postgresql+psycopg://user@db.example.org/shop, mysql+pymysql://… or sqlite:///file"
_ENCODED: Final = "characters of a password such as @ : / ? # must be percent-encoded, or give it by `password`"
_DRIVERS: Final[Mapping[str, tuple[Dialect, str]]] = {  # what a URL may begin with: SQLAlchemy's dialect and driver
    "postgresql": ("postgresql", "psycopg"),
    "postgresql+psycopg": ("postgresql", "psycopg"),
    "postgresql+psycopg2": ("postgresql", "psycopg2"),
    "mysql": ("mysql", "pymysql"),
    "mysql+pymysql": ("mysql", "pymysql"),
    "mysql+mysqldb": ("mysql", "mysqldb"),
    "mariadb": ("mysql", "pymysql"),
    "mariadb+pymysql": ("mysql", "pymysql"),
    "mariadb+mysqldb": ("mysql", "mysqldb"),
    "sqlite": ("sqlite", "pysqlite"),
    "sqlite+pysqlite": ("sqlite", "pysqlite"),
}
_MODULES: Final = {  # the module of a driver, and how to get it
    "psycopg": ("psycopg", "pip install 'psycopg[binary]'"),
    "psycopg2": ("psycopg2", "pip install psycopg2-binary"),
    "pymysql": ("pymysql", "pip install PyMySQL"),
    "mysqldb": ("MySQLdb", "pip install mysqlclient"),
    "pysqlite": ("sqlite3", "install your system's package of Python's sqlite3"),
}
_PORTS: Final = {"postgresql": 5432, "mysql": 3306}
_SOCKETS: Final = ("host", "unix_socket")  # parameters by which drivers are told a Unix socket
_PREFIX: Final = re.compile(r"[a-z_][a-z0-9_]{0,29}")  # with a table's own name at most 63 characters of PostgreSQL
_SCHEMA: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,62}")

SCHEMES: Final = tuple(_DRIVERS)


@dataclass(frozen=True, slots=True)
class Place:
    """Say which database. ``path`` is set for SQLite, the others for servers; ``query`` is for the driver."""

    dialect: Dialect
    driver: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int = 0
    database: str = ""
    query: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    path: str = ""

    @property
    def where(self) -> str:
        """Return ``db.example.org:5432/shop`` or the path."""
        if self.path:
            return self.path
        host = self.host or next((str(self.query[name]) for name in _SOCKETS if name in self.query), "localhost")
        host = host if host.startswith("/") else bracketed(host)
        return f"{host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Say what is kept, in which tables, for how long (``keep_days`` 0: for ever), and how long a step may take."""

    store: Store = "occurrences"
    prefix: str = "tocsin_"
    schema: str = ""
    may_create: bool = True
    keep_days: int = 0
    timeout_s: float = 10.0


def _prefix(value: Any) -> str:
    if not isinstance(value, str) or not _PREFIX.fullmatch(value):
        raise ValueError("must be at most 30 small letters, digits and _, such as tocsin_")
    return value


def _schema(value: Any) -> str:
    if not isinstance(value, str) or not _SCHEMA.fullmatch(value):
        raise ValueError("must be the name of a schema, such as monitoring")
    return value


SETTINGS: Final = (
    Setting(
        "url", text, "", "the database, such as postgresql+psycopg://user@db.example.org/shop; or path", is_secret=True
    ),
    Setting("path", text, "", "an SQLite file, instead of url", type_name="path"),
    Setting("user", text, "", "who logs in, where url doesn't say it"),
    Setting("password", text, "", "the user's password, where url doesn't hold it", is_secret=True),
    Setting(
        "store",
        choice("occurrences", "issues", "both"),
        "occurrences",
        "a row for every event and count, a row for every issue with its counts, or both",
        type_name="occurrences, issues or both",
    ),
    Setting("prefix", _prefix, "tocsin_", "what the names of its tables begin with", type_name="name"),
    Setting("schema_name", _schema, "", "the schema of its tables; left out: the user's default", type_name="name"),
    Setting(
        "create",
        boolean,
        True,
        "whether it makes its tables where they are missing; `tocsin ddl` prints how to make them by hand",
        type_name="boolean",
    ),
    Setting(
        "keep_days",
        count,
        0,
        "rows of occurrences are deleted so many days after they came; 0: never",
        unit="days",
        type_name="whole number",
    ),
    TIMEOUT,
)


def place_of(options: Mapping[str, Any]) -> Place:
    """Return which database validated options name. Raises ConfigError, also for a package that is missing."""
    if bool(options["url"]) == bool(options["path"]):
        both = "url and path are both given; leave one out"
        raise ConfigError(both if options["url"] else "url or path is required: the database, or an SQLite file")
    place = _place(options["url"], options) if options["url"] else _file(options)
    if importlib.util.find_spec("sqlalchemy") is None:
        raise ConfigError("type 'database' needs SQLAlchemy: pip install 'SQLAlchemy>=2.0'")
    module, command = _MODULES[place.driver]
    if importlib.util.find_spec(module) is None:
        raise ConfigError(f"this database needs the driver {module}: {command}")
    if options["schema_name"] and place.dialect == "sqlite":
        raise ConfigError("schema_name is for PostgreSQL and MariaDB; SQLite has no schemas")
    return place


def plan_of(options: Mapping[str, Any]) -> Plan:
    """Return what is kept there by validated options."""
    return Plan(
        cast("Store", options["store"]),
        options["prefix"],
        options["schema_name"],
        options["create"],
        options["keep_days"],
        options["timeout"],
    )


def from_url(url: str) -> dict[str, Any]:
    """Turn ``postgresql+psycopg://user@host/db?store=both`` or ``sqlite:///errors.db`` into options.

    Parameters that are settings of the sink are taken; the others are left to the driver. Raises ConfigError.
    """
    base, _, query = url.partition("?")
    own = {setting.name for setting in (*SINK_SETTINGS, *SETTINGS)} - {"url", "path"}
    given = parameters(query)
    options = {name: value for name, value in given.items() if name in own or name.removesuffix("_file") in own}
    rest = {name: value for name, value in given.items() if name not in options}
    scheme = split(base).scheme.lower()
    if _DRIVERS.get(scheme, ("",))[0] != "sqlite":
        return {**options, "url": base + ("?" + _encoded(rest) if rest else "")}
    if rest:
        raise ConfigError(f"an SQLite URL takes settings of the sink as parameters, and no {', '.join(sorted(rest))}")
    return {**options, "path": _sqlite_path(base)}


def _place(url: str, options: Mapping[str, Any]) -> Place:
    parts = split(url)
    dialect, driver = _DRIVERS.get(parts.scheme.lower(), ("sqlite", ""))
    if not driver:
        raise ConfigError(f"url must begin with one of {', '.join(f'{scheme}:' for scheme in _DRIVERS)}")
    if dialect == "sqlite":
        raise ConfigError("url is for servers; name an SQLite file by path")
    try:
        host, port = host_name(parts.hostname) if parts.hostname else "", parts.port or _PORTS[dialect]
    except ValueError:
        raise ConfigError(f"the host or port of url can't be read: {_FORM}; {_ENCODED}") from None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    database = unquote(parts.path).removeprefix("/")
    faults = [f"{name} and url both say it; leave one out" for name in _doubled(user, password, options)]
    if parts.fragment or not database or "/" in database or not database.isprintable():
        faults.append(f"url must name a database: {_FORM}; {_ENCODED}")
    if faults:
        raise ConfigError(faults)
    user, password = user or options["user"], password or options["password"]
    query = MappingProxyType(parameters(parts.query))
    return Place(dialect, driver, user, password, host, port, database, query)


def _doubled(user: str, password: str, options: Mapping[str, Any]) -> list[str]:
    return [name for name, value in (("user", user), ("password", password)) if value and options[name]]


def _file(options: Mapping[str, Any]) -> Place:
    faults = [f"{name} is for servers; an SQLite file has none" for name in ("user", "password") if options[name]]
    if faults:
        raise ConfigError(faults)
    return Place("sqlite", "pysqlite", path=options["path"])


def _sqlite_path(base: str) -> str:
    parts = split(base)
    path = unquote(parts.path).removeprefix("/")  # three slashes and a relative path, or four and an absolute one
    if parts.netloc or parts.fragment or not path or path == ":memory:":
        raise ConfigError("an SQLite URL must name a file: sqlite:///errors.db, or sqlite:////var/lib/shop/errors.db")
    return path


def _encoded(query: Mapping[str, Any]) -> str:
    pairs = ((name, each) for name, value in query.items() for each in (value if isinstance(value, list) else [value]))
    return "&".join(f"{quote(name, safe='')}={quote(str(value), safe='')}" for name, value in pairs)
