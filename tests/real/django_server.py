"""A server on a folder: a command and a project go in; a port to ask on leaves, and what the file sink has."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ports import free_port

__all__ = ["ASGI", "WSGI", "Said", "Served", "command", "drain", "serving_django", "serving_runserver"]

START_S = 60.0
PATIENCE_S = 20.0

WSGI = ["gunicorn", "--no-control-socket", "--threads", "4"]
ASGI = ["uvicorn", "--lifespan", "off"]


class Said(NamedTuple):
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: str


class Served:
    """Ask a server that is up."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.folder = folder

    def ask(self, path: str, method: str = "GET", body: str = "", **headers: str) -> Said:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            link.request(method, path, body or None, headers)
            answer = link.getresponse()
            try:
                text = answer.read()
            except http.client.IncompleteRead as cut:
                text = cut.partial
            return Said(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text.decode("utf-8", "replace"))
        finally:
            link.close()

    def events(self, number: int, is_wanted: Callable[[dict[str, Any]], bool] = bool) -> list[dict[str, Any]]:
        """Return the events that are wanted, once there are that many."""
        file, end = self.folder / "events.jsonl", time.monotonic() + PATIENCE_S
        while True:
            lines = file.read_text("utf-8").splitlines() if file.exists() else []
            found = [event for event in map(json.loads, lines) if "error_id" in event and is_wanted(event)]
            if len(found) >= number:
                return found
            assert time.monotonic() < end, f"{len(found)} of {number} events, {len(lines)} in all"
            time.sleep(0.05)

    def of(self, path: str, number: int = 1) -> list[dict[str, Any]]:
        return self.events(number, lambda event: (event["request"] or {}).get("path") == path)


def clean(folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN", "DJANGO", "SITE"))}
    paths = os.pathsep.join([str(folder), environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**environ, "PYTHONPATH": paths, **extra}


def command(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in the folder."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=clean(folder, environ), capture_output=True, text=True, check=False, timeout=START_S,
    )  # fmt: skip


def drain(folder: Path) -> None:
    """Deliver what is in the spool."""
    done = command(folder, "-m", "tocsin", "deliver", "--drain", "--config", "tocsin.toml")
    assert done.returncode == 0, done.stderr


def serving_django(server: list[str], app: str, folder: Path, **environ: str) -> AbstractContextManager[Served]:
    """Serve an application of the folder; its output goes to ``server.log`` there."""
    name, *options = server
    place = ["--bind", "127.0.0.1:{port}"] if name == "gunicorn" else ["--host", "127.0.0.1", "--port", "{port}"]
    return _serving(["-m", name, *options, *place, app], folder, environ)


def serving_runserver(folder: Path) -> AbstractContextManager[Served]:
    """Serve a project by Django's own server for development."""
    return _serving(["manage.py", "runserver", "--noreload", "127.0.0.1:{port}"], folder, {})


@contextmanager
def _serving(arguments: list[str], folder: Path, environ: Mapping[str, str]) -> Iterator[Served]:
    port = free_port()
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *(argument.format(port=port) for argument in arguments)],
            cwd=folder, env=clean(folder, environ), stdout=output, stderr=output,
        )  # fmt: skip
        try:
            end = time.monotonic() + START_S
            while True:
                assert process.poll() is None and time.monotonic() < end, log.read_text("utf-8", "replace")
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield Served(port, folder)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(PATIENCE_S)
