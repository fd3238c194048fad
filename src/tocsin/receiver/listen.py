"""A ``--listen`` URL goes in; where to listen and by what leaves, and a bound socket of it, or what is wrong."""

from __future__ import annotations

import os
import re
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote

from tocsin.event.errors import ConfigError, StoreError
from tocsin.sinks.address import Transport
from tocsin.sinks.endpoint import host_name, is_loopback
from tocsin.sinks.socket.protocol import PORT
from tocsin.sinks.url import bracketed, parameters, split

if TYPE_CHECKING:
    import ssl

__all__ = ["Listen", "TlsFiles", "bound", "listen_of", "tls_context"]

_BACKLOG: Final = 128
_UDP_BUFFER_BYTES: Final = 4_194_304  # a burst waits there while records are forced to the disk
_FORM: Final = "must look like tls://0.0.0.0:9797, tcp://127.0.0.1:9797, udp://0.0.0.0:9797 or unix:///run/errors.sock"


@dataclass(frozen=True, slots=True)
class Listen:
    """Say where to listen; ``path`` and ``mode`` are for unix."""

    transport: Transport
    host: str = ""
    port: int = 0
    path: str = ""
    mode: int = 0o600

    @property
    def where(self) -> str:
        """Return ``tls://0.0.0.0:9797`` or ``unix:///run/errors.sock``."""
        return f"unix://{self.path}" if self.path else f"{self.transport}://{bracketed(self.host)}:{self.port}"

    @property
    def is_open_to_others(self) -> bool:
        """Tell whether other machines can reach it."""
        return self.transport != "unix" and not is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Name the PEM files of a receiver; with ``client_ca`` senders need a certificate of that authority."""

    cert: str
    key: str = ""
    client_ca: str = ""


def listen_of(url: str) -> Listen:
    """Return where a URL says to listen. Raises ConfigError."""
    parts = split(url)
    scheme = parts.scheme.lower()
    if scheme not in ("tcp", "tls", "udp", "unix") or parts.fragment or "@" in parts.netloc:
        raise ConfigError(f"--listen {_FORM}")
    options = parameters(parts.query)
    if scheme == "unix":
        return _unix(unquote(parts.path), parts.netloc, options)
    try:
        host, port = host_name(parts.hostname or ""), parts.port
    except ValueError:
        raise ConfigError(f"--listen {_FORM}") from None
    if options or parts.path.strip("/"):
        raise ConfigError(f"--listen {_FORM}")
    return Listen(cast("Transport", scheme), host, PORT if port is None else port)


def _unix(path: str, netloc: str, options: dict[str, str]) -> Listen:
    mode = options.pop("mode", "0600")
    if options or netloc or not path.strip("/") or not re.fullmatch("0?6[0246][0246]", mode):
        raise ConfigError("--listen unix: needs three slashes and a path; ?mode=0660 lets a group use it")
    return Listen("unix", path=path, mode=int(mode, 8))


def bound(listen: Listen) -> socket.socket:
    """Return a socket that listens there. Raises StoreError, which says why it can't."""
    try:
        return _unix_socket(listen) if listen.transport == "unix" else _network_socket(listen)
    except OSError as fault:
        raise StoreError(f"{listen.where} can't be listened on: {fault.strerror or fault}") from fault


def _network_socket(listen: Listen) -> socket.socket:
    sort = socket.SOCK_DGRAM if listen.transport == "udp" else socket.SOCK_STREAM
    family, _, _, _, address = socket.getaddrinfo(listen.host, listen.port, type=sort, flags=socket.AI_PASSIVE)[0]
    sock = socket.socket(family, sort)
    try:
        if sort == socket.SOCK_DGRAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_BUFFER_BYTES)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        if sort == socket.SOCK_STREAM:
            sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _unix_socket(listen: Listen) -> socket.socket:
    path = Path(listen.path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode) and not _answers(listen.path):
            path.unlink()  # of a receiver that was killed
        before = os.umask(0o777 & ~listen.mode)
        try:
            sock.bind(listen.path)
        finally:
            os.umask(before)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Return a server's context. Raises ConfigError, which names the file that can't be used."""
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # A password of its own, or OpenSSL would ask for one on the terminal.
        context.load_cert_chain(files.cert, files.key or None, password="")
    except (OSError, ValueError) as fault:
        what = f"--cert {files.cert!r}" + (f" with --key {files.key!r}" if files.key else "")
        raise ConfigError(f"{what} can't be used: {getattr(fault, 'strerror', None) or fault}") from None
    if files.client_ca:
        try:
            context.load_verify_locations(files.client_ca)
        except OSError as fault:
            raise ConfigError(f"--client-ca {files.client_ca!r} can't be used: {fault.strerror or fault}") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context
