"""A server that accepts everything at once: reports go in by HTTP and SMTP; the numbers of what arrived leave.

`Sink` starts it as a process of its own, so that none of its CPU time is anybody's. What arrived is told by the
number in each message ("order 000017 is gone"), whatever a client wraps around it.
"""

from __future__ import annotations

import json
import re
import socketserver
import subprocess
import sys
import threading
import urllib.request
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final

__all__ = ["Sink"]

_NUMBER: Final = re.compile(rb"order (\d{6}) is gone")
_ANSWER: Final = b'{"version": "8.15.0", "id": "0123456789abcdef0123456789abcdef", "err": 0}'
_arrived: set[bytes] = set()


class Sink:
    """Run the server; close it by leaving the `with` block."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        ports = json.loads(self._process.stdout.readline())
        self.http_port: int = ports["http"]
        self.smtp_port: int = ports["smtp"]
        self.url = f"http://127.0.0.1:{self.http_port}"

    def arrived(self) -> int:
        """Return how many different reports have arrived."""
        with urllib.request.urlopen(f"{self.url}/arrived", timeout=30) as answer:
            return int(answer.read())

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server."""
        self._process.kill()
        self._process.wait()


class _Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        if self.headers.get("Content-Encoding") in ("gzip", "deflate"):
            body = zlib.decompressobj(47).decompress(body)
        _arrived.update(_NUMBER.findall(body))
        self._answer(_ANSWER)

    def do_GET(self) -> None:
        self._answer(str(len(_arrived)).encode() if self.path == "/arrived" else _ANSWER)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return None


class _Smtp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 bench\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                _arrived.update(_NUMBER.findall(text))
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")
            if verb == b"QUIT":
                return


class _SmtpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 1024


class _HttpServer(ThreadingHTTPServer):
    request_queue_size = 1024  # some clients open a connection per report


def _serve() -> None:
    http, smtp = _HttpServer(("127.0.0.1", 0), _Http), _SmtpServer(("127.0.0.1", 0), _Smtp)
    threading.Thread(target=smtp.serve_forever, daemon=True).start()
    print(json.dumps({"http": http.server_address[1], "smtp": smtp.server_address[1]}), flush=True)
    http.serve_forever()


if __name__ == "__main__":
    _serve()
