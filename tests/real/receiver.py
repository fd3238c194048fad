"""A folder goes in; a real `tocsin receive` runs there, and what its file sink has leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from tocsin.delivery.wish import Wish
from tocsin.spool.folder import Folder

__all__ = ["Receiver", "clean_environ", "wait_for"]

# A parent that is killed must not leave a server behind; Python has no word for prctl(PR_SET_PDEATHSIG).
_LEASH: Final = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGKILL); os.execv(sys.argv[1], sys.argv[1:])"
)
_STARTED_S: Final = 20.0
_ARRIVED_S: Final = 30.0


def clean_environ() -> dict[str, str]:
    """Return this environment without tocsin's variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}


def wait_for(is_so: Callable[[], Any], what: str, within_s: float = _ARRIVED_S) -> None:
    """Wait until something is so; fail the test where it never is."""
    end = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > end:
            pytest.fail(f"waited {within_s:.0f} s in vain: {what}")
        time.sleep(0.02)


class Receiver:
    """Be one receiver that writes ``arrived.jsonl``. ``listen`` holds URLs, as they are after a start."""

    def __init__(
        self, folder: Path, listen: Sequence[str], *options: str, prefix: Sequence[str] = (), to: str = ""
    ) -> None:
        self.listen = list(listen)
        self.spool = folder / "received"
        self.file = folder / "arrived.jsonl"
        self.log = folder / "receive.log"
        self.said = ""  # at its end
        self._options = [*options, "--to", to or f"file:{self.file}?max_mb=10000"]
        self._prefix = list(prefix)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Receiver:
        """Start it, on the ports it had before, and wait until it listens."""
        places = [each for url in self.listen for each in ("--listen", url)]
        command = [sys.executable, "-m", "tocsin.cli", "receive", "--spool", str(self.spool), *places, *self._options]
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [*self._prefix, sys.executable, "-c", _LEASH, *command],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=clean_environ(),
            )
        assert self._process.stdout is not None
        for number in range(len(self.listen)):
            said = self._process.stdout.readline()
            if not said.startswith("listening on "):
                pytest.fail(f"tocsin receive did not start: {said}{self.log.read_text()[-2000:]}")
            self.listen[number] = said.split()[-1]
        while self._process.stdout.readline().startswith("to "):
            pass
        return self

    @property
    def port(self) -> int:
        """Return the port of the first place it listens on."""
        return int(self.listen[0].rpartition(":")[2])

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it in good order; return how it ended."""
        return self._end(signal.SIGTERM)

    def lines(self, *, is_drained: bool = True) -> list[dict[str, Any]]:
        """Return what the file has, once all that was taken is in it."""
        if is_drained:
            with ExitStack() as stack:  # all at once: each takes the leader a round
                rooms = {path.parent for path in self.spool.glob("*/*/*.events")}
                wishes = [stack.enter_context(Wish(Folder(room))) for room in rooms]
                for wish in wishes:
                    wait_for(wish.is_granted, "all that was taken is delivered")
        if not self.file.exists():
            return []
        return [json.loads(line) for line in self.file.read_bytes().splitlines()]

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            self.said = process.communicate(timeout=20)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            pytest.fail("tocsin receive did not end")
        return process.returncode
