"""Validated options or a URL go in; a mail server, addresses and a policy leave, or every fault of them at once."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast
from urllib.parse import unquote

from tocsin.config.setting import Setting, choice, count, duration_s, port, text, texts
from tocsin.event.errors import ConfigError
from tocsin.sinks.url import parameters, split

__all__ = ["POLICY_KEYS", "SETTINGS", "Server", "Tls", "default_sender", "from_url", "is_loopback", "server_of"]

Tls: TypeAlias = Literal["starttls", "implicit", "none"]

_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.\[\]:_-]{1,255}")
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_HOUR: Final = re.compile(r"([01]?\d|2[0-3]):00")


@dataclass(frozen=True, slots=True)
class Server:
    """Name a mail server and how to talk to it. ``timeout_s`` bounds each step of a conversation."""

    host: str
    port: int
    tls: Tls
    timeout_s: float
    ca_file: str = ""
    user: str = ""
    password: str = field(default="", repr=False)


def _address(value: Any) -> str:
    """Parse one bare mail address in ASCII: SMTP without extensions carries no other."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value.strip()):
        raise ValueError("must be a mail address such as ops@example.org")
    return value.strip()


def _addresses(value: Any) -> tuple[str, ...]:
    """Parse a list of addresses, at least one; each is kept once."""
    try:
        found = tuple(dict.fromkeys(_address(part) for part in texts(value)))
    except ValueError:
        found = ()
    if not found:
        raise ValueError("must be one or more mail addresses such as ops@example.org")
    return found


def _host(value: Any) -> str:
    """Parse a host name or an IP address; names beyond ASCII are given in their ``xn--`` form."""
    name = text(value).strip().strip("[]")
    if not _HOST.fullmatch(name):
        raise ValueError("must be a host name or an IP address, such as mail.example.org")
    return name.lower()


def _hour(value: Any) -> int:
    """Parse a full hour of the day, such as 08:00."""
    match = _HOUR.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a full hour such as 08:00")
    return int(match[1])


def _timeout_s(value: Any) -> float:
    seconds = duration_s(value)
    if not 0.1 <= seconds <= 600:
        raise ValueError("must be from 0.1 to 600 seconds")
    return seconds


SETTINGS: Final = (
    Setting("host", _host, None, "the mail server's name, such as mail.example.org", is_required=True),
    Setting(
        "port", port, None, "its port; left out: 465 with implicit TLS, 587 with a user, else 25", type_name="port"
    ),
    Setting("to", _addresses, (), "who is told, such as ops@example.org", type_name="list", is_required=True),
    Setting("sender", _address, "", "the address mails come from; left out: tocsin@ and this host's name"),
    Setting("user", text, "", "the name to log in with; left out: no login"),
    Setting("password", text, "", "its password; better kept in a file named by password_file", is_secret=True),
    Setting(
        "tls",
        choice("auto", "starttls", "implicit", "none"),
        "auto",
        "starttls (required, not tried), implicit or none; auto: implicit on port 465, none on loopback, else starttls",
        type_name="word",
    ),
    Setting("ca_file", text, "", "PEM file of the authority to trust instead of the system's", type_name="path"),
    Setting(
        "timeout",
        _timeout_s,
        10.0,
        "how long one step of a delivery may take; a whole one: six times that",
        unit="s",
        type_name="duration",
    ),
    Setting("first_within", duration_s, 10.0, "a new fault is told within this time", "s", "duration"),
    Setting("gather", duration_s, 300.0, "further new faults within this time share one mail", "s", "duration"),
    Setting("silence", duration_s, 3600.0, "a fault silent for so long has gone quiet", "s", "duration"),
    Setting("update_interval", duration_s, 3600.0, "at most one update of a fault in this time", "s", "duration"),
    Setting("cap_per_hour", count, 10, "mails an hour over all faults; past it, summaries", "mails", "number"),
    Setting("digest_at", _hour, 8, "when the daily digest leaves, in local time", "", "HH:00"),
)

# Setting → the name and unit that routing's policy has for it.
POLICY_KEYS: Final = {
    "first_within": "first_within_s",
    "gather": "gather_s",
    "silence": "silence_s",
    "update_interval": "update_interval_s",
    "cap_per_hour": "cap_per_hour",
    "digest_at": "digest_hour",
}


def server_of(options: Mapping[str, Any]) -> Server:
    """Return the server that validated options name. Raises ConfigError with all that only the whole can show."""
    host, user, password = options["host"], options["user"], options["password"]
    tls = _tls(options["tls"], options["port"], host)
    faults = []
    if user and not password:
        faults.append("password is required where user is given; name a file that holds it by password_file")
    if password and not user:
        faults.append("user is required where a password is given")
    if password and tls == "none" and not is_loopback(host):
        faults.append(f'tls = "none" would send the password in clear to {host}; set tls = "starttls" or "implicit"')
    ca_file = options["ca_file"]
    if ca_file and not Path(ca_file).is_file():
        faults.append(f"ca_file must be a file that is there (it is {ca_file!r})")
    if faults:
        raise ConfigError(faults)
    number = options["port"] or (465 if tls == "implicit" else 587 if user else 25)
    return Server(host, number, tls, options["timeout"], ca_file, user, password)


def _tls(word: str, number: int | None, host: str) -> Tls:
    if word != "auto":
        return cast("Tls", word)
    return "implicit" if number == 465 else "none" if is_loopback(host) else "starttls"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its very name; nothing is looked up."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def default_sender(host: str) -> str:
    """Return ``tocsin@<host>``, made fit for an address."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", host).strip("-.").lower()
    return f"tocsin@{name[:255] or 'localhost'}"


def from_url(url: str) -> dict[str, Any]:
    """Turn ``smtp://user:password@host:port?to=a&to=b&from=c`` into options as a table would have them.

    ``smtps`` means implicit TLS. Every other setting can stand in the query; ``from`` is the sender if it is an
    address. Raises ConfigError, which never shows the URL: a password may be in it.
    """
    form = "it must look like smtp://user:password@mail.example.org:587?to=ops@example.org"
    parts = split(url)
    try:
        host, number = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"the port of the mail URL must be a number: {form}") from None
    if not host or parts.path not in ("", "/") or parts.fragment:
        raise ConfigError(f"the mail URL can't be read: {form}; within user and password, @ is written %40, / %2F")
    options: dict[str, Any] = {**parameters(parts.query), "host": host}
    if "@" in str(options.get("from", "")):
        options["sender"] = options.pop("from")
    if number is not None:
        options["port"] = number
    if parts.scheme == "smtps":
        options["tls"] = "implicit"
    if parts.username:
        options["user"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    return options
