"""Validated options or a URL go in; where syslog messages go and how they look leaves, or every fault of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast
from urllib.parse import unquote

from tocsin.config.setting import Setting, boolean, choice, count, duration_s, port, text
from tocsin.event.errors import ConfigError
from tocsin.sinks.syslog.message import Style
from tocsin.sinks.url import parameters, split

__all__ = ["SETTINGS", "Destination", "Framing", "Transport", "destination_of", "from_url", "style_of"]

Transport: TypeAlias = Literal["tcp", "tls", "udp", "unix"]
Framing: TypeAlias = Literal["octets", "lf"]

_DEFAULT_PATH: Final = "/dev/log"
_PORTS: Final = {"tcp": 514, "udp": 514, "tls": 6514}  # RFC 6587 §6.1, RFC 5426 §3.3, RFC 5425 §4.1
_SCHEMES: Final = {"syslog": "tcp", "syslog+tcp": "tcp", "syslog+tls": "tls", "syslog+udp": "udp"}
_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]{1,255}")
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
class Destination:
    """Say where messages go. ``path`` is set for unix, ``host`` and ``port`` for the others; "" is "none"."""

    transport: Transport
    host: str = ""
    port: int = 0
    path: str = ""
    framing: Framing = "octets"
    timeout_s: float = 10.0
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def where(self) -> str:
        """Return ``log.example.org:514`` or the path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"


def _host(value: Any) -> str:
    name = text(value).strip().strip("[]")
    labels = name.removesuffix(".").split(".")
    if not _HOST.fullmatch(name) or not all(0 < len(label) <= 63 for label in labels):  # else resolving raises
        raise ValueError("must be a host name or an IP address, such as log.example.org")
    return name.lower()


def _max_bytes(value: Any) -> int:
    number = count(value)
    if not _LEAST_BYTES <= number <= _MOST_BYTES:
        raise ValueError(f"must be a whole number from {_LEAST_BYTES} to {_MOST_BYTES}")
    return number


def _timeout_s(value: Any) -> float:
    seconds = duration_s(value)
    if not 0.1 <= seconds <= 600:
        raise ValueError("must be from 0.1 to 600 seconds")
    return seconds


SETTINGS: Final = (
    Setting("host", _host, "", "the syslog server; left out: this machine's, by the socket named by path"),
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
        _max_bytes,
        None,
        f"a longer message is cut and says so; left out: {_UDP_BYTES:,} by UDP, else {_OTHER_BYTES:,}",
        unit="bytes",
        type_name="whole number",
    ),
    Setting("bom", boolean, False, "whether the text begins with a byte order mark", type_name="boolean"),
    Setting("ca_file", text, "", "PEM file of the authority to trust instead of the system's", type_name="path"),
    Setting("cert_file", text, "", "PEM file of the certificate to show to the server", type_name="path"),
    Setting("key_file", text, "", "PEM file of its key; left out: it is in cert_file", type_name="path"),
    Setting(
        "timeout",
        _timeout_s,
        10.0,
        "how long one step of a delivery may take; a whole one: six times that",
        unit="s",
        type_name="duration",
    ),
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
        options["framing"] or ("lf" if is_unix else "octets"),
        options["timeout"],
        options["ca_file"],
        options["cert_file"],
        options["key_file"],
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
    for name in ("ca_file", "cert_file", "key_file"):
        path = options[name]
        if path and kind != "tls":
            faults.append(f'{name} is for transport = "tls"')
        elif path and not Path(path).is_file():
            faults.append(f"{name} must be a file that is there (it is {path!r})")
    if options["key_file"] and not options["cert_file"]:
        faults.append("cert_file is required where key_file is given")
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
    try:
        host, number = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"the port of the syslog URL must be a number: {form}") from None
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
