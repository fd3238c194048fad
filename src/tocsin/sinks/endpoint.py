"""The settings of sinks that connect: raw values go in; hosts, times, TLS files and http URLs leave, checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tocsin.config.setting import Setting, duration_s, text

__all__ = [
    "CA_FILE",
    "CERT_FILE",
    "KEY_FILE",
    "TIMEOUT",
    "TLS_FILES",
    "clear_secret_faults",
    "exact_http_url",
    "host_name",
    "http_headers",
    "http_url",
    "is_loopback",
    "timeout_s",
    "tls_file_faults",
]

_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]{1,255}")

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110 §5.6.2
_VALUE: Final = re.compile(r"[\t\x20-\x7e]{0,8192}")
# Set by HTTP, or by the sinks themselves.
_OURS: Final = frozenset(
    {"content-type", "content-encoding", "content-length", "host", "transfer-encoding", "connection"}
)


def host_name(value: Any) -> str:
    """Parse a host name or an IP address; names beyond ASCII are given in their ``xn--`` form."""
    name = text(value).strip().strip("[]")
    labels = name.removesuffix(".").split(".")
    if not _HOST.fullmatch(name) or not all(0 < len(label) <= 63 for label in labels):  # else resolving raises
        raise ValueError("must be a host name or an IP address, such as errors.example.org")
    return name.lower()


def http_url(value: Any) -> str:
    """Parse an http or https URL without credentials and fragment; a slash at its end is dropped."""
    url = text(value).strip()
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme.lower() in ("http", "https") and bool(host_name(parts.hostname)) and parts.port != 0
    except ValueError:
        is_whole = False
    if not url.isascii():
        raise ValueError("must be in ASCII: a host's name beyond it is given in its xn-- form, a path percent-encoded")
    if not is_whole or not url.isprintable() or " " in url:
        raise ValueError("must be a URL such as https://errors.example.org/path")
    if parts.username is not None or parts.fragment:
        raise ValueError("must be a URL without user, password and #; secrets have settings of their own")
    return url.rstrip("/")


def exact_http_url(value: Any) -> str:
    """Parse an http or https URL as `http_url`, and keep it as it is: a slash at its end may make another address."""
    http_url(value)
    return text(value).strip()


def http_headers(value: Any) -> dict[str, str]:
    """Parse a table, or a text such as ``authorization=Bearer abc,x-scope-orgid=shop``."""
    if isinstance(value, str):
        pairs = [part.partition("=") for part in re.split(r"[,\n]", value) if part.strip()]
        if not all(equals for _, equals, _ in pairs):
            raise ValueError("must be a table, or a text such as authorization=…,x-scope-orgid=…")
        value = {unquote(name).strip(): unquote(each).strip() for name, _, each in pairs}
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in (*value, *value.values())):
        raise ValueError("must be a table of texts")
    for name, each in value.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(each):
            raise ValueError("must have names and values that HTTP allows: ASCII, without line breaks")
        if name.lower() in _OURS:
            raise ValueError(f"must not have {name.lower()}, which is set here")
    return dict(value)


def timeout_s(value: Any) -> float:
    """Parse how long a step may take: 0.1 to 600 seconds."""
    seconds = duration_s(value)
    if not 0.1 <= seconds <= 600:
        raise ValueError("must be from 0.1 to 600 seconds")
    return seconds


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its very name; nothing is looked up."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


CA_FILE: Final = Setting(
    "ca_file", text, "", "PEM file of the authority to trust instead of the system's", type_name="path"
)
CERT_FILE: Final = Setting("cert_file", text, "", "PEM file of the certificate to show to the server", type_name="path")
KEY_FILE: Final = Setting("key_file", text, "", "PEM file of its key; left out: it is in cert_file", type_name="path")
TLS_FILES: Final = (CA_FILE, CERT_FILE, KEY_FILE)
TIMEOUT: Final = Setting(
    "timeout",
    timeout_s,
    10.0,
    "how long one step of a delivery may take; a whole one: six times that",
    unit="s",
    type_name="duration",
)


def tls_file_faults(options: Mapping[str, Any], *, is_tls: bool, needs: str) -> list[str]:
    """Return the faults of the TLS files named in options. ``needs`` completes "ca_file is for …"."""
    faults = []
    for name in ("ca_file", "cert_file", "key_file"):
        path = options.get(name, "")
        if path and not is_tls:
            faults.append(f"{name} is for {needs}")
        elif path and not Path(path).is_file():
            faults.append(f"{name} must be a file that is there (it is {path!r})")
    if options.get("key_file") and not options.get("cert_file"):
        faults.append("cert_file is required where key_file is given")
    return faults


def clear_secret_faults(url: str, secrets: Mapping[str, str]) -> list[str]:
    """Return a fault for each secret (by setting) that would travel in clear to another machine."""
    parts = urlsplit(url)
    if parts.scheme.lower() != "http" or is_loopback((parts.hostname or "").lower()):
        return []
    return [f"url must begin with https: {name} would travel in clear" for name, value in secrets.items() if value]
