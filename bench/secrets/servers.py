"""Loopback servers that keep what comes: bytes arrive by HTTP, SMTP or plain TCP, and are taken out per delivery."""

from __future__ import annotations

import email
import email.policy
import gzip
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

__all__ = ["Lines", "Posts", "mail_views", "serving"]

_BUFFER_BYTES: Final = 8 << 20


class Posts:
    """What was posted to an HTTP server or mailed to an SMTP server of this machine."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.port = 0

    def take(self) -> bytes:
        """Return what came since the last time."""
        kept, self.kept[:] = b"\n".join(self.kept), []
        return kept


class Lines:
    """What was written to a TCP port: it is in the kernel's buffer when the writer's call returns."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._server.setblocking(False)
        self._open: list[socket.socket] = []
        self.port: int = self._server.getsockname()[1]

    def take(self) -> bytes:
        """Return what came since the last time."""
        try:
            while True:
                self._open.append(self._server.accept()[0])
                self._open[-1].setblocking(False)
        except BlockingIOError:
            pass
        return b"".join(map(_all_of, self._open))

    def close(self) -> None:
        """Close the port."""
        for each in (*self._open, self._server):
            each.close()


def _all_of(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(1 << 20):
            parts.append(part)
    except BlockingIOError:
        pass
    return b"".join(parts)


def mail_views(data: bytes) -> bytes:
    """Return a mail as it came, with its headers and parts decoded beside it."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    headers = "\n".join(f"{name}: {value}" for name, value in message.items()).encode()
    parts = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    return b"\n".join([data, headers, *(part for part in parts if isinstance(part, bytes))])


@contextmanager
def serving() -> Iterator[tuple[Posts, Posts]]:
    """Run an HTTP and an SMTP server for the length of the block."""
    posts, mails = Posts(), Posts()
    with ExitStack() as stack:
        for kept, server in (
            (posts, ThreadingHTTPServer(("127.0.0.1", 0), _http(posts))),
            (mails, socketserver.ThreadingTCPServer(("127.0.0.1", 0), _smtp(mails))),
        ):
            server.daemon_threads = True
            server.block_on_close = False
            kept.port = server.server_address[1]
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
        yield posts, mails


def _http(posts: Posts) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            posts.kept.append(str(self.headers).encode() + body)
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _smtp(mails: Posts) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            self._say("220 loopback")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self._say("354 go on")
                    self._data()
                    self._say("250 kept")
                elif word == b"QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 fine")

        def _data(self) -> None:
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line[1:] if line.startswith(b".") else line)
            mails.kept.append(mail_views(b"".join(lines)))

        def _say(self, text: str) -> None:
            self.wfile.write(text.encode() + b"\r\n")

    return Handler
