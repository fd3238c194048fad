"""Options or a URL go in; where log records go, and with which headers, leaves, or every fault of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from tocsin.config.setting import Setting
from tocsin.event.errors import ConfigError
from tocsin.event.masking.sensitive import SensitiveKeys
from tocsin.sinks.endpoint import http_headers, http_url
from tocsin.sinks.http import HTTP_SETTINGS
from tocsin.sinks.url import parameters, split

__all__ = ["SETTINGS", "Collector", "collector_of", "from_url"]

_PATH: Final = "/v1/logs"
_DEFAULT: Final = "http://localhost:4318"


@dataclass(frozen=True, slots=True)
class Collector:
    """Say where records go. ``base`` has no slash at its end; ``secrets`` are the values no clear text may carry."""

    base: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def where(self) -> str:
        """Return host, port and path: ``collector.example.org:4318/v1/logs``."""
        return self.base.partition("://")[2] + self.path

    @property
    def headers_digest(self) -> str:
        """Return ``/`` and a digest of the headers that are no secrets, ``""`` without any: they may name a tenant."""
        shown = sorted(
            (name.lower(), value) for name, value in self.headers.items() if value not in self.secrets.values()
        )
        return f"/{blake2b(repr(shown).encode(), digest_size=4).hexdigest()}" if shown else ""


SETTINGS: Final = (
    Setting(
        "endpoint",
        http_url,
        _DEFAULT,
        f"the collector's URL for OTLP over HTTP; {_PATH} is added where it isn't there",
        type_name="URL",
    ),
    Setting(
        "headers",
        http_headers,
        {},
        "headers to send along, such as authorization",
        type_name="table",
        is_secret=True,
    ),
    *HTTP_SETTINGS,
)


def collector_of(options: Mapping[str, Any]) -> Collector:
    """Return where records go by validated options. Raises ConfigError."""
    endpoint: str = options["endpoint"]
    if "?" in endpoint:
        raise ConfigError("endpoint must be a URL without a query")
    base = endpoint.removesuffix(_PATH)
    headers: dict[str, str] = options["headers"]
    sensitive = SensitiveKeys()
    secrets = {f"headers: {name}": value for name, value in headers.items() if sensitive.covers(name)}
    return Collector(base, _PATH, headers, secrets)


def from_url(url: str) -> dict[str, Any]:
    """Turn ``otlp+https://collector.example.org:4318`` into options; other settings can stand in the query.

    Raises ConfigError.
    """
    form = "it must look like otlp+https://collector.example.org:4318"
    parts = split(url)
    if parts.fragment or "@" in parts.netloc:
        raise ConfigError(f"the otlp URL can't be read, {form}; secrets go into headers")
    endpoint = f"{parts.scheme.lower().removeprefix('otlp+')}://{parts.netloc}{parts.path}"
    try:
        http_url(endpoint)
    except ValueError:
        raise ConfigError(f"the otlp URL can't be read, {form}") from None
    return {**parameters(parts.query), "endpoint": endpoint}
