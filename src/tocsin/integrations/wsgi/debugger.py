"""Werkzeug's debugger: an application goes in, one leaves that shows it to a developer on this machine only."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from tocsin.event.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["debugger", "is_developer"]

_PROXY_HEADERS: Final = frozenset(
    {"HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA", "HTTP_CF_CONNECTING_IP", "HTTP_TRUE_CLIENT_IP", "HTTP_X_CLIENT_IP"}
)


def debugger(app: WSGIApplication) -> WSGIApplication:
    """Return ``app`` behind Werkzeug's debugger, which runs any code for whoever reaches it.

    So it answers only where `is_developer` holds; everybody else gets the plain application, for its own paths
    too. Raises ConfigError when Werkzeug is not installed. Whoever calls this refuses it in production.
    """
    try:
        from werkzeug.debug import DebuggedApplication
    except ImportError:
        raise ConfigError(
            "debugger: Werkzeug is not installed; pip install Werkzeug, or set debugger = false"
        ) from None
    debugged = DebuggedApplication(app, evalex=True)

    def gate(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        chosen: Any = debugged if is_developer(environ) else app
        return chosen(environ, start_response)  # type: ignore[no-any-return]

    return gate


def is_developer(environ: Mapping[str, Any]) -> bool:
    """Tell whether a request comes from a browser on this machine, to a server of one process, with no proxy between.

    A proxy on this machine has a loopback address as well, hence the headers. The Host header is looked at
    because a foreign page can point its own name at 127.0.0.1 (DNS rebinding). A server that does not say
    whether it is ``wsgi.multiprocess`` is taken for one that is.
    """
    return (
        not environ.get("wsgi.multiprocess", True)
        and _is_loopback(str(environ.get("REMOTE_ADDR", "")))
        and _is_local_host(str(environ.get("HTTP_HOST", "")))
        and not any(key in _PROXY_HEADERS or key.startswith("HTTP_X_FORWARDED") for key in environ)
    )


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _is_local_host(host: str) -> bool:
    name, colon, port = host.partition(":")
    return name.lower() == "localhost" and (not colon or (port.isascii() and port.isdecimal()))
