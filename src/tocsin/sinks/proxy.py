"""A URL's scheme and place, a setting and the environment go in; the proxy to go through leaves, or none."""

from __future__ import annotations

import base64
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from tocsin.sinks.base import Failed, Unavailable
from tocsin.sinks.endpoint import http_url, is_loopback

__all__ = ["Proxy", "proxy_for", "proxy_setting"]

_FORM: Final = "it must look like http://proxy.example.org:3128, with user:password@ before the host if it wants them"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Name a proxy. ``url`` has no credentials; ``secrets`` is what may be told nowhere."""

    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def where(self) -> str:
        """Return host and port."""
        return urlsplit(self.url).netloc


def proxy_setting(value: Any) -> str:
    """Parse the setting. Credentials belong into the environment: it isn't shown, this setting is."""
    try:
        return http_url(value)
    except ValueError:
        raise ValueError(
            "must be a URL such as http://proxy.example.org:3128, without user and password; a proxy that wants them "
            "is named with them by HTTPS_PROXY"
        ) from None


def proxy_for(scheme: str, netloc: str, setting: str) -> Proxy | None:
    """Return the proxy for ``scheme://netloc``: that of the setting, else of the environment, else None.

    Raises Failed for one that can't be used, without quoting it.
    """
    if setting:
        return Proxy(setting)
    # Not getproxies(): that asks the system's settings on macOS and Windows, which no server has.
    found = urllib.request.getproxies_environment().get(scheme, "")
    if (
        not found
        or urllib.request.proxy_bypass(netloc)
        or is_loopback((urlsplit(f"//{netloc}").hostname or "").lower())
    ):
        return None  # what may go in clear to this machine alone must not go to another to get there
    return _of_environment(found if "://" in found else f"http://{found}", f"{scheme.upper()}_PROXY")


def _of_environment(found: str, name: str) -> Proxy:
    front, _, place = found.rpartition("@")
    scheme, _, credentials = front.partition("://")
    url = f"{scheme}://{place}" if front else found
    try:
        url = http_url(url)
    except ValueError:
        raise Failed(Unavailable(f"the proxy that {name} names can't be used", _FORM)) from None
    if not credentials:
        return Proxy(url)
    user, _, password = credentials.partition(":")
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    token = base64.b64encode(pair).decode("ascii")
    secrets = (token, password, unquote_to_bytes(password).decode("utf-8", "replace"))
    return Proxy(url, {"Proxy-Authorization": f"Basic {token}"}, tuple(filter(None, secrets)))
