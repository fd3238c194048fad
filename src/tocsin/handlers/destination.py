"""What a drop-in handler was constructed with goes in; a sink's type and options leave, checked, and a spool's name."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.config.setting import parse_table
from tocsin.config.sink_table import SINK_SETTINGS
from tocsin.event.errors import ConfigError
from tocsin.sinks.base import Sink, SinkContext
from tocsin.sinks.registry import BuiltSink, load_type

__all__ = ["Destination"]

_DIGEST_BYTES: Final = 4
_DEFAULTS: Final = {setting.name: setting.default for setting in SINK_SETTINGS}


@dataclass(frozen=True, slots=True)
class Destination:
    """Say where a handler's records go.

    ``sink`` is a type of the registry, or ``module:Class`` for a sink that only handlers use. ``key`` is what tells
    the destination from others of its kind: it names the spool, so nothing is in it that people mend (a server, a
    password, a timeout), or what waits would stay behind. ``name`` begins the faults. ``asides`` are options by which
    handlers of one destination may differ, since each record brings its own (a facility).
    """

    name: str
    sink: str
    options: Mapping[str, Any] = field(repr=False)
    key: tuple[str, ...]
    asides: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def folder_name(self) -> str:
        """Return ``SMTPHandler-1a2b3c4d``."""
        digest = hashlib.blake2b(json.dumps(self.key).encode(), digest_size=_DIGEST_BYTES)
        return f"{self.name}-{digest.hexdigest()}"

    def check(self) -> None:
        """Raise ConfigError with everything that is wrong with the options. Opens nothing."""
        self.build(SinkContext("application", "production", "localhost"))

    def build(self, context: SinkContext) -> BuiltSink:
        """Return the sink. Its identity is the spool's own, so that what waits goes to a server named later."""
        cls = self._class()
        values, faults = parse_table(cls.settings, {**self.options, **self.asides}, self.name)
        if faults:
            raise ConfigError(faults)
        try:
            sink = cls.from_options(values, context)
        except ConfigError as fault:
            raise ConfigError([f"{self.name}: {each}" for each in fault.faults]) from fault
        identity = f"{cls.type}:{self.folder_name}"
        return BuiltSink(sink, identity, _DEFAULTS["level"], _DEFAULTS["kinds"], "oldest")

    def _class(self) -> type[Sink]:
        module, colon, name = self.sink.partition(":")
        if not colon:
            return load_type(self.sink)
        found: type[Sink] = getattr(importlib.import_module(module), name)
        return found
