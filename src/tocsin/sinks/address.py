"""Where a sink that speaks by sockets connects to: validated parts go in; a value for connections leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tocsin.sinks.url import bracketed

__all__ = ["Address", "Transport"]

Transport: TypeAlias = Literal["tcp", "tls", "udp", "unix"]


@dataclass(frozen=True, slots=True)
class Address:
    """Say where to connect. ``path`` is set for unix, ``host`` and ``port`` for the others; "" is "none"."""

    transport: Transport
    host: str = ""
    port: int = 0
    path: str = ""
    timeout_s: float = 10.0
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def where(self) -> str:
        """Return ``log.example.org:514`` or the path."""
        return self.path or f"{bracketed(self.host)}:{self.port}"
