"""Messages go in; one datagram each leaves, by UDP or to a Unix socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any

from tocsin.sinks.address import Address
from tocsin.sinks.network import STEPS, Deadline
from tocsin.sinks.resolving import addresses_of

__all__ = ["Datagrams"]


class Datagrams:
    """Send messages to one destination, each by itself.

    ``taken`` counts those of the present batch that were sent, as far as can be told. UDP has no acknowledgement;
    where a host says that nothing listens (ICMP), the batch is called failed as a whole.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._sock: socket.socket | None = None
        self.taken = 0
        self.step = "connecting"

    def send(self, messages: Sequence[bytes]) -> str:
        """Send all, in order, and return how. Raises OSError."""
        # Anew for each batch: a name may lead elsewhere by now, a local server may have made its socket anew.
        deadline = Deadline(self._address.timeout_s, STEPS * self._address.timeout_s)
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
        if self._address.transport == "unix":
            return f"datagrams, taken by {self._address.where}"
        return "UDP, which doesn't tell whether anything arrives"

    def close(self) -> None:
        """Close the socket; nothing is under way in it."""
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def _addresses(self) -> list[tuple[int, Any]]:
        to = self._address
        self.taken = 0
        self.step = "connecting"
        if to.transport == "unix":
            return [(socket.AF_UNIX, to.path)]
        found = addresses_of(to.host, to.port, socket.SOCK_DGRAM, to.timeout_s)
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
