"""The other reporters: a name goes in, a Peer leaves, configured as its own documentation says for production.

One file per peer. Each has NAME, PACKAGE (what is installed), MODULE (what is imported; IMPORTS if that is more),
CONFIGURATION and SINK (words for the table), DEFAULT_LOCALS (whether it reports local variables unless told otherwise;
None where it can't) and the functions

    start(sink, has_locals)      configure it; ``has_locals`` None leaves its default
    wrap_wsgi(app)               return the application in its middleware
    wrap_asgi(app)
    capture(exc)                 report an exception that is being handled; one seen before is reported by the same call
    drain()                      wait for what its threads still send, if it has any

of which a peer leaves out what it doesn't do.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from measure import Skipped
from sink import Sink

__all__ = ["NAMES", "Peer", "started"]

NAMES = (
    "stdlib",
    "loguru",
    "logbook",
    "structlog",
    "backlash",
    "honeybadger",
    "elastic_apm",
    "rollbar",
    "sentry",
    "opentelemetry",
)


class Peer:
    """Be one peer, by the module that describes it. Loads none of the peer's own code."""

    def __init__(self, file: str) -> None:
        self._module: ModuleType = import_module(f"peers.{file}")
        self.name: str = self._module.NAME
        self.package: str = self._module.PACKAGE
        self.module: str = self._module.MODULE
        self.imports: str = getattr(self._module, "IMPORTS", self.module)
        self.configuration: str = self._module.CONFIGURATION
        self.sink: str = self._module.SINK
        self.default_locals: bool | None = self._module.DEFAULT_LOCALS

    def does(self, what: str) -> bool:
        """Tell whether it has a function of the protocol."""
        return hasattr(self._module, what)

    @property
    def is_installed(self) -> bool:
        """Tell whether it can be measured here."""
        try:
            return find_spec(self.module) is not None
        except ModuleNotFoundError:  # its parent package isn't there either
            return False

    @property
    def version(self) -> str:
        """Return the version that is measured."""
        return metadata.version(self.package) if self.package else "of Python"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(self._module, name)
        return function

    def finish(self) -> None:
        """Wait for its threads, where it has any."""
        if self.does("drain"):
            self._module.drain()


def started(file: str, sink: Sink, *, has_locals: bool | None = None) -> Peer:
    """Return a peer, configured. Raises Skipped where its package isn't installed."""
    peer = Peer(file)
    if not peer.is_installed:
        raise Skipped(f"{peer.package} isn't installed: make bench installs it in .venv-bench")
    peer.start(sink, has_locals)
    return peer
