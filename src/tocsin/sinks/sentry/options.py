"""A DSN as text or a URL goes in; where envelopes go, and with which key, leaves, or every fault of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from tocsin.config.setting import Setting, text
from tocsin.event.errors import ConfigError
from tocsin.sinks.endpoint import host_name
from tocsin.sinks.http import HTTP_SETTINGS
from tocsin.sinks.url import bracketed, parameters, split

__all__ = ["SETTINGS", "Dsn", "dsn_of", "from_url"]

_FORM: Final = "must look like https://KEY@errors.example.org/1, as the server shows it among the project's settings"
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/([A-Za-z0-9_-]{1,64})/?")


@dataclass(frozen=True, slots=True)
class Dsn:
    """Say where envelopes go. ``base`` is the server's URL, with the path it lies under, without a slash at its end."""

    base: str
    project: str
    key: str = field(repr=False)

    @property
    def path(self) -> str:
        """Return the path of the endpoint for envelopes, below ``base``."""
        return f"/api/{self.project}/envelope/"

    @property
    def where(self) -> str:
        """Return host, port, path and project without the key: ``errors.example.org/1``."""
        return f"{self.base.partition('://')[2]}/{self.project}"


def dsn_of(value: str) -> Dsn:
    """Return the parts of a DSN. Raises ConfigError, which doesn't quote it.

    A second key behind a colon, as old servers gave out, is passed over: no server that takes envelopes asks for it.
    """
    try:
        parts = urlsplit(value.strip())
        host, port = host_name(parts.hostname), parts.port
    except ValueError:
        raise ConfigError(f"dsn {_FORM}") from None
    path = _PATH.fullmatch(parts.path)
    is_whole = parts.scheme.lower() in ("http", "https") and not parts.query and not parts.fragment and port != 0
    if not is_whole or path is None or not _KEY.fullmatch(parts.username or ""):
        raise ConfigError(f"dsn {_FORM}")
    number = "" if port is None else f":{port}"
    prefix = parts.path[: path.start(1) - 1]
    return Dsn(f"{parts.scheme.lower()}://{bracketed(host)}{number}{prefix}", path.group(1), parts.username or "")


SETTINGS: Final = (
    Setting(
        "dsn",
        text,
        "",
        "the project's DSN, such as https://KEY@errors.example.org/1",
        type_name="DSN",
        is_required=True,
        is_secret=True,
    ),
    *HTTP_SETTINGS,
)


def from_url(url: str) -> dict[str, Any]:
    """Turn ``sentry+https://KEY@host/1`` into options; other settings can stand in the query. Raises ConfigError."""
    parts = split(url)
    if parts.fragment:
        raise ConfigError(f"the sentry URL can't be read: behind sentry+ it {_FORM}")
    dsn = f"{parts.scheme.lower().removeprefix('sentry+')}://{parts.netloc}{parts.path}"
    try:
        dsn_of(dsn)
    except ConfigError:
        raise ConfigError(f"the sentry URL can't be read: behind sentry+ it {_FORM}") from None
    return {**parameters(parts.query), "dsn": dsn}
