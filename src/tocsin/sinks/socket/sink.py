"""Entries go in; their lines leave by TCP, TLS, UDP or a Unix socket. An Outcome tells how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from tocsin.config.setting import Setting
from tocsin.event.errors import DeliveryError
from tocsin.sinks.base import Accepted, Entry, Failed, Outcome, SinkContext
from tocsin.sinks.datagrams import Datagrams
from tocsin.sinks.network import explain
from tocsin.sinks.socket import options as socket_options
from tocsin.sinks.socket.acknowledged import Acknowledged
from tocsin.sinks.socket.protocol import VERSION, Hello
from tocsin.sinks.socket.shortened import shortened
from tocsin.sinks.stream import Stream
from tocsin.sinks.taken import Taken

__all__ = ["SocketSink"]


class _Line(Protocol):
    """The part that datagrams, plain streams and acknowledged ones share."""

    taken: int

    @property
    def step(self) -> str: ...
    def send(self, lines: Sequence[bytes]) -> str: ...
    def close(self) -> None: ...


class SocketSink:
    """Send every event and count as one JSON line to another host, by TCP, TLS, UDP or a Unix socket.

    `tocsin receive` is the other end; whatever reads lines can be.
    """

    type: ClassVar[str] = "socket"
    settings: ClassVar[tuple[Setting, ...]] = socket_options.SETTINGS
    idempotency: ClassVar[str] = (
        "never with `tocsin receive`, which knows each line by its `origin` and drops what comes twice; possible after "
        "a crash or a broken connection with a receiver that does not."
    )
    # A Unix socket is waited for as well, when its reader hangs.
    is_local: ClassVar[bool] = False
    keeps_fingerprints: ClassVar[bool] = True

    def __init__(self, way: socket_options.Way, context: SinkContext) -> None:
        self._way = way
        self._line: _Line = _line_of(way, context)
        self._taken = Taken()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> SocketSink:
        """Build it from validated options; opens nothing. Raises ConfigError."""
        return cls(socket_options.way_of(options), context)

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``socket://`` (TCP), ``socket+tls://``, ``socket+udp://`` or ``socket+unix:///path`` into options."""
        return socket_options.from_url(url)

    @property
    def identity(self) -> str:
        """Return ``socket:tls:errors.example.org:9797`` or ``socket:unix:/run/errors.sock``."""
        return f"socket:{self._way.address.transport}:{self._way.address.where}"

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Send the entries in order. After a failure, what is known to have been taken isn't sent again."""
        waiting = self._taken.waiting(entries)
        try:
            detail = self._line.send([self._fitted(entry) for entry in waiting])
        except Failed as fault:
            self._keep_taken(waiting)
            return fault.outcome
        except (OSError, DeliveryError) as fault:
            step = self._line.step
            self._keep_taken(waiting)
            return explain(fault, self._way.address.where, step)
        self._taken.forget(entries)
        return Accepted(detail)

    def close(self) -> None:
        """Close the connection."""
        self._line.close()

    def _keep_taken(self, waiting: Sequence[Entry]) -> None:
        self._taken.add(waiting[: self._line.taken])
        self._line.close()

    def _fitted(self, entry: Entry) -> bytes:
        line = shortened(entry, self._way.max_bytes)
        return line if self._way.is_acknowledged or self._way.address.transport == "udp" else line + b"\n"


def _line_of(way: socket_options.Way, context: SinkContext) -> _Line:
    if way.address.transport == "udp":
        return Datagrams(way.address)
    if not way.is_acknowledged:
        return Stream(way.address)
    hello = Hello(VERSION, context.application, context.environment, context.host, way.token)
    return Acknowledged(way.address, hello)
