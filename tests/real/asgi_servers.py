"""ASGI servers as subprocesses: one, an application and a folder go in; what it answers and what it reports leave."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from wsgi_servers import Answer

__all__ = ["PATIENCE_S", "SERVERS", "Shop", "running", "skip_if_missing", "uvicorn", "wait_until_up"]

HERE = Path(__file__).parent
START_S = 60.0
PATIENCE_S = 10.0


def uvicorn(app: str, port: int) -> list[str]:
    return [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), app]


def hypercorn(app: str, port: int) -> list[str]:
    return [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", app]


def gunicorn(app: str, port: int) -> list[str]:
    return [
        sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{port}",
        "--worker-class", "uvicorn_worker.UvicornWorker", app,
    ]  # fmt: skip


SERVERS = {"uvicorn": uvicorn, "hypercorn": hypercorn, "gunicorn-uvicorn": gunicorn}
NEEDS = {"uvicorn": ["uvicorn"], "hypercorn": ["hypercorn"], "gunicorn-uvicorn": ["gunicorn", "uvicorn_worker"]}


def skip_if_missing(server: str) -> None:
    for module in NEEDS[server]:
        name = module.replace("_", "-")
        pytest.importorskip(module, reason=f"no {name}; pip install {name}")


class Shop:
    """A server with an application that reports to a file."""

    def __init__(self, port: int, events: Path) -> None:
        self.port = port
        self._events = events

    def begin(self, path: str, *, method: str = "GET", length: int = 0) -> socket.socket:
        link = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        link.sendall(head.encode())
        return link

    def ask(self, path: str) -> Answer:
        return self.read(self.begin(path))

    def read(self, link: socket.socket) -> Answer:
        raw = b""
        with link:
            while chunk := link.recv(65536):
                raw += chunk
        return Answer(raw)

    def events(self, number: int, is_wanted: Callable[[dict[str, Any]], bool] = bool) -> list[dict[str, Any]]:
        """Return the events that are wanted, once there are that many."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            lines = self._events.read_text("utf-8").splitlines() if self._events.exists() else []
            found = [event for event in map(json.loads, lines) if is_wanted(event)]
            if len(found) >= number:
                return found
            assert time.monotonic() < deadline, f"{len(found)} of {number} events, {len(lines)} in all"
            time.sleep(0.05)

    def of_path(self, path: str) -> list[dict[str, Any]]:
        return self.events(1, lambda event: bool(event["request"]) and event["request"]["path"] == path)


@contextmanager
def running(
    server: Callable[[str, int], list[str]], app: str, folder: Path, cwd: Path = HERE
) -> Iterator[tuple[Any, int]]:
    """Start a server of an application that is set up by a configuration in ``folder``, in a session of its own."""
    port = free_port()
    config = folder / "tocsin.toml"
    if not config.exists():
        config.write_text(f'application = "shop"\nspool = "{folder}/spool"\nsinks = ["file:{folder}/events.jsonl"]\n')
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            server(app, port), cwd=cwd, env=os.environ | {"TOCSIN_CONFIG": str(config)}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield process, port
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(PATIENCE_S)


def wait_until_up(process: Any, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')}")
