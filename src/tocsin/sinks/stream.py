"""Frames go in; they leave over TCP, TLS or a Unix stream to a server that acknowledges nothing, and are waited for.

What can be known without an acknowledgement is whether the other side's kernel has taken the bytes, and whether it has
closed the connection. Both are looked at, so that a server that is gone is noticed by the batch that finds it gone,
not by the one after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tocsin.sinks.address import Address
from tocsin.sinks.connection import Connection
from tocsin.sinks.network import STEPS, Deadline

__all__ = ["Stream", "chunks"]

_CHUNK_BYTES: Final = 65_536  # sent before the other side's kernel is asked what it has taken


class Stream:
    """Hold a connection from batch to batch.

    ``taken`` counts the frames of the present batch that need not be sent again. Not thread-safe.
    """

    def __init__(self, address: Address) -> None:
        self.connection = Connection(address)
        self._last: tuple[bytes, ...] = ()  # the end of what was sent over this connection
        self._doubtful: tuple[bytes, ...] = ()  # the same of one that was reset: perhaps nobody has read it
        self.taken = 0

    @property
    def step(self) -> str:
        """Return what is being done."""
        return self.connection.step

    def send(self, frames: Sequence[bytes]) -> str:
        """Send all, in order, and return how. Raises OSError, or DeliveryError for a file that can't be used."""
        self.taken = 0
        connection = self.connection
        deadline = Deadline(connection.address.timeout_s, STEPS * connection.address.timeout_s)
        self._connect(deadline)
        before = self._last
        connection.step = "sending"
        try:
            for chunk in chunks(self._doubtful, _CHUNK_BYTES):
                self._send(chunk, deadline)
            self._doubtful = ()
            for chunk in chunks(frames, _CHUNK_BYTES):
                self._send(chunk, deadline)
                self.taken += len(chunk)
                self._last = tuple(chunk)
            connection.require_open()
        except TimeoutError:
            raise  # what a slow server has taken it keeps, so that each try gets further
        except OSError:
            # What a server that went away has read, nobody knows.
            self.taken = 0
            self._doubtful = self._doubtful or before
            raise
        detail = f"{connection.kind}, taken by {connection.address.where}"
        connection.rest()
        return detail

    def close(self) -> None:
        """Close the connection; what is under way in it still goes out."""
        self.connection.close()

    def _connect(self, deadline: Deadline) -> None:
        """Have a connection that was open a moment ago."""
        if self.connection.is_own:
            try:
                self.connection.require_open()
            except ConnectionAbortedError:
                pass  # it had read everything when it closed
            except OSError:
                self._doubtful = self._last  # something was unread, as when a server is killed
            else:
                if not self.connection.is_rested:
                    return
        self._last = ()
        self.connection.open(deadline)

    def _send(self, chunk: Sequence[bytes], deadline: Deadline) -> None:
        self.connection.send(b"".join(chunk), deadline)
        self.connection.await_taken(deadline)


def chunks(frames: Sequence[bytes], size_bytes: int) -> Iterator[list[bytes]]:
    """Give the frames in lists of about so many bytes, in order; one frame is never split."""
    chunk: list[bytes] = []
    size = 0
    for frame in frames:
        if chunk and size + len(frame) > size_bytes:
            yield chunk
            chunk, size = [], 0
        chunk.append(frame)
        size += len(frame)
    if chunk:
        yield chunk
