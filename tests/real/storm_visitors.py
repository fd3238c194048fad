"""Many visitors at little cost: numbers of faults go in; the answers they got, and the requests that broke, leave."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Sequence

__all__ = ["Visitors"]

_PER_CONNECTION = 25  # where the server keeps it; then a new one, so that they don't all stay with one worker
_TIMEOUT_S = 60.0


class Visitors:
    """Ask for ``/break/<number>`` for each number, ``concurrency`` at a time, each once, whatever becomes of it.

    ``keeps`` says that the server keeps connections; uWSGI closes them and doesn't say so.
    """

    def __init__(self, port: int, numbers: Sequence[int], *, concurrency: int, keeps: bool) -> None:
        self.answers: list[tuple[int, int, str]] = []  # number, status, error id
        self.broken: list[int] = []  # the connection ended before the answer did
        self.hung: list[int] = []
        self._port = port
        self._per_connection = _PER_CONNECTION if keeps else 1
        self._numbers = list(reversed(numbers))
        self._done = itertools.count()
        self.done = 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(concurrency)]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    @property
    def are_busy(self) -> bool:
        """Tell whether any of them still asks."""
        return any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        visitor = _Visitor(self._port, self._per_connection)
        while self._numbers:
            try:
                number = self._numbers.pop()
            except IndexError:
                break
            try:
                self.answers.append((number, *visitor.get(f"/break/{number}")))
            except TimeoutError:
                self.hung.append(number)
                visitor.leave()
            except OSError:
                self.broken.append(number)
                visitor.leave()
            self.done = next(self._done) + 1
        visitor.leave()


class _Visitor:
    """Speak just enough HTTP/1.1, over a connection that is kept as long as the server likes."""

    def __init__(self, port: int, per_connection: int) -> None:
        self._port = port
        self._per_connection = per_connection
        self._socket: socket.socket | None = None
        self._asked = 0

    def get(self, path: str) -> tuple[int, str]:
        """Return (status, error id). Raises OSError where the whole answer does not come."""
        if self._socket is None or self._asked >= self._per_connection:
            self.leave()
            self._socket = socket.create_connection(("127.0.0.1", self._port), _TIMEOUT_S)
        self._asked += 1
        self._socket.sendall(b"GET %s HTTP/1.1\r\nHost: storm\r\nAccept: application/json\r\n\r\n" % path.encode())
        data = b""
        while (head_end := data.find(b"\r\n\r\n")) < 0:
            data += self._received()
        head = data[:head_end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        missing = int(headers["content-length"]) - (len(data) - head_end - 4)
        while missing > 0:
            missing -= len(self._received())
        protocol, status = head[0].split(" ")[:2]
        if protocol != "HTTP/1.1" or headers.get("connection", "").lower() == "close":
            self.leave()
        return int(status), headers.get("x-error-id", "")

    def leave(self) -> None:
        """Close the connection."""
        self._asked = 0
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _received(self) -> bytes:
        if self._socket is None or not (data := self._socket.recv(65_536)):
            raise ConnectionResetError("the server closed the connection")
        return data
