"""WSGI servers: the name of a site's module goes in, a running server to ask leaves, with what its application wrote.

As a script it is those that have no command of their own: ``wsgi_servers.py NAME PORT SITE``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

__all__ = ["SERVERS", "VIA_ASGI", "Answer", "Server", "gunicorn", "skip_if_missing"]

HERE = Path(__file__).parent
Command = Callable[[str, int], list[str]]  # by the site's module and the port

BIN = Path(sys.executable).parent
START_S = 20.0
PATIENCE_S = 10.0


def gunicorn(*options: str) -> Command:
    return lambda site, port: [
        sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{port}", *options, f"{site}:app",
    ]  # fmt: skip


def uwsgi(site: str, port: int) -> list[str]:
    return [
        str(BIN / "uwsgi"), "--http-socket", f"127.0.0.1:{port}", "--master", "--die-on-term", "--need-app",
        "--home", sys.prefix, "--pythonpath", str(HERE), "--module", f"{site}:app", "--buffer-size", "16384",
    ]  # fmt: skip


def hypercorn(site: str, port: int) -> list[str]:
    return [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", f"wsgi:{site}:app"]


def uvicorn(site: str, port: int) -> list[str]:
    return [
        sys.executable, "-m", "uvicorn", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        f"{site}:app",
    ]  # fmt: skip


def own(name: str) -> Command:
    return lambda site, port: [sys.executable, str(HERE / "wsgi_servers.py"), name, str(port), site]


SERVERS: dict[str, Command] = {
    "wsgiref": own("wsgiref"),
    "werkzeug": own("werkzeug"),
    "gunicorn-sync": gunicorn("--workers", "1"),
    "gunicorn-gthread": gunicorn("--worker-class", "gthread", "--threads", "2"),
    "gunicorn-gevent": gunicorn("--worker-class", "gevent"),
    "uwsgi": uwsgi,
    "waitress": own("waitress"),
    "cheroot": own("cheroot"),
    "gevent": own("gevent"),
}
# ASGI servers: of WSGI they know the common part, without reason phrases, write() and exc_info.
VIA_ASGI: dict[str, Command] = {
    "hypercorn": hypercorn,
    "uvicorn": uvicorn,
}
NEEDS = ("werkzeug", "gunicorn", "gevent", "waitress", "cheroot", "hypercorn", "uvicorn")


@dataclass
class Answer:
    """What came over the socket until the server closed it."""

    raw: bytes

    @property
    def head(self) -> list[str]:
        """Status line and headers, without those that differ by the moment."""
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        return [line for line in lines if not re.match("(?i)date:", line)]

    @property
    def status(self) -> str:
        return self.head[0].partition(" ")[2].strip()

    @property
    def error_ids(self) -> list[str]:
        return [line.partition(": ")[2] for line in self.head if line.lower().startswith("x-error-id:")]

    @property
    def unmarked(self) -> tuple[list[str], bytes]:
        head = [line for line in self.head if not line.lower().startswith("x-error-id:")]
        return head, self.body_as_sent

    @property
    def body_as_sent(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def body(self) -> bytes:
        """The body, out of its chunks if it came in chunks."""
        if not any(line.lower() == "transfer-encoding: chunked" for line in self.head):
            return self.body_as_sent
        body, rest = b"", self.body_as_sent
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        return body


class Server:
    """Run one server as a process, ask it, and read what its application wrote down."""

    def __init__(self, command: Command, record: Path, site: str = "served", **more: str) -> None:
        self._record = record
        self._asked = 0
        self.port = free_port()
        self.log = record.with_suffix(".log").open("wb")
        self._process = subprocess.Popen(
            command(site, self.port),
            cwd=HERE,
            env=os.environ | {"TOCSIN_TEST_RECORD": str(record), "PYTHONUNBUFFERED": "1"} | more,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        if not self.is_up():
            self.stop()
            pytest.fail(f"the server did not start:\n{Path(self.log.name).read_text(errors='replace')}")

    def is_up(self) -> bool:
        """Wait until the server answers; False once it has ended, or doesn't in a long time."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if b"ready" in self.ask("/bare/ready")[0].raw:
                    return True
            except OSError:
                pass
            time.sleep(0.05)
        return False

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE_S)
        self.log.close()

    def connect(self, path: str, method: str = "GET") -> tuple[socket.socket, str]:
        """Send a request; return the socket to read from and the name its events go by."""
        self._asked += 1
        test = f"{method} {path} {self._asked}"
        link = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Test: {test}\r\nConnection: close\r\n\r\n"
        link.sendall(head.encode())
        return link, test

    def ask(self, path: str, method: str = "GET") -> tuple[Answer, str]:
        link, test = self.connect(path, method)
        raw = b""
        with link:
            try:
                while chunk := link.recv(65536):
                    raw += chunk
            except ConnectionResetError:
                pass  # an answer cut off is one of the answers that are compared
        return Answer(raw), test

    def recorded(self) -> list[dict[str, Any]]:
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        return [json.loads(line) for line in lines]

    def events(self, test: str) -> list[dict[str, Any]]:
        return [event for event in self.recorded() if event["test"] == test]

    def told(self, test: str, what: str, key: str = "type", *, at_least: int = 0) -> list[Any]:
        """Return one value of each event of a request; waits for those that come after the answer."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = [event.get(key) for event in self.events(test) if event["what"] == what]
            if len(found) >= at_least or time.monotonic() > deadline:
                return found
            time.sleep(0.01)


def skip_if_missing(name: str) -> None:
    if name == "uwsgi" and shutil.which(str(BIN / "uwsgi")) is None:
        pytest.skip("uWSGI is not installed; it needs a C compiler: pip install uwsgi")
    for part in name.split("-"):
        if part in NEEDS:
            pytest.importorskip(part, reason=f"pip install {part}")
    if name == "uvicorn":
        pytest.importorskip("a2wsgi", reason="pip install a2wsgi: uvicorn's WSGI without it is another, deprecated one")


def _serve(name: str, port: int, site: str) -> None:
    sys.path.insert(0, str(HERE))
    if name == "gevent":
        from gevent import monkey

        monkey.patch_all()
    app: Any = import_module(site).app
    address = ("127.0.0.1", port)
    if name == "wsgiref":
        from wsgiref.simple_server import make_server

        make_server(*address, app).serve_forever()
    elif name == "werkzeug":
        from werkzeug.serving import run_simple

        run_simple(*address, app, threaded=True)
    elif name == "waitress":
        from waitress import serve

        serve(app, host=address[0], port=port)
    elif name == "cheroot":
        from cheroot.wsgi import Server as CherootServer

        CherootServer(address, app).start()
    else:
        from gevent.pywsgi import WSGIServer

        WSGIServer(address, app).serve_forever()


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
