"""Settings or ``--sink`` URLs go in; built sinks leave, or a ConfigError with all their faults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from tocsin.config.load import absolute_paths
from tocsin.config.settings import Settings
from tocsin.config.sink_table import SinkTable
from tocsin.event.errors import ConfigError
from tocsin.event.masking.scrub import Scrubber
from tocsin.sinks.base import SinkContext
from tocsin.sinks.registry import BuiltSink, build, from_url

__all__ = ["build_sinks", "stand_in_tables"]


def build_sinks(settings: Settings) -> tuple[BuiltSink, ...]:
    """Return the sinks of the settings, in order; opens nothing. Raises ConfigError."""
    mask = Scrubber(settings.mask_keys, settings.masking_rules, is_on=settings.masking).text
    built, faults = build(settings.sinks, SinkContext(settings.application, settings.environment, settings.host, mask))
    if faults:
        raise ConfigError(faults)
    return built


def stand_in_tables(urls: Sequence[str], option: str = "--sink") -> tuple[SinkTable, ...]:
    """Return the tables of URLs given by ``option``. They start at the oldest event, unless the URL says ``from=now``.

    Raises ConfigError, without quoting a URL: it may hold a password.
    """
    tables, faults = [], []
    for index, url in enumerate(urls):
        where = f"{option} {index + 1}"
        try:
            options = {"from": "oldest", **absolute_paths(from_url(url), str(Path.cwd()))}
        except ConfigError as fault:
            faults += [f"{where}: {each}" for each in fault.faults]
            continue
        tables.append(SinkTable(MappingProxyType(options), where=where))
    if faults:
        raise ConfigError(faults)
    return tuple(tables)
