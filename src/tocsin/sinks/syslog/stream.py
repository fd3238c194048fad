"""Messages go in; they leave framed over TCP (RFC 6587), TLS (RFC 5425) or a Unix stream, and are waited for.

Syslog has no acknowledgement. What can be known is whether the other side's kernel has taken the bytes, and whether
it has closed the connection. Both are looked at, so that a server that is gone is noticed by the batch that finds it
gone, not by the one after it.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from tocsin.sinks.network import Deadline, is_patched_by_gevent, tls_context
from tocsin.sinks.syslog.options import Destination

if TYPE_CHECKING:
    import ssl

__all__ = ["STEPS", "Stream", "framed"]

STEPS: Final = 6  # a whole delivery may take so many times the timeout of a step
_CHUNK_BYTES: Final = 65_536  # sent before the other side's kernel is asked what it has taken
_IDLE_S: Final = 60.0  # firewalls forget connections that are silent for long, and say nothing
_VERDICT_S: Final = 0.5  # how long a server may take to turn a certificate of ours away
_RECEIVED_BYTES: Final = 4_096
_READS: Final = 16
_POLL_S: Final = (0.0005, 0.02)


def framed(message: bytes, framing: str) -> bytes:
    """Return a message as it goes out: after its length (RFC 6587 §3.4.1), or as a line (§3.4.2)."""
    return message + b"\n" if framing == "lf" else b"%d %s" % (len(message), message)


class Stream:
    """Hold a connection from batch to batch.

    ``taken`` counts the messages of the present batch that need not be sent again. Not thread-safe.
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._sock: socket.socket | None = None
        self._would_block: tuple[type[OSError], ...] = (BlockingIOError,)
        self._used_at = 0.0
        self._owner = 0
        self._last: tuple[bytes, ...] = ()  # the end of what was sent over this connection
        self._doubtful: tuple[bytes, ...] = ()  # the same of one that was reset: perhaps nobody has read it
        self.taken = 0
        self.step = "connecting"

    def send(self, messages: Sequence[bytes]) -> str:
        """Send all, in order, and return how. Raises OSError, or DeliveryError for a file that can't be used."""
        self.taken = 0
        destination = self._destination
        deadline = Deadline(destination.timeout_s, STEPS * destination.timeout_s)
        sock = self._connected(deadline)
        before = self._last
        self.step = "sending"
        try:
            for chunk in _chunks(self._doubtful):
                self._send(sock, chunk, deadline)
            self._doubtful = ()
            for chunk in _chunks([framed(message, destination.framing) for message in messages]):
                self._send(sock, chunk, deadline)
                self.taken += len(chunk)
                self._last = tuple(chunk)
            self._require_open(sock)
        except TimeoutError:
            raise  # what a slow server has taken it keeps, so that each try gets further
        except OSError:
            # What a server that went away has read, nobody knows.
            self.taken = 0
            self._doubtful = self._doubtful or before
            raise
        self._used_at = time.monotonic()
        return self._kept(sock)

    def close(self) -> None:
        """Close the connection; what is under way in it still goes out."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        if self._owner == os.getpid():  # else it is a fork's copy, and the original goes on
            _say_goodbye(sock)
        sock.close()

    # -- the connection --------------------------------------------------------------------------------------

    def _connected(self, deadline: Deadline) -> socket.socket:
        """Return a connection that was open a moment ago."""
        if self._sock is not None and self._owner == os.getpid():
            try:
                self._require_open(self._sock)
            except ConnectionAbortedError:
                pass  # it had read everything when it closed
            except OSError:
                self._doubtful = self._last  # something was unread, as when a server is killed
            else:
                if time.monotonic() - self._used_at < _IDLE_S:
                    return self._sock
        self.close()
        self._last = ()
        self._sock = self._opened(deadline)
        self._owner = os.getpid()
        return self._sock

    def _opened(self, deadline: Deadline) -> socket.socket:
        destination = self._destination
        self.step = "connecting"
        if destination.transport == "unix":
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(deadline.remaining_s())
                sock.connect(destination.path)
            except OSError:
                sock.close()
                raise
            return sock
        # The files are read for each connection: certificates are renewed while we run.
        files = (destination.ca_file, destination.cert_file, destination.key_file)
        context = tls_context(*files) if destination.transport == "tls" else None
        sock = socket.create_connection((destination.host, destination.port), deadline.remaining_s())
        return sock if context is None else self._secured(sock, context, deadline)

    def _secured(self, sock: socket.socket, context: ssl.SSLContext, deadline: Deadline) -> socket.socket:
        import ssl

        self.step = "agreeing on TLS"
        self._would_block = (BlockingIOError, ssl.SSLWantReadError)
        try:
            deadline.begin()
            sock.settimeout(deadline.remaining_s())
            secured = context.wrap_socket(sock, server_hostname=self._destination.host)
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
        """Raise ConnectionAbortedError where the other side has closed in good order, another OSError else."""
        sock.settimeout(0)
        try:
            for _ in range(_READS):  # a server has nothing to say here; what it says all the same is dropped
                if not sock.recv(_RECEIVED_BYTES):
                    raise ConnectionAbortedError(errno.ECONNABORTED, "closed by the other side")
        except self._would_block:
            pass

    def _send(self, sock: socket.socket, chunk: Sequence[bytes], deadline: Deadline) -> None:
        deadline.begin()
        rest = memoryview(b"".join(chunk))
        while rest:
            sock.settimeout(deadline.remaining_s())
            rest = rest[sock.send(rest) :]
        pause_s, longest_s = _POLL_S
        while _untaken_bytes(sock):
            deadline.remaining_s()
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)

    def _kept(self, sock: socket.socket) -> str:
        version = getattr(sock, "version", None)
        kind = version() if version is not None else "TCP" if self._destination.host else "stream"
        if is_patched_by_gevent():
            self.close()
        return f"{kind}, taken by {self._destination.where}"


def _chunks(frames: Sequence[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    size = 0
    for frame in frames:
        if chunk and size + len(frame) > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(frame)
        size += len(frame)
    if chunk:
        yield chunk


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
