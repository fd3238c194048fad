"""Visitors: what they ask for goes in, real HTTP requests leave, and the answers are kept."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Answer", "Visit", "Visitors"]

_TIMEOUT_S = 15
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Visit:
    """Describe one request."""

    path: str
    method: str = "GET"
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what a visitor got: status 0 if nothing, as when the worker was killed. Times are of the monotonic clock."""

    request_id: str
    visit: Visit
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_cut: bool = False  # the answer ended before its end
    ended_at_s: float = 0.0

    @property
    def error_id(self) -> str:
        """Return the error id in the header."""
        return self.headers.get("x-error-id", "")


class Visitors:
    """Send requests to the shop, in turn or several at a time. Thread-safe."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._answers: list[Answer] = []

    @property
    def answers(self) -> list[Answer]:
        """Return every answer so far."""
        with self._lock:
            return list(self._answers)

    def visit(self, visit: Visit, name: str = "visitor") -> Answer:
        """Send one request; a connection that breaks is an answer with status 0."""
        request_id = f"{name}-{next(_numbers)}"
        answer = self._sent(visit, request_id)
        with self._lock:
            self._answers.append(answer)
        return answer

    def crowd(self, each: Mapping[str, Iterable[Visit]]) -> list[threading.Thread]:
        """Let several visitors make their rounds at the same time; join the threads to wait for them."""
        threads = []
        for name, visits in each.items():
            thread = threading.Thread(target=self._round, args=(name, tuple(visits)), daemon=True)
            thread.start()
            threads.append(thread)
        return threads

    def _round(self, name: str, visits: Iterable[Visit]) -> None:
        for visit in visits:
            self.visit(visit, name)

    def _sent(self, visit: Visit, request_id: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        headers = {"Accept": "text/html", "User-Agent": "demo", **visit.headers, "X-Request-Id": request_id}
        try:
            connection.request(visit.method, visit.path, visit.body.encode() or None, headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            try:
                body, is_cut = response.read(), False
            except http.client.IncompleteRead as fault:
                body, is_cut = fault.partial, True
            return Answer(request_id, visit, response.status, found, body, is_cut, time.monotonic())
        except (OSError, http.client.HTTPException):
            return Answer(request_id, visit, 0)
        finally:
            connection.close()
