"""The WSGI middleware on real servers, over sockets: the table of cases, and what only a server can show."""

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from wsgi_cases import CASES, Case  # noqa: E402 - tests/ is not a package

BIN = Path(sys.executable).parent
START_S = 20.0
PATIENCE_S = 10.0


def gunicorn(*options: str) -> Callable[[int], list[str]]:
    return lambda port: [
        sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{port}", *options, "served:app",
    ]  # fmt: skip


def uwsgi(port: int) -> list[str]:
    return [
        str(BIN / "uwsgi"), "--http-socket", f"127.0.0.1:{port}", "--master", "--die-on-term", "--need-app",
        "--home", sys.prefix, "--pythonpath", str(HERE), "--module", "served:app", "--buffer-size", "16384",
    ]  # fmt: skip


def own(name: str) -> Callable[[int], list[str]]:
    return lambda port: [sys.executable, str(HERE / "served.py"), name, str(port)]


SERVERS: dict[str, Callable[[int], list[str]]] = {
    "wsgiref": own("wsgiref"),
    "werkzeug": own("werkzeug"),
    "gunicorn-sync": gunicorn("--workers", "1"),
    "gunicorn-gthread": gunicorn("--worker-class", "gthread", "--threads", "2"),
    "gunicorn-gevent": gunicorn("--worker-class", "gevent"),
    "uwsgi": uwsgi,
}
NEEDS = {"werkzeug": "werkzeug", "gunicorn": "gunicorn", "gevent": "gevent"}


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

    def __init__(self, command: Callable[[int], list[str]], record: Path) -> None:
        self._record = record
        self._asked = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.log = record.with_suffix(".log").open("wb")
        self._process = subprocess.Popen(
            command(self.port),
            cwd=HERE,
            env=os.environ | {"TOCSIN_TEST_RECORD": str(record), "PYTHONUNBUFFERED": "1"},
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if b"ready" in self.ask("/bare/ready")[0].raw:
                    return
            except OSError:
                time.sleep(0.05)
        self.stop()
        pytest.fail(f"the server did not start:\n{Path(self.log.name).read_text(errors='replace')}")

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

    def events(self, test: str) -> list[dict[str, Any]]:
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        return [event for event in map(json.loads, lines) if event["test"] == test]

    def told(self, test: str, what: str, key: str = "type", *, at_least: int = 0) -> list[Any]:
        """Return one value of each event of a request; waits for those that come after the answer."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = [event.get(key) for event in self.events(test) if event["what"] == what]
            if len(found) >= at_least or time.monotonic() > deadline:
                return found
            time.sleep(0.01)


@pytest.fixture(scope="module", params=list(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    skip_if_missing(request.param)
    started = Server(SERVERS[request.param], tmp_path_factory.mktemp(request.param) / "record.jsonl")
    yield started
    started.stop()


def skip_if_missing(name: str) -> None:
    if name == "uwsgi" and shutil.which(str(BIN / "uwsgi")) is None:
        pytest.skip("uWSGI is not installed; it needs a C compiler: pip install uwsgi")
    for part in name.split("-"):
        if part in NEEDS:
            pytest.importorskip(NEEDS[part], reason=f"pip install {NEEDS[part]}")


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_case(server: Server, case: Case) -> None:
    """Each case comes out as it says; what is no failure comes out to the byte as without tocsin."""
    answer, test = server.ask(f"/tocsin/{case.name}", case.method)
    assert server.told(test, "closed", at_least=case.closes) == [None] * case.closes
    reports = server.told(test, "exception", at_least=len(case.reports))
    assert reports == list(case.reports) or (case.is_beyond_servers and len(reports) == len(case.reports))
    assert server.told(test, "answer", "status", at_least=len(case.answers)) == list(case.answers)
    if case.outcome == "page":
        assert answer.status == "500 Internal Server Error"
        assert len(answer.error_ids) == 1
        page = f"Something broke. Error id: {answer.error_ids[0]}\n".encode()
        assert answer.body_as_sent == (b"" if case.method == "HEAD" else page)
        assert "set-cookie" not in answer.raw.decode().lower()
        return
    if case.is_beyond_servers:
        assert answer.body == case.body
        assert sum(line.lower().startswith("content-type:") for line in answer.head) == 1
    else:
        bare, _ = server.ask(f"/bare/{case.name}", case.method)
        assert answer.unmarked == bare.unmarked
    assert len(answer.error_ids) == (case.outcome == "marked")
    if case.outcome != "raises":
        assert answer.status == case.status


def test_header_that_the_server_refuses_is_answered_as_without_tocsin(server: Server) -> None:
    """Servers differ in what they refuse; whatever comes without tocsin comes with it."""
    answer, test = server.ask("/tocsin/refused_header")
    bare, _ = server.ask("/bare/refused_header")
    assert answer.unmarked == bare.unmarked
    if not answer.raw or answer.status.startswith("5"):
        assert len(server.told(test, "exception", at_least=1)) == 1


def test_client_that_leaves_early_closes_the_body_and_is_no_report(server: Server) -> None:
    link, test = server.connect("/tocsin/endless")
    assert link.recv(1000)
    link.close()
    assert len(server.told(test, "closed", at_least=1)) == 1
    assert server.told(test, "exception") == []


def test_gunicorn_timeout_is_reported(tmp_path: Path) -> None:
    """The worker's SystemExit is no error of the application's, but somebody wants to know."""
    skip_if_missing("gunicorn-sync")
    server = Server(gunicorn("--timeout", "1"), tmp_path / "record.jsonl")
    try:
        link, test = server.connect("/tocsin/sleep")
        assert server.told(test, "exception", at_least=1) == ["SystemExit"]
        link.close()
    finally:
        server.stop()
