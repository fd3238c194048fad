"""Lines go in; they leave over a stream, and the receiver's own word that it has them is waited for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.event.errors import DecodeError
from tocsin.event.limits import SAID_CHARS
from tocsin.render import harmless
from tocsin.sinks.address import Address
from tocsin.sinks.base import Failed, Refused, Unavailable
from tocsin.sinks.connection import Connection
from tocsin.sinks.network import STEPS, Deadline
from tocsin.sinks.socket.protocol import VERSION, Fault, Hello, Taken, answer_of, hello_line
from tocsin.sinks.stream import chunks

__all__ = ["Acknowledged"]

_CHUNK_BYTES: Final = 65_536
_ANSWER_BYTES: Final = 4_096  # of one answer; a longer one is none of this protocol
_LAST_WORDS_S: Final = 1.0
_PLAIN: Final = "a receiver that only reads lines (netcat, Vector, Logstash) needs acknowledge = false"
_REMEDIES: Final = {
    "token": "set token to what the receiver was started with",
    "version": "bring both to versions of tocsin that speak one protocol",
    "schema": "the receiver is older than this sender: bring it up to date",
    "store": "see to the receiver's disk",
    "busy": "see why so many connections are open there",
    "idle": "see to the network between",
}


class Acknowledged:
    """Hold a conversation from batch to batch.

    ``taken`` counts the lines of the present batch that the receiver says it has. Not thread-safe.
    """

    def __init__(self, address: Address, hello: Hello) -> None:
        self._connection = Connection(address)
        self._hello = hello
        self._received = b""
        self._sent = 0  # lines over this connection before the present batch
        self.taken = 0

    @property
    def step(self) -> str:
        """Return what is being done."""
        return self._connection.step

    def send(self, lines: Sequence[bytes]) -> str:
        """Send all, in order; return when the receiver has them. Raises OSError, DeliveryError, Failed."""
        self.taken = 0
        connection = self._connection
        deadline = Deadline(connection.address.timeout_s, STEPS * connection.address.timeout_s)
        self._connect(deadline)
        try:
            for chunk in chunks([line + b"\n" for line in lines], _CHUNK_BYTES):
                connection.step = "sending"
                connection.send(b"".join(chunk), deadline)
        except ConnectionError:
            self._hear_last_words(len(lines))
            raise
        connection.step = "waiting for the acknowledgement"
        deadline.begin()
        while self.taken < len(lines):
            self._take_answer(len(lines), deadline)
        self._sent += len(lines)
        detail = f"{connection.kind}, acknowledged by {connection.address.where}"
        connection.rest()
        return detail

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _connect(self, deadline: Deadline) -> None:
        """Have a connection that was open a moment ago, and over which the receiver has said hello."""
        if self._connection.is_own and not self._connection.is_rested:
            try:
                self._connection.require_open()
            except OSError:
                pass  # nothing is lost with it: what was not acknowledged is sent again
            else:
                return
        self._connection.open(deadline)
        self._received = b""
        self._sent = 0
        self._greet(deadline)

    def _greet(self, deadline: Deadline) -> None:
        connection, where = self._connection, self._connection.address.where
        connection.step = "waiting for its hello"
        deadline.begin()
        try:
            connection.send(hello_line(self._hello), deadline)
            answer = self._answer(deadline)
        except TimeoutError:
            raise Failed(Unavailable(f"{where} took the connection and never answered the hello", _PLAIN)) from None
        except DecodeError:
            raise Failed(Unavailable(f"{where} answered something that is no hello of tocsin", _PLAIN)) from None
        if isinstance(answer, Fault):
            raise Failed(self._outcome(answer))
        if not isinstance(answer, Hello) or answer.version != VERSION:
            raise Failed(Unavailable(f"{where} speaks another version of the protocol", _REMEDIES["version"]))

    def _take_answer(self, expected: int, deadline: Deadline) -> None:
        where = self._connection.address.where
        try:
            answer = self._answer(deadline)
        except DecodeError:
            raise Failed(Unavailable(f"{where} answered something that is no acknowledgement", _PLAIN)) from None
        if isinstance(answer, Fault):
            raise Failed(self._outcome(answer))
        if isinstance(answer, Taken):
            taken = answer.number - self._sent
            if taken > expected:
                raise Failed(Unavailable(f"{where} acknowledged more than was sent", "see to the receiver"))
            if taken > self.taken:
                self.taken = taken
                deadline.begin()  # it gets on, so the next step has its whole time

    def _hear_last_words(self, expected: int) -> None:
        """Read what a receiver that hung up had said before: how far it came, and perhaps why. Raises Failed."""
        deadline = Deadline(_LAST_WORDS_S, _LAST_WORDS_S)
        try:
            while True:
                self._take_answer(expected, deadline)
        except OSError:
            pass  # that was all; how sending failed is told instead

    def _answer(self, deadline: Deadline) -> Hello | Taken | Fault:
        while b"\n" not in self._received:
            if len(self._received) > _ANSWER_BYTES:
                raise DecodeError("an answer that does not end")
            self._received += self._connection.receive(deadline)
        line, _, self._received = self._received.partition(b"\n")
        return answer_of(line)

    def _outcome(self, fault: Fault) -> Unavailable | Refused:
        reason = f"{self._connection.address.where} says: {harmless.line(fault.reason or fault.code, SAID_CHARS)}"
        if fault.code in ("line", "length"):
            return Refused(reason, "it will never take this line; see its log")
        return Unavailable(reason, _REMEDIES.get(fault.code, "see the receiver's log"))
