"""Validated options or a URL go in; where lines go and how leaves, or every fault of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import unquote

from tocsin.config.setting import Setting, between, boolean, choice, port, text
from tocsin.event.errors import ConfigError
from tocsin.sinks.address import Address, Transport
from tocsin.sinks.endpoint import TIMEOUT, TLS_FILES, host_name, is_loopback, tls_file_faults
from tocsin.sinks.socket.protocol import LINE_BYTES, PORT
from tocsin.sinks.url import host_and_port, parameters, split

__all__ = ["SETTINGS", "Way", "from_url", "way_of"]

_SCHEMES: Final = {
    "socket": "tcp",
    "socket+tcp": "tcp",
    "socket+tls": "tls",
    "socket+udp": "udp",
    "socket+unix": "unix",
}
_UDP_BYTES: Final = 1_400  # in one packet of Ethernet under IPv6, tunnels allowed for
_LEAST_BYTES: Final = 1_000  # holds what is never dropped
_MOST_BYTES: Final = 65_000  # what a datagram takes
_TOKEN_CHARS: Final = 1_024


@dataclass(frozen=True, slots=True)
class Way:
    """Say how lines go: where to, whether they are acknowledged, how long a line may be. Shows no token."""

    address: Address
    is_acknowledged: bool
    max_bytes: int
    token: str

    def __repr__(self) -> str:
        return f"Way({self.address!r}, is_acknowledged={self.is_acknowledged}, max_bytes={self.max_bytes})"


def _token(value: Any) -> str:
    token = text(value)
    if len(token) > _TOKEN_CHARS:
        raise ValueError(f"must have at most {_TOKEN_CHARS} characters")
    return token


SETTINGS: Final = (
    Setting("host", host_name, "", "the receiver; left out: one on this machine, by the socket named by path"),
    Setting("port", port, None, f"its port; left out: {PORT}", type_name="port"),
    Setting("transport", choice("tcp", "tls", "udp"), "tcp", "tcp, tls or udp; for a receiver named by host"),
    Setting("path", text, "", "a Unix stream socket", type_name="path"),
    Setting(
        "acknowledge",
        boolean,
        None,
        "whether the receiver says what it has taken, as `tocsin receive` does; false for one that only reads lines. "
        "Left out: true, but by udp",
        type_name="boolean",
    ),
    Setting("token", _token, "", "what the receiver knows this sender by; not by udp", is_secret=True),
    Setting(
        "max_bytes",
        between(_LEAST_BYTES, _MOST_BYTES),
        None,
        f"for udp: a longer line is shortened and says so; left out: {_UDP_BYTES:,}",
        unit="bytes",
        type_name="whole number",
    ),
    *TLS_FILES,
    TIMEOUT,
)


def way_of(options: Mapping[str, Any]) -> Way:
    """Return how lines go by validated options. Raises ConfigError with all that only the whole can show."""
    host, transport = options["host"], options["transport"]
    kind = cast("Transport", transport if host else "unix")
    faults = _faults(options, kind)
    if faults:
        raise ConfigError(faults)
    address = Address(
        kind,
        host,
        0 if kind == "unix" else options["port"] or PORT,
        options["path"],
        options["timeout"],
        options["ca_file"],
        options["cert_file"],
        options["key_file"],
    )
    is_acknowledged = kind != "udp" and options["acknowledge"] is not False
    max_bytes = options["max_bytes"] or _UDP_BYTES if kind == "udp" else LINE_BYTES
    return Way(address, is_acknowledged, max_bytes, options["token"])


def _faults(options: Mapping[str, Any], kind: Transport) -> list[str]:
    faults = []
    if kind == "unix" and not options["path"]:
        faults.append("host is required: the receiver, such as errors.example.org; or path, a Unix socket of this host")
    elif kind == "unix":
        given = ["port"] * (options["port"] is not None) + ["transport"] * (options["transport"] != "tcp")
        faults += [f"{name} needs a host; a receiver named by path has none" for name in given]
    elif options["path"]:
        faults.append("host and path are both given; leave one out")
    if kind == "udp" and options["acknowledge"]:
        faults.append("acknowledge is not for udp, by which nothing comes back")
    if kind != "udp" and options["max_bytes"]:
        faults.append("max_bytes is for udp; elsewhere a line has whatever length its event has")
    faults += _token_faults(options, kind)
    return faults + tls_file_faults(options, is_tls=kind == "tls", needs='transport = "tls"')


def _token_faults(options: Mapping[str, Any], kind: Transport) -> list[str]:
    if not options["token"]:
        return []
    if kind == "udp" or options["acknowledge"] is False:
        return ["token goes with the hello: it needs acknowledge = true, and tls, a Unix socket or a local tcp"]
    if kind == "tcp" and not is_loopback(options["host"]):
        return ['token would travel in clear: set transport = "tls"']
    return []


def from_url(url: str) -> dict[str, Any]:
    """Turn ``socket+tls://host:9797`` or ``socket+unix:///run/errors.sock`` into options.

    Every other setting can stand in the query. Raises ConfigError.
    """
    form = "it must look like socket://errors.example.org:9797, socket+tls://…, socket+udp://… or socket+unix:///path"
    parts = split(url)
    host, number = host_and_port(parts, form)
    transport = _SCHEMES[parts.scheme.lower()]
    path = unquote(parts.path)
    options = parameters(parts.query)
    is_unix = transport == "unix"
    if parts.fragment or "@" in parts.netloc or (path.strip("/") and not is_unix):
        raise ConfigError(f"the socket URL can't be read: {form}")
    if is_unix:
        if parts.netloc or not path.strip("/"):
            raise ConfigError(f"the socket URL needs three slashes and a path: {form}")
        return {**options, "path": path}
    if not host:
        raise ConfigError(f"the socket URL needs a host: {form}")
    options |= {"host": host, "transport": transport}
    return options if number is None else {**options, "port": number}
