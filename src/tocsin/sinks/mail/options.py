"""Validated options or a URL go in; a mail server, addresses and a policy leave, or every fault of them at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast
from urllib.parse import unquote

from tocsin.config.setting import Setting, choice, port, text, texts
from tocsin.config.values import one_line
from tocsin.event.errors import ConfigError
from tocsin.sinks.endpoint import TIMEOUT, TLS_FILES, host_name, is_loopback, tls_file_faults
from tocsin.sinks.telling import TELLING
from tocsin.sinks.url import host_and_port, parameters, split

__all__ = ["SETTINGS", "Server", "Tls", "default_sender", "from_url", "server_of"]

Tls: TypeAlias = Literal["starttls", "implicit", "none"]

_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.\[\]:_-]{1,255}")


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
    cert_file: str = ""
    key_file: str = ""


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


SETTINGS: Final = (
    Setting("host", host_name, None, "the mail server's name, such as mail.example.org", is_required=True),
    Setting(
        "port", port, None, "its port; left out: 465 with implicit TLS, 587 with a user, else 25", type_name="port"
    ),
    Setting("to", _addresses, (), "who is told, such as ops@example.org", type_name="list", is_required=True),
    Setting("sender", _address, "", "the address mails come from; left out: tocsin@ and this host's name"),
    Setting("sender_name", one_line, "tocsin", "the name mails come from, beside that address; may be empty"),
    Setting("user", text, "", "the name to log in with; left out: no login"),
    Setting("password", text, "", "its password; better kept in a file named by password_file", is_secret=True),
    Setting(
        "tls",
        choice("auto", "starttls", "implicit", "none"),
        "auto",
        "starttls (required, not tried), implicit or none; auto: implicit on port 465, none on loopback, else starttls",
        type_name="word",
    ),
    *TLS_FILES,
    TIMEOUT,
    *TELLING,
)


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
    faults += tls_file_faults(options, is_tls=tls != "none", needs="connections with TLS")
    if faults:
        raise ConfigError(faults)
    number = options["port"] or (465 if tls == "implicit" else 587 if user else 25)
    files = (options["cert_file"], options["key_file"])
    return Server(host, number, tls, options["timeout"], options["ca_file"], user, password, *files)


def _tls(word: str, number: int | None, host: str) -> Tls:
    if word != "auto":
        return cast("Tls", word)
    return "implicit" if number == 465 else "none" if is_loopback(host) else "starttls"


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
    host, number = host_and_port(parts, form)
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
