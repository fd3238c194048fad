"""Where to listen goes in; senders are talked to, each in a thread of its own, until the server is told to stop."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tocsin.complaints import complain
from tocsin.event import limits
from tocsin.receiver.arrival import Arrival, Unreadable, arrival_of, decoded
from tocsin.receiver.conversation import Conversation
from tocsin.receiver.inbox import Inbox
from tocsin.receiver.listen import Listen, TlsFiles, bound, tls_context
from tocsin.receiver.room import UNSURE
from tocsin.sinks.socket.protocol import Fault, answer_line

if TYPE_CHECKING:
    import ssl

__all__ = ["Server"]

_LOOK_S: Final = 0.25  # so often threads that listen see whether they are to end
_END_S: Final = 2.0
_DATAGRAM_BYTES: Final = 65_536


class Server:
    """Listen and talk. `start` and `tend` are the owner's; threads end by `stop`."""

    def __init__(self, inbox: Inbox, listens: Sequence[Listen], files: TlsFiles | None, token: str) -> None:
        self._inbox = inbox
        self._listens = listens
        self._files = files
        self._token = token
        self._sockets: list[tuple[Listen, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._talking: dict[Conversation, threading.Thread] = {}
        self._lock = threading.Lock()
        self._is_stopping = False
        self.faults: Counter[str] = Counter()

    def start(self) -> list[str]:
        """Listen everywhere; return where, with the ports that were given out. Raises StoreError, ConfigError."""
        if self._files is not None:
            tls_context(self._files)  # what can't be used is told at once
        try:
            for listen in self._listens:
                self._sockets.append((listen, bound(listen)))
        except BaseException:
            self.stop()
            raise
        for listen, sock in self._sockets:
            thread = threading.Thread(target=self._listen, args=(listen, sock), daemon=True)
            thread.start()
            self._threads.append(thread)
        return [_where(listen, sock) for listen, sock in self._sockets]

    def tend(self) -> None:
        """End conversations whose time is over; those that have ended are forgotten."""
        now = time.monotonic()
        with self._lock:
            for conversation in [each for each, thread in self._talking.items() if _has_ended(thread)]:
                del self._talking[conversation]
            late = [each for each in self._talking if each.expires_at + _LOOK_S < now]
        for conversation in late:
            conversation.abort()

    def stop(self) -> None:
        """Listen no more, end all conversations; lines that are being taken are."""
        self._is_stopping = True
        with self._lock:
            talking = dict(self._talking)
        for conversation in talking:
            conversation.abort()
        end = time.monotonic() + _END_S
        for thread in (*self._threads, *talking.values()):
            if thread.ident is not None:
                thread.join(max(end - time.monotonic(), 0))
        for listen, sock in self._sockets:
            sock.close()
            if listen.path:
                Path(listen.path).unlink(missing_ok=True)
        self._sockets.clear()

    def _listen(self, listen: Listen, sock: socket.socket) -> None:
        """Take what comes to one place, until the server stops: nothing that comes there ends it."""
        step = self._hear if listen.transport == "udp" else self._accept
        while not self._is_stopping:
            try:
                sock.settimeout(_LOOK_S)
                step(listen, sock)
            except TimeoutError:
                continue
            except OSError as fault:  # too many open files, as a rule
                complain("receiver.listen", f"{listen.where}: {fault}")
                time.sleep(_LOOK_S)
            except Exception as fault:  # noqa: BLE001 - else nobody would listen there any more
                complain("receiver", f"{listen.where}: {type(fault).__name__}", fault)
                time.sleep(_LOOK_S)

    def _accept(self, listen: Listen, listener: socket.socket) -> None:
        sock, address = listener.accept()
        self._talk(listen, sock, f"{address[0]}:{address[1]}" if listen.host else listen.path)

    def _talk(self, listen: Listen, sock: socket.socket, peer: str) -> None:
        conversation = Conversation(sock, peer, listen.transport, self._inbox, self._token, self._count)
        new_context = self._new_context if listen.transport == "tls" else None
        thread = threading.Thread(target=conversation.run, args=(new_context,), daemon=True)
        with self._lock:
            is_busy = len(self._talking) >= limits.RECEIVER_CONNECTIONS
            if not is_busy:
                self._talking[conversation] = thread
        if is_busy:
            self._turn_away(sock, is_plain=new_context is None)
            return
        try:
            if listen.host:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            thread.start()
        except (OSError, RuntimeError) as fault:
            complain("receiver.thread", f"no thread for {peer}: {fault}")
            with self._lock:
                self._talking.pop(conversation, None)
            sock.close()

    def _turn_away(self, sock: socket.socket, *, is_plain: bool) -> None:
        self._count("busy")
        complain("receiver.busy", f"more than {limits.RECEIVER_CONNECTIONS} connections; one was turned away")
        try:
            sock.settimeout(0)
            if is_plain:
                sock.send(answer_line(Fault("busy", "too many connections")))
        except OSError:
            pass  # then without a word
        sock.close()

    def _new_context(self) -> ssl.SSLContext:
        # The files are read for each connection: certificates are renewed while we run.
        return tls_context(self._files or TlsFiles(""))

    def _hear(self, listen: Listen, sock: socket.socket) -> None:
        """Take datagrams, each a line; as many at once as have come."""
        arrivals = self._heard(sock)
        sock.settimeout(0)
        try:
            while len(arrivals) < limits.BATCH_ENTRIES:
                arrivals += self._heard(sock)
        except OSError:
            pass  # no more just now; what else it may be is met at the next one
        while arrivals:
            taken = self._inbox.take(arrivals, UNSURE)
            if taken.fault:
                self._count("line" if taken.is_for_good else "store")
                complain("receiver.udp", f"a datagram to {listen.where} is lost: {taken.fault}")
            arrivals = arrivals[taken.number + bool(taken.fault) :]

    def _heard(self, sock: socket.socket) -> list[Arrival]:
        data, address = sock.recvfrom(_DATAGRAM_BYTES)
        found = []
        for line in data.splitlines():
            try:
                found.append(arrival_of(decoded(line)))
            except Unreadable as fault:
                self._count(fault.code)
                complain(f"receiver.{fault.code}", f"{address[0]}:{address[1]}: {fault.code}: {fault.reason}")
        return found

    def _count(self, code: str) -> None:
        with self._lock:
            self.faults[code] += 1


def _has_ended(thread: threading.Thread) -> bool:
    return thread.ident is not None and not thread.is_alive()


def _where(listen: Listen, sock: socket.socket) -> str:
    """Return where it listens, with the port that it was given."""
    return listen.where if listen.path else replace(listen, port=sock.getsockname()[1]).where
