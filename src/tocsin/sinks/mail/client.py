"""A connected socket goes in; SMTP commands and replies leave, each by a deadline (smtplib has only idle timeouts)."""

from __future__ import annotations

import smtplib
import socket
import time
from typing import Final

from tocsin.sinks.network import STEPS

__all__ = ["Client"]

_RECEIVED_BYTES: Final = 4_096


class _Reader:
    """Read reply lines until a deadline. A socket's own timeout starts anew with every byte that drips in."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._buffer = b""

    def readline(self, limit: int) -> bytes:
        while b"\n" not in self._buffer and len(self._buffer) < limit:
            remaining_s = self._deadline - time.monotonic()
            if remaining_s <= 0:
                raise TimeoutError
            self._sock.settimeout(remaining_s)
            received = self._sock.recv(_RECEIVED_BYTES)
            if not received:
                break
            self._buffer += received
        end = self._buffer.find(b"\n") + 1 or len(self._buffer)
        end = min(end, limit)
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        return line

    def close(self) -> None:
        """Do nothing: the socket is closed by its owner."""


class Client(smtplib.SMTP):
    """Be smtplib's protocol with a deadline for each reply and for the whole conversation.

    ``step_s`` bounds the next step. Whoever uses it sets ``sock`` to a connected socket.
    """

    def __init__(self, step_s: float) -> None:
        # Given a name, smtplib doesn't look up this host's, which may take long; given no host, it doesn't connect.
        super().__init__(local_hostname="localhost", timeout=step_s)
        self.step_s = step_s
        self.end = time.monotonic() + step_s * STEPS

    def remaining_s(self) -> float:
        """Return how long the present step may still take; above 0, as a socket reads 0 as "do not wait"."""
        return max(min(self.step_s, self.end - time.monotonic()), 0.001)

    def send(self, s: object) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.remaining_s())
        super().send(s)  # type: ignore[arg-type]

    def getreply(self) -> tuple[int, bytes]:
        # A reader for each reply: what a server sent ahead of its turn is dropped, and none of it survives
        # from before TLS into it.
        if self.sock is not None:
            self.file = _Reader(self.sock, time.monotonic() + self.remaining_s())
        return super().getreply()
