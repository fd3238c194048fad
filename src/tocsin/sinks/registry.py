"""Sink tables and URLs go in; built sinks leave, with every fault of all. A type's module is imported on use."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tocsin.config.load import absolute_paths
from tocsin.config.reference import SinkSection
from tocsin.config.setting import Setting, parse_table
from tocsin.config.settings import SINK_SETTINGS, SinkTable
from tocsin.event.errors import ConfigError
from tocsin.event.model import Kind
from tocsin.sinks.base import Sink, SinkContext

__all__ = ["SCHEMES", "TYPES", "BuiltSink", "build", "faults_of", "from_url", "load_type", "secret_names", "sections"]

TYPES: dict[str, str] = {
    "file": "tocsin.sinks.file:FileSink",
    "mail": "tocsin.sinks.mail:MailSink",
    "stderr": "tocsin.sinks.stderr:StderrSink",
    "syslog": "tocsin.sinks.syslog:SyslogSink",
}
SCHEMES: dict[str, str] = {
    "file": "file",
    "mail": "mail",
    "smtp": "mail",
    "smtps": "mail",
    "stderr": "stderr",
    "syslog": "syslog",
    "syslog+tcp": "syslog",
    "syslog+tls": "syslog",
    "syslog+udp": "syslog",
}

# Stands for a secret whose file can't be read, so that it isn't called missing or malformed as well.
_UNREAD: Final = "unread"
_COMMON: Final = frozenset(setting.name for setting in SINK_SETTINGS)


@dataclass(frozen=True, slots=True)
class BuiltSink:
    """Hold one sink and what routes to it: its level as a number, its kinds, where a new one starts."""

    sink: Sink
    identity: str
    levelno: int
    kinds: frozenset[Kind]
    start: Literal["now", "oldest"]


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
                f"{table.where}: goes to the same place as {owners[sink.identity]}; "
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
    kind = SCHEMES.get(scheme.lower())
    if not colon or kind is None:
        known = ", ".join(f"{name}:" for name in SCHEMES)
        close = difflib.get_close_matches(scheme.lower(), SCHEMES, n=1) if colon else []
        hint = f"; did you mean {close[0]}:?" if close else ""
        raise ConfigError(f"must be a URL that begins with one of {known}{hint}")
    return {**load_type(kind).options_from_url(url), "type": kind}


def load_type(kind: str) -> type[Sink]:
    """Return the class of a sink type. Raises ConfigError for an unknown one, or one that lacks a package."""
    if kind not in TYPES:
        close = difflib.get_close_matches(kind, TYPES, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(TYPES))}"
        raise ConfigError(f"unknown type {kind!r}; {hint}")
    module, _, name = TYPES[kind].partition(":")
    try:
        loaded: type[Sink] = getattr(importlib.import_module(module), name)
    except ImportError as fault:
        raise ConfigError(f"type {kind!r} can't be used here: {fault}") from fault
    return loaded


def secret_names() -> frozenset[str]:
    """Return the names of every option that some sink type calls secret, for `config.show`."""
    return frozenset(setting.name for kind in TYPES for setting in load_type(kind).settings if setting.is_secret)


def sections() -> list[SinkSection]:
    """Return what the reference page says of each type, sorted by type."""
    out = []
    for kind in sorted(TYPES):
        cls = load_type(kind)
        summary = (cls.__doc__ or "").strip().partition("\n")[0]
        schemes = [scheme for scheme, its_type in SCHEMES.items() if its_type == kind]
        out.append(SinkSection(kind, summary, cls.idempotency, cls.settings, schemes))
    return out


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
    faults = _read_secrets(raw, cls.settings, where)
    values, more = parse_table((*SINK_SETTINGS, *cls.settings), raw, where)
    if faults or more:
        raise ConfigError(faults + more)
    try:
        sink = cls.from_options({name: values[name] for name in values if name not in _COMMON}, context)
    except ConfigError as fault:
        raise ConfigError([f"{where}: {each}" for each in fault.faults]) from fault
    return BuiltSink(sink, sink.identity, values["level"], values["kinds"], values["from"])


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
            faults.append(f"{where}: {key} can't be read: {fault.strerror} ({path})")
        except UnicodeDecodeError:
            faults.append(f"{where}: {key} is not UTF-8 text ({path})")
        except (TypeError, ValueError):
            faults.append(f"{where}: {key} must be a path")
    return faults
