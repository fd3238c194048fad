"""The HTTP that sinks share, over TLS: who is trusted, by which files, and through a proxy's tunnel."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certs import Certs, make_certs

from tocsin.config.setting import parse_table
from tocsin.sinks.base import Failed, SinkContext, Unavailable
from tocsin.sinks.http import HTTP_SETTINGS, Http

pytest.importorskip("urllib3", reason="no urllib3; pip install urllib3")

BODY = b"{}"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"


class Server:
    """Answer every request over TLS; with ``ca`` only to clients that show a certificate of it."""

    def __init__(self, certs: Certs, ca: Path | None = None) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certs.server, certs.key)
        if ca is not None:
            self._context.load_verify_locations(ca)
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.asked = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                bare, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(bare,), daemon=True).start()

    def _answer(self, bare: socket.socket) -> None:
        try:
            with self._context.wrap_socket(bare, server_side=True) as sock:
                while self._is_read(sock):
                    self.asked += 1
                    sock.sendall(ANSWER)
        except OSError:
            pass

    def _is_read(self, sock: ssl.SSLSocket) -> bool:
        found = b""
        while not found.endswith(b"\r\n\r\n" + BODY):
            data = sock.recv(65_536)
            if not data:
                return False
            found += data
        return True

    def close(self) -> None:
        self._listener.close()


class Proxy:
    """Make a tunnel to wherever CONNECT says."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.asked: list[bytes] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._tunnel, args=(near,), daemon=True).start()

    def _tunnel(self, near: socket.socket) -> None:
        self.asked.append(near.recv(65_536))
        host, _, port = self.asked[-1].split()[1].decode().partition(":")
        with near, socket.create_connection((host, int(port))) as far:
            near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                for sock in select.select([near, far], [], [], 30)[0]:
                    try:
                        data = sock.recv(65_536)
                        (far if sock is near else near).sendall(data)
                    except OSError:
                        return
                    if not data:
                        return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def server(certs: Certs) -> Iterator[Server]:
    found = Server(certs)
    yield found
    found.close()


def make(port: int, **raw: Any) -> Http:
    values, faults = parse_table(HTTP_SETTINGS, raw, "sink")
    assert faults == []
    return Http(f"https://localhost:{port}", values, SinkContext("shop", "production", "web1"))


def failing(http: Http) -> Unavailable:
    with pytest.raises(Failed) as caught:
        http.call("POST", "/in", body=BODY)
    http.close()
    assert isinstance(caught.value.outcome, Unavailable)
    return caught.value.outcome


def test_a_trusted_server_is_asked_over_one_connection(server: Server, certs: Certs) -> None:
    """By the authority in ca_file."""
    http = make(server.port, ca_file=str(certs.ca))
    for _ in range(3):
        assert http.call("POST", "/in", body=BODY).body == b"done"
    http.close()
    assert server.asked == 3


def test_a_server_of_another_authority_gets_nothing(server: Server, tmp_path: Path) -> None:
    """By ca_file and by the system's authorities alike."""
    other = make_certs(tmp_path / "other")
    for files in ({"ca_file": str(other.ca)}, {}):
        found = failing(make(server.port, **files))
        assert f"the certificate of localhost:{server.port} is not trusted" in found.reason
        assert "ca_file" in found.remedy
    assert server.asked == 0


def test_a_certificate_of_another_name_gets_nothing(tmp_path: Path) -> None:
    """A right authority with a wrong name is an impostor all the same."""
    other = make_certs(tmp_path / "other", ("errors.example.org",))
    server = Server(other)
    found = failing(make(server.port, ca_file=str(other.ca)))
    server.close()
    assert "is not trusted" in found.reason
    assert server.asked == 0


def test_a_client_shows_its_certificate_where_it_is_wanted(certs: Certs) -> None:
    """Without one nothing is asked; in TLS 1.3 how it is told is a matter of chance."""
    server = Server(certs, ca=certs.ca)
    files = {"cert_file": str(certs.client), "key_file": str(certs.client_key)}
    http = make(server.port, ca_file=str(certs.ca), **files)
    assert http.call("POST", "/in", body=BODY).body == b"done"
    http.close()
    failing(make(server.port, ca_file=str(certs.ca)))
    server.close()
    assert server.asked == 1


def test_a_file_that_can_not_be_used_is_named(server: Server, tmp_path: Path) -> None:
    """It may be mended while events wait."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nothing")
    found = failing(make(server.port, ca_file=str(nonsense)))
    assert "ca_file" in found.reason and "can't be used" in found.reason


def test_a_tunnel_leads_through_a_proxy(server: Server, certs: Certs) -> None:
    """The server's certificate is verified all the same."""
    proxy = Proxy()
    way = {"proxy": f"http://127.0.0.1:{proxy.port}"}
    http = make(server.port, ca_file=str(certs.ca), **way)
    for _ in range(2):
        assert http.call("POST", "/in", body=BODY).body == b"done"
    http.close()
    assert "is not trusted" in failing(make(server.port, **way)).reason
    proxy.close()
    assert proxy.asked[0].startswith(f"CONNECT localhost:{server.port} ".encode())
    assert server.asked == 2
