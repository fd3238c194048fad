"""Servers that misbehave: a way to do so goes in, a loopback port leaves. Each is a thread, gone with the block."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["BAD", "bad_server"]

_DRIP_S: Final = 0.05


def silent(connection: socket.socket, end: threading.Event) -> None:
    """Accept and never say a word: what a half-open connection looks like."""
    end.wait()


def hangs_up(connection: socket.socket, end: threading.Event) -> None:
    """Close as soon as anything comes."""
    connection.recv(1)


def resets(connection: socket.socket, end: threading.Event) -> None:
    """Reset the connection as soon as anything comes."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def drips(connection: socket.socket, end: threading.Event) -> None:
    """Send one byte now and then, for ever: no pause between two is long enough for a timeout."""
    while not end.wait(_DRIP_S):
        connection.send(b"2")


def drips_an_http_body(connection: socket.socket, end: threading.Event) -> None:
    """Answer 200, then drip."""
    connection.recv(65_536)
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    drips(connection, end)


def babbles(connection: socket.socket, end: threading.Event) -> None:
    """Speak another protocol."""
    connection.send(b"\x00\xff* NO such thing\r\n" * 100)
    end.wait()


BAD: Final[tuple[Callable[[socket.socket, threading.Event], None], ...]] = (
    silent, hangs_up, resets, drips, drips_an_http_body, babbles,
)  # fmt: skip


@contextmanager
def bad_server(
    behave: Callable[[socket.socket, threading.Event], None], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Yield the port of a server that treats every connection so; with ``context``, once TLS is agreed on."""
    end = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=50)
    listener.settimeout(0.05)
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(None)
            if context is None:
                behave(connection, end)
            else:
                with context.wrap_socket(connection, server_side=True) as secured:
                    behave(secured, end)

    def accept() -> None:
        while not end.is_set():
            with contextlib.suppress(TimeoutError):
                thread = threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True)
                thread.start()
                threads.append(thread)

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        end.set()
        accepting.join()
        listener.close()
