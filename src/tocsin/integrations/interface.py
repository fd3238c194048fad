"""What an application speaks: an object goes in; nothing leaves, or a ConfigError that says what to write instead."""

from __future__ import annotations

from types import CodeType, FunctionType
from typing import Any, Final

from tocsin.capture import anatomy
from tocsin.event.errors import ConfigError
from tocsin.event.typename import type_name

__all__ = ["require_asgi", "require_wsgi"]

_IS_COROUTINE: Final = 0x80  # CO_COROUTINE
_TAKES_MORE: Final = 0x04 | 0x08  # CO_VARARGS, CO_VARKEYWORDS
_WSGI_PARAMETERS: Final = 2


def require_wsgi(app: Any) -> None:
    """Raise ConfigError for what can't be a WSGI application; each request would be a 500 otherwise."""
    _require_callable(app, "wsgi", "a WSGI")
    if _is_async(app):
        raise ConfigError("wsgi() was given an ASGI application; write app = reporter.asgi(app)")


def require_asgi(app: Any) -> None:
    """Raise ConfigError for what can't be an ASGI application (version 3)."""
    _require_callable(app, "asgi", "an ASGI")
    is_of_two = not _is_async(app) and _parameters(app) == _WSGI_PARAMETERS
    if is_of_two or hasattr(app, "wsgi_app"):
        raise ConfigError("asgi() was given a WSGI application; write app = reporter.wsgi(app)")


def _require_callable(app: Any, name: str, what: str) -> None:
    if isinstance(app, type):
        # One that is called with each request makes something to iterate over, by PEP 3333, or to await.
        has = {method for cls in anatomy.mro(app) for method in anatomy.namespace(cls)}
        if "__call__" in has and has.isdisjoint({"__iter__", "__await__"}):
            raise ConfigError(f"{name}() takes {what} application, not the class {app.__qualname__}; make one first")
    elif not callable(app) or _parameters(app) == 0:
        raise ConfigError(f"{name}() takes {what} application, not an object of type {type_name(type(app))}")


def _is_async(app: Any) -> bool:
    code = _code(app)
    return code is not None and bool(code.co_flags & _IS_COROUTINE)


def _parameters(app: Any) -> int | None:
    """Return how many arguments a call takes; None where that isn't certain."""
    code = _code(app)
    if code is None or code.co_flags & _TAKES_MORE:
        return None
    return code.co_argcount - (type(app) is not FunctionType)


def _code(app: Any) -> CodeType | None:
    called = app if type(app) is FunctionType else getattr(type(app), "__call__", None)  # noqa: B004 - which function it is, not whether
    return called.__code__ if type(called) is FunctionType else None
