"""The mixed load of the soak: a port and dice go in; requests at a steady pace, and how many must be counted, leave."""

from __future__ import annotations

import http.client
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

__all__ = ["Visits"]

_MIX: Final = {"fine": 50, "fault": 25, "storm": 10, "bad": 5, "log": 5, "thread": 5}
_STORM_EVERY_S: Final = 20.0
_STORM: Final = 300
_AT_ONCE: Final = 8
_TIMEOUT_S: Final = 60.0


class Visits:
    """Visit a server until stopped: ``per_s`` requests of all sorts, and now and then a storm of one fault."""

    def __init__(self, port: int, dice: random.Random, *, per_s: float, faults: int) -> None:
        self.answered = 0
        self.counted = 0  # of these: what must be in the books
        self.broken = 0
        self._port = port
        self._dice = dice
        self._pause_s = 1.0 / per_s
        self._faults = faults
        self._lock = threading.Lock()
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present request."""
        self._is_stopping.set()
        self._thread.join()

    def _run(self) -> None:
        next_at = storm_at = time.monotonic()
        while not self._is_stopping.is_set():
            now = time.monotonic()
            if now >= storm_at:
                storm_at = now + _STORM_EVERY_S
                with ThreadPoolExecutor(_AT_ONCE) as pool:  # so many that the server has all its threads soon
                    list(pool.map(self._visit, ["/storm"] * _STORM))
            what = self._dice.choices(list(_MIX), list(_MIX.values()))[0]
            self._visit(f"/{what}/{self._dice.randrange(self._faults)}")
            next_at = max(next_at + self._pause_s, now)  # what was missed on a busy machine is not made up for
            time.sleep(max(0.0, next_at - time.monotonic()))

    def _visit(self, path: str) -> None:
        is_answered = False
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            connection.getresponse().read()
            is_answered = True
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        with self._lock:
            self.answered += is_answered
            self.broken += not is_answered
            self.counted += is_answered and not path.startswith("/fine")
