"""A server's port goes in; a port between it and its clients leaves, where a test sees, cuts and times what is said.

It breaks a link in every way there is, and it kills a client at the very moment at which the server has accepted.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, TypeAlias

from ports import free_port

__all__ = ["Between", "Mode", "between"]

Mode: TypeAlias = Literal["passes", "refuses", "silent", "resets", "drips", "cuts"]
_POLL_S: Final = 0.05
_DRIP_S: Final = 0.05
_CUT_BYTES: Final = 120  # of what a client says before its connection is reset in the middle


class Between:
    """Be a link to one server. ``mode`` may change at any time; ``met`` counts the connections met in the present one.

    With `strike_at`, ``strike`` is called once the server has answered what matches: before the client has that answer,
    or after it.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self.port = free_port()
        self._mode: Mode = "passes"
        self.met = 0
        self.strikes = 0
        self._trigger: re.Pattern[bytes] | None = None
        self._on_said: re.Pattern[bytes] | None = None
        self._is_before = True
        self._strike: Callable[[], None] = lambda: None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def mode(self) -> Mode:
        return self._mode

    def become(self, mode: Mode) -> None:
        self._mode = mode
        self.met = 0

    def strike_at(self, said: bytes, strike: Callable[[], None], *, before_the_answer: bool) -> None:
        """Call ``strike`` once, at the server's first answer to something that matches the pattern."""
        self._is_before, self._strike, self._trigger = before_the_answer, strike, re.compile(said, re.DOTALL)

    def strike_on(self, said: bytes, strike: Callable[[], None]) -> None:
        """Call ``strike`` once, when something matches, before the server has it."""
        self._on_said, self._strike = re.compile(said, re.DOTALL), strike

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    # -- one connection after another, or several ----------------------------------------------------------
    def _serve(self) -> None:
        listener: socket.socket | None = None
        while not self._end.is_set():
            if self._mode == "refuses":
                if listener is not None:
                    listener.close()
                    listener = None
                time.sleep(_POLL_S)
                continue
            if listener is None:
                listener = socket.create_server(("127.0.0.1", self.port), backlog=50)
                listener.settimeout(_POLL_S)
            with contextlib.suppress(TimeoutError):
                client = listener.accept()[0]
                self.met += 1
                threading.Thread(target=self._meet, args=(client, self._mode), daemon=True).start()
        if listener is not None:
            listener.close()

    def _meet(self, client: socket.socket, mode: Mode) -> None:
        with contextlib.suppress(OSError), client:
            if mode == "passes":
                self._pass(client, None)
            elif mode == "cuts":
                self._pass(client, _CUT_BYTES)
            elif mode == "resets":
                client.recv(1)
                _reset(client)
            else:
                while not self._end.wait(_DRIP_S) and self._mode == mode:
                    if mode == "drips":
                        client.send(b"2")

    def _pass(self, client: socket.socket, left: int | None) -> None:
        said = bytearray()
        with socket.create_connection(("127.0.0.1", self._server_port)) as server:
            while not self._end.is_set():
                for sock in select.select([client, server], [], [], _POLL_S)[0]:
                    data = sock.recv(65_536)
                    if not data:
                        return
                    if sock is server:
                        self._answer(client, data, said)
                        continue
                    said += data
                    if self._on_said is not None and self._on_said.search(said):
                        self._on_said = None
                        self._strike()
                        self.strikes += 1
                    if left is not None and len(said) > left:
                        server.sendall(data[: max(0, left - len(said) + len(data))])
                        _reset(client)
                        return
                    server.sendall(data)

    def _answer(self, client: socket.socket, data: bytes, said: bytearray) -> None:
        trigger = self._trigger
        if trigger is None or not trigger.search(bytes(said)):
            client.sendall(data)
            return
        self._trigger = None
        if not self._is_before:
            client.sendall(data)
        self._strike()
        self.strikes += 1


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


@contextmanager
def between(server_port: int) -> Iterator[Between]:
    link = Between(server_port)
    try:
        yield link
    finally:
        link.close()
