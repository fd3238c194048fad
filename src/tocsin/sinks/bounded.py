"""A deadline goes in; urllib3's connections leave, whose every wait ends with it.

urllib3's own timeouts begin anew with every byte that drips in.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from typing import Any

from tocsin.sinks.network import Deadline
from tocsin.sinks.resolving import connected

__all__ = ["BoundedSocket", "bounded_pools"]


class BoundedSocket:
    """Be a connected socket whose every wait ends with the deadline of the present exchange."""

    def __init__(self, sock: Any, deadline: Callable[[], Deadline]) -> None:
        self._sock = sock
        self._deadline = deadline
        self._reading: _BoundedReading | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, _timeout_s: float | None) -> None:
        """Begin a step: urllib3 sets a timeout before it waits for the answer."""
        self._deadline().begin()

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(self._deadline().remaining_s())
        self._sock.sendall(data)

    def makefile(self, *_args: Any, **_keywords: Any) -> io.BufferedReader:
        self._reading = _BoundedReading(self._sock, self._deadline)
        return io.BufferedReader(self._reading)

    def close(self) -> None:
        """Close it, or have its reader do so at its end: http.client closes before a body without a length is read."""
        if self._reading is None or self._reading.closed:
            self._sock.close()
        else:
            self._reading.closes_socket = True


class _BoundedReading(io.RawIOBase):
    """Read a socket until the deadline."""

    def __init__(self, sock: Any, deadline: Callable[[], Deadline]) -> None:
        self._sock = sock
        self._deadline = deadline
        self.closes_socket = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline().remaining_s())
        read: int = self._sock.recv_into(buffer)
        return read

    def close(self) -> None:
        super().close()
        if self.closes_socket:
            self._sock.close()


def bounded_pools(deadline: Callable[[], Deadline]) -> dict[str, Any]:
    """Return urllib3's pools by scheme, with connections that obey ``deadline()``."""
    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection

    def opened(connection: HTTPConnection) -> socket.socket:
        # urllib3 keeps a dot at the end of a name, which is of meaning to the resolver alone, in a place of its own.
        host = getattr(connection, "_dns_host", connection.host)
        sock = connected(host, connection.port or 0, deadline())
        for option in connection.socket_options or ():
            sock.setsockopt(*option)
        return sock

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return opened(self)

        def connect(self) -> None:
            super().connect()
            self.sock = BoundedSocket(self.sock, deadline)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return opened(self)

        def connect(self) -> None:
            super().connect()
            self.sock = BoundedSocket(self.sock, deadline)

        def _tunnel(self) -> None:
            # A proxy's own answer is read before there is TLS, which only wraps a real socket.
            bare = self.sock
            self.sock = BoundedSocket(bare, deadline)
            self.sock.settimeout(None)
            super()._tunnel()
            self.sock = bare

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
