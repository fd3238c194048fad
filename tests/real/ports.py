"""Ports of this machine: how many are wanted goes in; such as nothing listens on leave."""

from __future__ import annotations

import socket

__all__ = ["free_port", "free_ports"]


def free_port() -> int:
    """Return a port that is free for TCP and UDP at this moment."""
    return free_ports(1)[0]


def free_ports(number: int) -> list[int]:
    """Return ports that are free for TCP and UDP at this moment, each once."""
    found: list[int] = []
    while len(found) < number:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in found:
                found.append(port)
    return found
