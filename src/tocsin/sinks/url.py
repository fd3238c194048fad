"""The URL form of a sink goes in; its parts and parameters leave, or a ConfigError that doesn't quote the URL."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from tocsin.event.errors import ConfigError

__all__ = ["bracketed", "host_and_port", "parameters", "split"]


def split(url: str) -> SplitResult:
    """Return the parts of a URL. Raises ConfigError where it has none."""
    try:
        return urlsplit(url)
    except ValueError as fault:  # such as "Invalid IPv6 URL"
        raise ConfigError(f"is no URL: {type(fault).__name__}; see the settings reference for examples") from None


def host_and_port(parts: SplitResult, form: str) -> tuple[str, int | None]:
    """Return the host (``""``: there is none) and the port of a URL. Raises ConfigError, which tells its ``form``."""
    try:
        return parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(f"the URL's port must be a number: {form}") from None


def bracketed(host: str) -> str:
    """Return a host as URLs have it: an IPv6 address in brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host else host


def parameters(query: str) -> dict[str, Any]:
    """Return the parameters of a URL's query as options; a repeated one is a list.

    A ``+`` stays one, unlike in a form: people write ``to=ops+shop@example.org``. Raises ConfigError.
    """
    options: dict[str, Any] = {}
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigError("every parameter after the ? must look like name=value, with & between them")
        name, value = unquote(name), unquote(value)
        if name in options:
            before = options[name]
            options[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            options[name] = value
    return options
