"""Validated options or a URL go in; where syslog messages go and how they look leaves, or every fault of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast
from urllib.parse import unquote

from tocsin.config.setting import Setting, between, boolean, choice, port, text
from tocsin.event.errors import ConfigError
from tocsin.sinks.address import Address, Transport
from tocsin.sinks.endpoint import TIMEOUT, TLS_FILES, host_name, tls_file_faults
from tocsin.sinks.syslog.message import Style
from tocsin.sinks.url import host_and_port, parameters, split

__all__ = ["SETTINGS", "Destination", "Framing", "destination_of", "from_url", "style_of"]

Framing: TypeAlias = Literal["octets", "lf"]

_DEFAULT_PATH: Final = "/dev/log"
_PORTS: Final = {"tcp": 514, "udp": 514, "tls": 6514}  # RFC 6587 §6.1, RFC 5426 §3.3, RFC 5425 §4.1
_SCHEMES: Final = {"syslog": "tcp", "syslog+tcp": "tcp", "syslog+tls": "tls", "syslog+udp": "udp"}
_UDP_BYTES: Final = 1_400  # in one packet of Ethernet under IPv6, tunnels allowed for
_OTHER_BYTES: Final = 8_000  # rsyslog takes 8,096 where nobody has told it otherwise
_LEAST_BYTES: Final = 480  # what every receiver has to take (RFC 5424 §6.1)
_MOST_BYTES: Final = 65_000  # what a datagram takes
_NAMED: Final = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp")
_FACILITIES: Final = {  # RFC 5424 §6.2.1; the numbers between have no names that all agree on
    **{name: number for number, name in enumerate(_NAMED)},
    **{f"local{number}": 16 + number for number in range(8)},
}


@dataclass(frozen=True, slots=True)
class Destination(Address):
    """Say where messages go, and how each is told from the next in a stream."""

    framing: Framing = "octets"


SETTINGS: Final = (
    Setting("host", host_name, "", "the syslog server; left out: this machine's, by the socket named by path"),
    Setting("port", port, None, "its port; left out: 6514 with TLS, else 514", type_name="port"),
    Setting("transport", choice("tcp", "tls", "udp"), "tcp", "tcp, tls or udp; for a server named by host"),
    Setting("path", text, "", f"a Unix socket, datagram or stream; left out: {_DEFAULT_PATH}", type_name="path"),
    Setting(
        "framing",
        choice("octets", "lf"),
        None,
        "octets: each message after its length; lf: each message a line. Left out: lf on a Unix stream, else octets",
        type_name="octets or lf",
    ),
    Setting("facility", choice(*_FACILITIES), "user", "the facility, such as user, daemon or local0", type_name="word"),
    Setting(
        "max_bytes",
        between(_LEAST_BYTES, _MOST_BYTES),
        None,
        f"a longer message is cut and says so; left out: {_UDP_BYTES:,} by UDP, else {_OTHER_BYTES:,}",
        unit="bytes",
        type_name="whole number",
    ),
    Setting("bom", boolean, False, "whether the text begins with a byte order mark", type_name="boolean"),
    *TLS_FILES,
    TIMEOUT,
)


def destination_of(options: Mapping[str, Any]) -> Destination:
    """Return where validated options lead. Raises ConfigError with all that only the whole can show."""
    host, transport = options["host"], options["transport"]
    kind = cast("Transport", transport if host else "unix")
    faults = _faults(options, kind)
    if faults:
        raise ConfigError(faults)
    is_unix = kind == "unix"
    return Destination(
        kind,
        host,
        0 if is_unix else options["port"] or _PORTS[kind],
        options["path"] or _DEFAULT_PATH if is_unix else "",
        options["timeout"],
        options["ca_file"],
        options["cert_file"],
        options["key_file"],
        options["framing"] or ("lf" if is_unix else "octets"),
    )


def _faults(options: Mapping[str, Any], kind: Transport) -> list[str]:
    faults = []
    if kind == "unix":
        given = [name for name in ("port",) if options[name]] + ["transport"] * (options["transport"] != "tcp")
        faults += [f"{name} needs a host; a server named by path has none" for name in given]
    elif options["path"]:
        faults.append("host and path are both given; leave one out")
    if kind == "udp" and options["framing"]:
        faults.append("framing is for tcp, tls and Unix sockets; by udp each message is a datagram")
    faults += tls_file_faults(options, is_tls=kind == "tls", needs='transport = "tls"')
    return faults


def style_of(options: Mapping[str, Any]) -> Style:
    """Return how messages look by validated options."""
    is_udp = bool(options["host"]) and options["transport"] == "udp"
    max_bytes = options["max_bytes"] or (_UDP_BYTES if is_udp else _OTHER_BYTES)
    return Style(_FACILITIES[options["facility"]], max_bytes, options["bom"])


def from_url(url: str) -> dict[str, Any]:
    """Turn ``syslog://host:514``, ``syslog+udp://host``, ``syslog+tls://host`` or ``syslog:///dev/log`` into options.

    Every other setting can stand in the query. Raises ConfigError.
    """
    form = "it must look like syslog://log.example.org:514, syslog+udp://…, syslog+tls://… or syslog:///dev/log"
    parts = split(url)
    host, number = host_and_port(parts, form)
    scheme = parts.scheme.lower()
    path = unquote(parts.path)
    is_network = bool(host)
    if parts.fragment or "@" in parts.netloc or (is_network and path not in ("", "/")):
        raise ConfigError(f"the syslog URL can't be read: {form}")
    if not is_network and (parts.netloc or scheme != "syslog"):
        raise ConfigError(f"the syslog URL needs a host: {form}")
    options = parameters(parts.query)
    if is_network:
        options |= {"host": host, "transport": options.get("transport", _SCHEMES[scheme])}
        return options if number is None else {**options, "port": number}
    return {**options, "path": path} if path.strip("/") else options
