"""One connection over TCP, TLS or a Unix stream: an address goes in; bytes go out and come in, within a deadline."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Final

from tocsin.sinks.address import Address
from tocsin.sinks.network import Deadline, is_patched_by_gevent, tls_context
from tocsin.sinks.resolving import connected

if TYPE_CHECKING:
    import ssl

__all__ = ["Connection"]

_IDLE_S: Final = 60.0  # firewalls forget connections that are silent for long, and say nothing
_VERDICT_S: Final = 0.5  # how long a server may take to turn a certificate of ours away
_RECEIVED_BYTES: Final = 4_096
_READS: Final = 16
_POLL_S: Final = (0.0005, 0.02)


class Connection:
    """Hold one connection to an address: opened, looked at before it is used again, closed. Not thread-safe.

    ``step`` says what is being done, for words about a failure. A forked child's copy is not used: it would mix two
    processes' bytes.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.step = "connecting"
        self.sock: socket.socket | None = None
        self._would_block: tuple[type[OSError], ...] = (BlockingIOError,)
        self._used_at = 0.0
        self._owner = 0

    @property
    def is_own(self) -> bool:
        """Tell whether there is a connection, made by this process."""
        return self.sock is not None and self._owner == os.getpid()

    @property
    def is_rested(self) -> bool:
        """Tell whether it was silent for so long that something between may have forgotten it."""
        return time.monotonic() - self._used_at >= _IDLE_S

    @property
    def kind(self) -> str:
        """Return ``TLSv1.3``, ``TCP`` or ``stream``."""
        version = getattr(self.sock, "version", None)
        return version() if version is not None else "TCP" if self.address.host else "stream"

    def open(self, deadline: Deadline) -> None:
        """Connect anew. Raises OSError, or DeliveryError for a file that can't be used."""
        self.close()
        self.step = "connecting"
        deadline.begin()
        self.sock = self._opened(deadline)
        self._owner = os.getpid()
        self._used_at = time.monotonic()

    def require_open(self) -> None:
        """Raise ConnectionAbortedError where the other side has closed in good order, another OSError else.

        What it has said without being asked is dropped.
        """
        self._require_open(self._present())

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Hand all of it to this machine's kernel."""
        sock = self._present()
        deadline.begin()
        rest = memoryview(data)
        while rest:
            sock.settimeout(deadline.remaining_s())
            rest = rest[sock.send(rest) :]

    def await_taken(self, deadline: Deadline) -> None:
        """Wait until the other side's kernel has acknowledged every byte, where this system tells."""
        sock = self._present()
        pause_s, longest_s = _POLL_S
        while _untaken_bytes(sock):
            deadline.remaining_s()
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)

    def receive(self, deadline: Deadline) -> bytes:
        """Return what the other side says next; waits for it. Raises ConnectionAbortedError at its end."""
        sock = self._present()
        sock.settimeout(deadline.remaining_s())
        received = sock.recv(_RECEIVED_BYTES)
        if not received:
            raise ConnectionAbortedError(errno.ECONNABORTED, "closed by the other side")
        return received

    def rest(self) -> None:
        """Say that a batch is through. Under gevent it is closed: the next one may come from another thread."""
        self._used_at = time.monotonic()
        if is_patched_by_gevent():
            self.close()

    def close(self) -> None:
        """Close it; what is under way in it still goes out."""
        sock, self.sock = self.sock, None
        if sock is None:
            return
        if self._owner == os.getpid():  # else it is a fork's copy, and the original goes on
            _say_goodbye(sock)
        sock.close()

    # -- opening -------------------------------------------------------------------------------------------

    def _present(self) -> socket.socket:
        if self.sock is None:
            raise ConnectionAbortedError(errno.ECONNABORTED, "not connected")
        return self.sock

    def _opened(self, deadline: Deadline) -> socket.socket:
        address = self.address
        if address.transport == "unix":
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(deadline.remaining_s())
                sock.connect(address.path)
            except OSError:
                sock.close()
                raise
            return sock
        # The files are read for each connection: certificates are renewed while we run.
        files = (address.ca_file, address.cert_file, address.key_file)
        context = tls_context(*files) if address.transport == "tls" else None
        sock = connected(address.host, address.port, deadline)
        return sock if context is None else self._secured(sock, context, deadline)

    def _secured(self, sock: socket.socket, context: ssl.SSLContext, deadline: Deadline) -> socket.socket:
        import ssl

        self.step = "agreeing on TLS"
        self._would_block = (BlockingIOError, ssl.SSLWantReadError)
        try:
            deadline.begin()
            sock.settimeout(deadline.remaining_s())
            secured = context.wrap_socket(sock, server_hostname=self.address.host)
        except OSError:
            sock.close()
            raise
        try:
            if secured.version() == "TLSv1.3":
                self._await_verdict(secured)
        except OSError:
            secured.close()
            raise
        return secured

    def _await_verdict(self, sock: ssl.SSLSocket) -> None:
        """Wait a moment for what follows the handshake. Raises OSError.

        In TLS 1.3 a server looks at the client's certificate when the client is through: what is sent at once would
        go to a server that is about to turn it away. One that accepts sends a session ticket, as a rule.
        """
        end = time.monotonic() + _VERDICT_S
        while True:
            self._require_open(sock)
            if (sock.session is not None and sock.session.has_ticket) or time.monotonic() > end:
                return
            time.sleep(_POLL_S[0])

    def _require_open(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        try:
            for _ in range(_READS):
                if not sock.recv(_RECEIVED_BYTES):
                    raise ConnectionAbortedError(errno.ECONNABORTED, "closed by the other side")
        except self._would_block:
            pass


def _untaken_bytes(sock: socket.socket) -> int:
    """Return how many bytes the other side's kernel hasn't acknowledged; 0 where this system doesn't tell."""
    try:
        import fcntl
        import termios
    except ImportError:
        return 0
    try:
        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))  # SIOCOUTQ of tcp(7), unix(7)
    except OSError:
        return 0
    return int.from_bytes(answer, sys.byteorder)


def _say_goodbye(sock: socket.socket) -> None:
    """Tell the other side that nothing more comes (RFC 5425 §4.4), without waiting for its answer."""
    unwrap = getattr(sock, "unwrap", None)
    try:
        sock.settimeout(0)
        if unwrap is not None:
            unwrap()
        sock.shutdown(socket.SHUT_WR)
    except (OSError, ValueError):
        pass  # it is closed already, or takes its time
