"""Messages go in; one datagram each leaves, by UDP (RFC 5426) or to a Unix socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any, Final

from tocsin.sinks.network import Deadline
from tocsin.sinks.syslog.options import Destination

__all__ = ["Datagrams"]

_STEPS: Final = 6  # a whole delivery may take so many times the timeout of a step


class Datagrams:
    """Send messages to one destination, each by itself.

    ``taken`` counts those of the present batch that were sent, as far as can be told. UDP has no acknowledgement;
    where a host says that nothing listens (ICMP), the batch is called failed as a whole.
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._sock: socket.socket | None = None
        self.taken = 0
        self.step = "connecting"

    def send(self, messages: Sequence[bytes]) -> str:
        """Send all, in order, and return how. Raises OSError."""
        # Anew for each batch: a name may lead elsewhere by now, a local server may have made its socket anew.
        deadline = Deadline(self._destination.timeout_s, _STEPS * self._destination.timeout_s)
        addresses = self._addresses()
        for number, (family, address) in enumerate(addresses, 1):
            try:
                self._send(messages, family, address, deadline)
                break
            except ConnectionRefusedError:
                self.taken = 0  # said of an earlier datagram, and there's no telling which
                if number == len(addresses):
                    raise
            finally:
                self.close()
        if self._destination.transport == "unix":
            return f"datagrams, taken by {self._destination.where}"
        return "UDP, which doesn't tell whether anything arrives"

    def close(self) -> None:
        """Close the socket; nothing is under way in it."""
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def _addresses(self) -> list[tuple[int, Any]]:
        destination = self._destination
        self.taken = 0
        self.step = "connecting"
        if destination.transport == "unix":
            return [(socket.AF_UNIX, destination.path)]
        found = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_DGRAM)
        return [(family, address) for family, _, _, _, address in found]

    def _send(self, messages: Sequence[bytes], family: int, address: Any, deadline: Deadline) -> None:
        self._sock = sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.connect(address)
        self.step = "sending"
        for message in messages:
            deadline.begin()
            sock.settimeout(deadline.remaining_s())
            sock.send(message)
            self.taken += 1
        pending = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if pending:
            raise OSError(pending, os.strerror(pending))
