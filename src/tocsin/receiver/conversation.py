"""One sender's connection: bytes go in; its lines are taken, and acknowledged where it said hello."""

from __future__ import annotations

import hmac
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tocsin.complaints import complain
from tocsin.event import limits
from tocsin.event.errors import ConfigError, DecodeError
from tocsin.event.limits import SAID_CHARS
from tocsin.receiver.arrival import Arrival, Unreadable, arrival_of, decoded
from tocsin.receiver.inbox import Inbox
from tocsin.render import harmless
from tocsin.sinks.socket.protocol import (
    LINE_BYTES,
    VERSION,
    Code,
    Fault,
    Hello,
    Taken,
    answer_line,
    hello_of,
    welcome_line,
)

if TYPE_CHECKING:
    import ssl

__all__ = ["Conversation"]

_READ_BYTES: Final = 65_536
_AT_ONCE_BYTES: Final = 524_288  # read before what there is gets taken, so that one fsync does for many lines
_LINGER_S: Final = 1.0


class _Ended(Exception):
    """End the conversation, after saying why where there is something to say."""

    def __init__(self, code: Code | None = None, reason: str = "", line: int = 0) -> None:
        super().__init__(reason)
        self.fault = None if code is None else Fault(code, reason, line)


class Conversation:
    """Talk to one sender, in a thread of its own. Whoever watches calls `abort` when `expires_at` is over."""

    def __init__(
        self, sock: socket.socket, peer: str, by: str, inbox: Inbox, token: str, count: Callable[[str], None]
    ) -> None:
        self._sock = sock
        self._peer = peer
        self._by = by
        self._inbox = inbox
        self._token = token
        self._count = count
        self._rest = b""
        self._lines = 0
        self._arrivals: list[Arrival] = []
        self._hello: Hello | None = None
        self.expires_at = time.monotonic() + limits.RECEIVER_HELLO_S

    def run(self, new_context: Callable[[], ssl.SSLContext] | None) -> None:
        """Talk until the sender has ended, or can't be understood. Raises nothing that is expected."""
        try:
            try:
                if new_context is not None:
                    self._secure(new_context())
                self._talk()
            except _Ended as end:
                if end.fault is not None:
                    self._note(end.fault)
                    self._say(answer_line(end.fault))
                    self._linger()
        except (OSError, ConfigError) as fault:
            self._note(Fault("connection", getattr(fault, "reason", "") or str(fault)))
        except Exception as fault:  # noqa: BLE001 - one sender's bytes must not end the others' conversations unseen
            complain("receiver", f"a conversation failed: {type(fault).__name__}", fault)
        finally:
            self._sock.close()

    def abort(self) -> None:
        """Make `run` end soon, from another thread."""
        try:
            # Not its own method: that of TLS forgets its keys, and what the thread reads then is taken for lines.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended by itself

    def _secure(self, context: ssl.SSLContext) -> None:
        self._sock.settimeout(limits.RECEIVER_HELLO_S)
        secured = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
        self._sock = secured
        secured.do_handshake()

    def _talk(self) -> None:
        if not self._token:
            self.expires_at = time.monotonic() + limits.RECEIVER_IDLE_S
        while True:
            received = self._received()
            if not received:
                return  # half a line at the end is none
            *lines, self._rest = (self._rest + received).split(b"\n")
            for line in lines:
                self._read(line)
                if len(self._arrivals) >= limits.BATCH_ENTRIES:
                    self._take()
            self._take()
            if len(self._rest) > LINE_BYTES:
                raise _Ended("length", f"a line has at most {LINE_BYTES:,} bytes", self._lines + 1)
            if lines and (self._hello is not None or not self._token):  # empty lines are no hello
                self.expires_at = time.monotonic() + limits.RECEIVER_IDLE_S

    def _received(self) -> bytes:
        """Return what has come, waiting for the first of it."""
        self._sock.settimeout(max(self.expires_at - time.monotonic(), 0.01))
        try:
            data = self._sock.recv(_READ_BYTES)
        except TimeoutError:
            code: Code = "token" if self._token and self._hello is None else "idle"
            raise _Ended(code, "no hello in time" if code == "token" else "no line for long") from None
        self._sock.settimeout(0)
        try:
            while data and len(data) < _AT_ONCE_BYTES and (more := self._sock.recv(_READ_BYTES)):
                data += more
        except OSError:
            pass  # there is no more just now; what else it may be is met at the next reading
        return data

    def _read(self, line: bytes) -> None:
        if not line.strip():
            return
        if self._hello is None and not self._lines:
            members: Any = self._or_fault(line)
            if self._greet(members):
                return
        else:
            members = self._or_fault(line)
        try:
            if isinstance(members, Unreadable):
                raise members
            if len(line) > LINE_BYTES:
                raise Unreadable("line", f"a line has at most {LINE_BYTES:,} bytes")
            self._arrivals.append(arrival_of(members))
        except Unreadable as fault:
            self._refuse(fault)
        else:
            self._lines += 1

    def _or_fault(self, line: bytes) -> Any:
        try:
            return decoded(line)
        except Unreadable as fault:
            return fault

    def _greet(self, members: Any) -> bool:
        """Take the hello; False where the sender begins with a line, as one does that wants no answers."""
        try:
            hello = hello_of(members)
        except DecodeError as fault:
            raise _Ended("version", str(fault)) from None
        if self._token and not (hello and hmac.compare_digest(_bytes(hello.token), _bytes(self._token))):
            raise _Ended("token", "the token is missing or another one")
        if hello is None:
            return False
        if hello.version != VERSION:
            raise _Ended("version", f"this receiver speaks version {VERSION}")
        self._hello = hello
        self._say(welcome_line())
        return True

    def _refuse(self, fault: Unreadable) -> None:
        """Say what is wrong with the next line; one that is wrong for good counts as handled."""
        self._take()
        if fault.code != "line":
            raise _Ended(fault.code, fault.reason, self._lines + 1)
        self._lines += 1
        told = Fault("line", fault.reason, self._lines)
        self._note(told)
        self._say(answer_line(told))
        self._acknowledge()

    def _take(self) -> None:
        """Have the arrivals on the disk, then acknowledge them."""
        while self._arrivals:
            first = self._lines - len(self._arrivals)
            taken = self._inbox.take(self._arrivals, self._by)
            if taken.fault and not taken.is_for_good:
                if self._hello is not None and taken.number:
                    self._say(answer_line(Taken(first + taken.number)))
                raise _Ended("store", taken.fault)
            if taken.is_for_good:
                told = Fault("line", taken.fault, first + taken.number + 1)
                self._note(told)
                self._say(answer_line(told))
            self._arrivals = self._arrivals[taken.number + taken.is_for_good :]
            self._acknowledge()

    def _acknowledge(self) -> None:
        if self._hello is not None:
            self._say(answer_line(Taken(self._lines - len(self._arrivals))))

    def _say(self, line: bytes) -> None:
        self._sock.settimeout(limits.RECEIVER_HELLO_S)
        self._sock.sendall(line)

    def _linger(self) -> None:
        """Read what is still on its way: closing before that resets the connection, and the answer may be lost."""
        sock, end = self._sock, time.monotonic() + _LINGER_S
        try:
            socket.socket.shutdown(sock, socket.SHUT_WR)
            while (remaining_s := end - time.monotonic()) > 0:
                sock.settimeout(remaining_s)
                if not socket.socket.recv(sock, _READ_BYTES):
                    return
        except OSError:
            pass  # it has had its time, or hung up

    def _note(self, fault: Fault) -> None:
        self._count(fault.code)
        if fault.code != "idle":
            where = f" (line {fault.line})" if fault.line else ""
            said = harmless.line(fault.reason, SAID_CHARS)
            complain(f"receiver.{fault.code}", f"{self._peer}: {fault.code}: {said}{where}")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
