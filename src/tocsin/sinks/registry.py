"""Sink tables and URLs go in; built sinks leave, with every fault of all. A type's module is imported on use."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from tocsin.config.load import absolute_paths
from tocsin.config.setting import Setting, closest, parse_table
from tocsin.config.sink_table import SINK_SETTINGS, SinkTable
from tocsin.event.errors import ConfigError
from tocsin.event.model import Kind
from tocsin.sinks.base import Sink, SinkContext

__all__ = ["SCHEMES", "TYPES", "BuiltSink", "build", "faults_of", "from_url", "load_type"]

TYPES: dict[str, str] = {
    "chat": "tocsin.sinks.chat:ChatSink",
    "database": "tocsin.sinks.database:DatabaseSink",
    "file": "tocsin.sinks.file:FileSink",
    "gitea": "tocsin.sinks.tickets.gitea:GiteaSink",
    "github": "tocsin.sinks.tickets.github:GitHubSink",
    "gitlab": "tocsin.sinks.tickets.gitlab:GitLabSink",
    "jira": "tocsin.sinks.tickets.jira:JiraSink",
    "mail": "tocsin.sinks.mail:MailSink",
    "nteventlog": "tocsin.sinks.nteventlog:NtEventLogSink",
    "otlp": "tocsin.sinks.otlp:OtlpSink",
    "redmine": "tocsin.sinks.tickets.redmine:RedmineSink",
    "sentry": "tocsin.sinks.sentry:SentrySink",
    "socket": "tocsin.sinks.socket:SocketSink",
    "pager": "tocsin.sinks.pager:PagerSink",
    "stderr": "tocsin.sinks.stderr:StderrSink",
    "syslog": "tocsin.sinks.syslog:SyslogSink",
    "trac": "tocsin.sinks.tickets.trac:TracSink",
    "webhook": "tocsin.sinks.webhook:WebhookSink",
}
SCHEMES: dict[str, str] = {
    "chat+": "chat",  # and apprise's own scheme behind it
    "file": "file",
    "gitea": "gitea",
    "gitea+http": "gitea",
    "gitea+https": "gitea",
    "github": "github",
    "github+http": "github",
    "github+https": "github",
    "gitlab": "gitlab",
    "gitlab+http": "gitlab",
    "gitlab+https": "gitlab",
    "jira": "jira",
    "jira+http": "jira",
    "jira+https": "jira",
    "mail": "mail",
    "mariadb": "database",
    "mariadb+mysqldb": "database",
    "mariadb+pymysql": "database",
    "mysql": "database",
    "mysql+mysqldb": "database",
    "mysql+pymysql": "database",
    "nteventlog": "nteventlog",
    "otlp+http": "otlp",
    "otlp+https": "otlp",
    "postgresql": "database",
    "postgresql+psycopg": "database",
    "postgresql+psycopg2": "database",
    "redmine": "redmine",
    "redmine+http": "redmine",
    "redmine+https": "redmine",
    "sentry+http": "sentry",
    "sentry+https": "sentry",
    "smtp": "mail",
    "smtps": "mail",
    "socket": "socket",
    "socket+tcp": "socket",
    "socket+tls": "socket",
    "socket+udp": "socket",
    "socket+unix": "socket",
    "sqlite": "database",
    "sqlite+pysqlite": "database",
    "pager": "pager",
    "pager+http": "pager",
    "pager+https": "pager",
    "stderr": "stderr",
    "syslog": "syslog",
    "syslog+tcp": "syslog",
    "syslog+tls": "syslog",
    "syslog+udp": "syslog",
    "trac": "trac",
    "trac+http": "trac",
    "trac+https": "trac",
    "webhook+http": "webhook",
    "webhook+https": "webhook",
}

# Stands for a secret whose file can't be read; it isn't called missing or malformed as well.
_UNREAD: Final = "unread"
_COMMON: Final = frozenset(setting.name for setting in SINK_SETTINGS)


@dataclass(frozen=True, slots=True)
class BuiltSink:
    """Hold one sink and what routes to it: its level as a number, its kinds and loggers, where a new one starts."""

    sink: Sink
    identity: str
    levelno: int
    kinds: frozenset[Kind]
    start: Literal["now", "oldest"]
    loggers: tuple[str, ...] = ()


def build(tables: Sequence[SinkTable], context: SinkContext) -> tuple[tuple[BuiltSink, ...], list[str]]:
    """Return (the sinks that could be built, in order; one sentence for every fault). Opens no connection.

    Two sinks of one identity are a fault: they would share a cursor, and each would get a part.
    """
    built: list[BuiltSink] = []
    owners: dict[str, str] = {}
    faults: list[str] = []
    for table in tables:
        try:
            sink = _built(table, context)
        except ConfigError as fault:
            faults += fault.faults
            continue
        if sink.identity in owners:
            faults.append(
                f"{table.where}: goes to the same place as {owners[sink.identity]}, {sink.identity}; "
                "merge the two, with the kinds and the lower level of both"
            )
            continue
        owners[sink.identity] = table.where
        built.append(sink)
    return tuple(built), faults


def faults_of(tables: Sequence[SinkTable]) -> list[str]:
    """Return the faults of sink tables: what `config.load` is given, to tell them along with all others."""
    return build(tables, SinkContext("application", "production", "localhost"))[1]


def from_url(url: str) -> dict[str, Any]:
    """Return the table that a URL stands for. Raises ConfigError, without quoting the URL: it may hold a password."""
    scheme, colon, _ = url.partition(":")
    family = scheme.lower().partition("+")[0] + "+"
    kind = SCHEMES.get(scheme.lower()) or SCHEMES.get(family) or (scheme if colon and _is_offered(scheme) else None)
    if not colon or kind is None:
        close = closest(scheme.lower(), SCHEMES) if colon else []
        close = {"http": ["webhook+http"], "https": ["webhook+https"]}.get(scheme.lower(), close)
        # Whoever writes webhook: means https, which is the longer and so the less close one.
        meant = [f"{name}s" if name.endswith("+http") else name for name in close]
        hint = (
            f"; did you mean {meant[0]}:?"
            if meant
            else "; a chat's is chat+ and apprise's own; the settings reference lists all"
        )
        raise ConfigError(f"must be a URL that begins with a sink's scheme, such as smtp:, file: or syslog:{hint}")
    return {**load_type(kind).options_from_url(url), "type": kind}


def _is_offered(scheme: str) -> bool:
    from tocsin.sinks import own

    return scheme in own.offered()


def load_type(kind: str) -> type[Sink]:
    """Return the class of a sink type: one of ours, of an entry point, or a dotted path.

    Raises ConfigError for an unknown one, or one that lacks a package.
    """
    if kind not in TYPES:
        from tocsin.sinks import own  # only for those who have one

        found = own.find(kind)
        if found is not None:
            return found
        close = closest(kind, TYPES)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(TYPES))}, or a dotted path"
        raise ConfigError(f"unknown type {kind!r}; {hint}")
    module, _, name = TYPES[kind].partition(":")
    try:
        loaded: type[Sink] = getattr(importlib.import_module(module), name)
    except ImportError as fault:
        raise ConfigError(f"type {kind!r} can't be used here: {fault}") from fault
    return loaded


def _built(table: SinkTable, context: SinkContext) -> BuiltSink:
    """Build one sink. Raises ConfigError with all its faults, each beginning with where it is."""
    where = table.where
    try:
        raw = absolute_paths(from_url(table.url), table.folder) if table.url else dict(table.options)
        if "type" not in raw:
            raise ConfigError(f"type is required: one of {', '.join(sorted(TYPES))}")
        kind = str(raw["type"])
        where = f"{where} ({kind})" if kind in TYPES else where
        cls = load_type(kind)
    except ConfigError as fault:
        raise ConfigError([f"{where}: {each}" for each in fault.faults]) from fault
    faults = [*_missing_package(cls, kind, where), *_read_secrets(raw, cls.settings, where)]
    values, more = parse_table((*SINK_SETTINGS, *cls.settings), raw, where)
    unread = tuple(f"{where}: {name} " for name, value in raw.items() if value is _UNREAD)
    faults += [fault for fault in more if not (unread and fault.startswith(unread))]
    if faults:
        raise ConfigError(faults)
    try:
        sink = cls.from_options({name: values[name] for name in values if name not in _COMMON}, context)
    except ConfigError as fault:
        raise ConfigError([f"{where}: {each}" for each in fault.faults]) from fault
    # What is no use to a type's readers (a ticket per warning, say) goes there only if it is asked for.
    kinds = values["kinds"] if "kinds" in raw else getattr(cls, "default_kinds", values["kinds"])
    return BuiltSink(sink, sink.identity, values["level"], kinds, values["from"], values["loggers"])


def _missing_package(cls: type[Sink], kind: str, where: str) -> Iterator[str]:
    """Yield the fault of a package that a type ``needs``; so it is told along with the table's own faults."""
    needs = getattr(cls, "needs", "")
    package = needs.partition(">")[0]
    if package and find_spec(package.lower()) is None:
        yield f"{where}: type {kind!r} needs {package}: pip install {needs!r}"


def _read_secrets(raw: dict[str, Any], settings: Sequence[Setting], where: str) -> list[str]:
    """Replace each ``x_file`` of a secret ``x`` by what the file holds; return the faults."""
    faults = []
    for setting in settings:
        key = f"{setting.name}_file"
        if not setting.is_secret or key not in raw:
            continue
        path = raw.pop(key)
        if setting.name in raw:
            faults.append(f"{where}: {setting.name} and {key} are both given; leave one out")
            continue
        raw[setting.name] = _UNREAD
        try:
            raw[setting.name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as fault:
            remedy = "check the path" if isinstance(fault, FileNotFoundError) else "let the user this runs as read it"
            faults.append(f"{where}: {key} can't be read: {fault.strerror} ({path}); {remedy}")
        except UnicodeDecodeError:
            faults.append(f"{where}: {key} is not UTF-8 text ({path})")
        except (TypeError, ValueError):
            faults.append(f"{where}: {key} must be a path")
    return faults
