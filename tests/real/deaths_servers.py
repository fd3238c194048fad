"""The servers of test_deaths.py: a name and a folder go in; a server runs whose workers die; what is told leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

from how_to import unpack

__all__ = ["BIN", "CONFIG", "KINDS", "PATIENCE_S", "SECRET", "Kind", "Server", "gunicorn", "serving"]

_HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
PATIENCE_S = 20.0
SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
CONFIG = """
application = "mortal"
environment = "test"
release = "1.7"
spool = "spool"
deaths = true
delivery = "{delivery}"

[[sinks]]
type = "file"
path = "events.jsonl"
"""


@dataclass(frozen=True)
class Kind:
    """Say how a server is started: its address comes between ``before`` and ``after``."""

    before: tuple[str, ...]
    after: tuple[str, ...] = ("deaths_site:app",)
    needs: str = "gunicorn"
    ends_cleanly: bool = True  # its workers run their exit handlers


def gunicorn(*options: str, needs: str = "gunicorn") -> Kind:
    return Kind((sys.executable, "-m", "gunicorn", "--no-control-socket", "-w", "2", *options, "--bind"), needs=needs)


_UWSGI = Kind(
    (
        *(str(BIN / "uwsgi"), "--master", "--processes", "2", "--threads", "2", "--die-on-term", "--need-app"),
        *("--home", sys.prefix, "--pythonpath", str(_HERE), "--module", "deaths_site:app", "--http-socket"),
    ),
    (),
    "uwsgi",
)
KINDS = {
    "sync": gunicorn(),
    "gthread-preload": gunicorn("-k", "gthread", "--threads", "4", "--preload"),
    "gevent": gunicorn("-k", "gevent", needs="gevent"),
    "uwsgi": _UWSGI,
    "uvicorn": Kind(
        (sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--workers", "2", "--port"),
        ("deaths_site:asgi_app",),
        "uvicorn",
        ends_cleanly=False,
    ),
}


class Server:
    """Run one server in a folder of its own."""

    def __init__(self, kind: Kind, folder: Path, *, delivery: str = "thread", more: str = "", page: str = "") -> None:
        self.folder, self.spool, self.side, self.log = folder, folder / "spool", folder / "side", folder / "log"
        self.config = folder / "tocsin.toml"
        if page:
            unpack(page, folder)
        else:
            self.config.write_text(CONFIG.format(delivery=delivery))
        self.side.touch()
        self.port = free_port()
        address = str(self.port) if "uvicorn" in kind.needs else f"127.0.0.1:{self.port}"
        environ = {
            **os.environ,
            "DEATHS_CONFIG": str(self.config),
            "TOCSIN_CONFIG": str(self.config),
            "DEATHS_SIDE": str(self.side),
            "DEATHS_WITH": more,
            "PYTHONFAULTHANDLER": "",  # pytest's own must not be inherited
        }
        with self.log.open("ab") as log:
            command = [*kind.before, address, *kind.after]
            self.process = subprocess.Popen(
                command, cwd=folder if page else _HERE, env=environ, stdout=log, stderr=log, start_new_session=True
            )

    def ask(self, path: str) -> bytes:
        """Return what a server answers until it closes the connection, or dies."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: mortal\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            try:
                while chunk := connection.recv(65536):
                    answer += chunk
            except ConnectionResetError:
                pass
            return answer

    def pid(self) -> int:
        """Return the pid of a worker that answers."""

        def answered() -> int:
            try:
                return int(self.ask("/").rsplit(b"\n", 2)[-2])
            except (OSError, ValueError, IndexError):
                return 0

        return self.wait(answered)

    def awake(self, number: int = 2) -> set[int]:
        """Ask until so many workers have had a request; return their pids."""
        pids: set[int] = set()
        self.wait(lambda: len(pids.add(self.pid()) or pids) >= number)  # type: ignore[func-returns-value]
        return pids

    def begun(self, path: str) -> tuple[int, socket.socket]:
        """Send a request that hangs; return the pid of the worker that is in it."""
        before = len(self.side.read_text().split())
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: mortal\r\n\r\n".encode())
        pids: list[str] = self.wait(lambda: self.side.read_text().split()[before:])
        return int(pids[0]), connection

    def wait(self, look: Callable[[], Any]) -> Any:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.05)
        pytest.fail(f"waited in vain; events: {self.told()}\n{self.log.read_text(errors='replace')[-4000:]}")

    def events(self) -> list[dict[str, Any]]:
        path = self.folder / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [event for event in map(json.loads, lines) if "error_id" in event]

    def told(self) -> list[tuple[str, str]]:
        """Return (type, path) of every event."""
        return [
            ((event["exception"] or {}).get("type", event["message"]), (event["request"] or {}).get("path", ""))
            for event in self.events()
        ]

    def left(self) -> list[str]:
        """Return the files by which deaths are told that are there."""
        return [path.name for path in self.spool.iterdir() if path.suffix in (".flight", ".crash")]

    def status(self) -> dict[str, Any]:
        command = [str(BIN / "tocsin"), "status", "--json", "--config", str(self.config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def drain(self) -> None:
        """Deliver what is left, as the next start would."""
        command = [str(BIN / "tocsin"), "deliver", "--drain", "--config", str(self.config)]
        subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE_S)

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


@contextmanager
def serving(name: str, folder: Path, kind: Kind | None = None, **more: Any) -> Iterator[Server]:
    kind = kind or KINDS[name]
    if kind.needs == "uwsgi":
        if shutil.which("uwsgi", path=str(BIN)) is None:
            pytest.skip("no uWSGI; apt-get install -y gcc python3-dev, then pip install uwsgi")
    else:
        pytest.importorskip(kind.needs)
    server = Server(kind, folder, **more)
    try:
        yield server
    finally:
        server.end()
