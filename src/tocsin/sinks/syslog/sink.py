"""Entries go in; each leaves as one syslog message. An Outcome tells how it went, in words an operator can act on."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from tocsin.config.setting import Setting
from tocsin.event.errors import DeliveryError
from tocsin.sinks.base import Accepted, Entry, Origin, Outcome, SinkContext
from tocsin.sinks.datagrams import Datagrams
from tocsin.sinks.network import explain
from tocsin.sinks.syslog import options as syslog_options
from tocsin.sinks.syslog.message import Style, message
from tocsin.sinks.syslog.stream import Stream

__all__ = ["SyslogSink"]


class _Line(Protocol):
    """The part that datagrams and streams share."""

    taken: int

    @property
    def step(self) -> str: ...
    def send(self, messages: Sequence[bytes]) -> str: ...
    def close(self) -> None: ...


class SyslogSink:
    """Send every event and count as one RFC 5424 message, by UDP, TCP, TLS or a Unix socket.

    A stream's connection is kept between batches and looked at before and after each, since syslog has no
    acknowledgement.
    """

    type: ClassVar[str] = "syslog"
    settings: ClassVar[tuple[Setting, ...]] = syslog_options.SETTINGS
    idempotency: ClassVar[str] = (
        "possible after a crash or a broken connection; each message has its `origin`, which no other has."
    )
    # A Unix socket is waited for as well, when its reader hangs.
    is_local: ClassVar[bool] = False

    def __init__(self, destination: syslog_options.Destination, style: Style, context: SinkContext) -> None:
        self._destination = destination
        self._style = style
        self._context = context
        is_datagram = destination.transport in ("udp", "unix")
        self._line: _Line = Datagrams(destination) if is_datagram else Stream(destination)
        self._taken: frozenset[Origin] = frozenset()  # of a batch that failed in the middle

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> SyslogSink:
        """Build it from validated options; opens nothing. Raises ConfigError."""
        return cls(syslog_options.destination_of(options), syslog_options.style_of(options), context)

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``syslog://`` (TCP), ``syslog+udp://``, ``syslog+tls://`` or ``syslog:///dev/log`` into options."""
        return syslog_options.from_url(url)

    @property
    def identity(self) -> str:
        """Return ``syslog:tls:log.example.org:6514`` or ``syslog:unix:/dev/log``."""
        return f"syslog:{self._destination.transport}:{self._destination.where}"

    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Send the entries in order. After a failure, what is known to have been taken isn't sent again."""
        waiting = [entry for entry in entries if entry.origin not in self._taken]
        messages = [message(entry, self._context, self._style) for entry in waiting]
        try:
            detail = self._sent(messages)
        except (OSError, DeliveryError) as fault:
            self._taken |= {entry.origin for entry in waiting[: self._line.taken]}
            self._line.close()
            return explain(fault, self._destination.where, self._line.step)
        self._taken = frozenset()
        return Accepted(detail)

    def close(self) -> None:
        """Close the connection."""
        self._line.close()

    def _sent(self, messages: Sequence[bytes]) -> str:
        try:
            return self._line.send(messages)
        except OSError as fault:
            if fault.errno != errno.EPROTOTYPE or self._destination.transport != "unix":
                raise
        # The socket at that path is of the other sort.
        self._line.close()
        self._line = Stream(self._destination) if isinstance(self._line, Datagrams) else Datagrams(self._destination)
        return self._line.send(messages)
