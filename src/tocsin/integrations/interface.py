"""What an application speaks: an object goes in; nothing leaves, or a ConfigError that says what to write instead."""

from __future__ import annotations

from types import FunctionType
from typing import Any, Final

from tocsin.event.errors import ConfigError
from tocsin.event.typename import type_name

__all__ = ["require_asgi", "require_wsgi"]

_IS_COROUTINE: Final = 0x80  # CO_COROUTINE
_WSGI_PARAMETERS: Final = 2


def require_wsgi(app: Any) -> None:
    """Raise ConfigError for what can't be a WSGI application; each request would be a 500 otherwise."""
    _require_callable(app, "wsgi", "a WSGI")
    if _is_async(app):
        raise ConfigError("wsgi() was given an ASGI application; write app = reporter.asgi(app)")


def require_asgi(app: Any) -> None:
    """Raise ConfigError for what can't be an ASGI application (version 3)."""
    _require_callable(app, "asgi", "an ASGI")
    is_of_two = type(app) is FunctionType and not _is_async(app) and app.__code__.co_argcount == _WSGI_PARAMETERS
    if is_of_two or hasattr(app, "wsgi_app"):
        raise ConfigError("asgi() was given a WSGI application; write app = reporter.wsgi(app)")


def _require_callable(app: Any, name: str, what: str) -> None:
    if not callable(app):
        raise ConfigError(f"{name}() takes {what} application, not an object of type {type_name(type(app))}")


def _is_async(app: Any) -> bool:
    called = app if type(app) is FunctionType else getattr(type(app), "__call__", None)  # noqa: B004 - which function it is, not whether
    return type(called) is FunctionType and bool(called.__code__.co_flags & _IS_COROUTINE)
