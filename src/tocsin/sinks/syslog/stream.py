"""Messages go in; they leave framed over TCP (RFC 6587), TLS (RFC 5425) or a Unix stream."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.sinks import stream
from tocsin.sinks.syslog.options import Destination

__all__ = ["Stream", "framed"]


def framed(message: bytes, framing: str) -> bytes:
    """Return a message as it goes out: after its length (RFC 6587 §3.4.1), or as a line (§3.4.2)."""
    return message + b"\n" if framing == "lf" else b"%d %s" % (len(message), message)


class Stream(stream.Stream):
    """Send messages as frames; syslog has no acknowledgement."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._framing = destination.framing

    def send(self, messages: Sequence[bytes]) -> str:
        """Send all, in order, and return how. Raises OSError, or DeliveryError for a file that can't be used."""
        return super().send([framed(message, self._framing) for message in messages])
