"""ASGI requests: a scope goes in, the environ by which the rest of tocsin knows a request leaves.

One kind of mapping for both interfaces keeps intake, masking and the 500 page free of either. It is made only when
something is reported, and kept in the scope, as what tocsin knows of a WSGI request is kept in its environ: so it
lasts as long as the request, and all who are given the same scope find the same error id in it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

from tocsin.capture import anatomy
from tocsin.event import limits
from tocsin.event.environ import ENDPOINT, ROUTE, USER
from tocsin.event.typename import function_name, type_name

__all__ = ["ENVIRON", "SCOPE", "Scope", "current_environ", "environ_of", "environ_of_request"]

Scope = dict[str, Any]

# The present request. Tasks, `asyncio.to_thread` and anyio's worker threads leave the stack and copy the context.
SCOPE: Final[ContextVar[Scope | None]] = ContextVar("tocsin_scope", default=None)

ENVIRON: Final = "tocsin.environ"
_BARE_HEADERS: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


def current_environ() -> dict[str, Any] | None:
    """Return the environ of the ASGI request that this code runs for; None outside of any."""
    scope = SCOPE.get()
    return None if scope is None else environ_of(scope)


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return the environ of a scope of type http or websocket; the same one for each call.

    Of the scope only values of exact built-in types are looked at. Route and endpoint are filled in once routing
    has happened.
    """
    environ = scope.get(ENVIRON)
    if type(environ) is not dict:
        made = _translated(scope)
        environ = scope.setdefault(ENVIRON, made)  # two threads of one request get the same
        if type(environ) is not dict:
            environ = scope[ENVIRON] = made
    if ROUTE not in environ:
        _describe(environ, scope)
    if USER in scope:
        environ[USER] = scope[USER]
    return environ


def environ_of_request(request: object) -> dict[str, Any] | None:
    """Return the environ of a framework's request object, such as Django puts on its log records; None if it has none.

    By what was set on it, an ``environ`` or a ``scope``, past what its class defines.
    """
    known = anatomy.stored(request)
    scope, environ = dict.get(known, "scope"), dict.get(known, "environ")
    if type(scope) is dict and type(scope.get("headers")) in (list, tuple):
        return environ_of(scope)
    return environ if type(environ) is dict and "REQUEST_METHOD" in environ else None


def _translated(scope: Scope) -> dict[str, Any]:
    root, path = _text(scope.get("root_path")), _text(scope.get("path"))
    if path == root or path.startswith(f"{root}/"):
        path = path[len(root) :]  # what the ASGI specification says of `path`; Hypercorn leaves the root out of it
    environ: dict[str, Any] = {
        "REQUEST_METHOD": _text(scope.get("method")) or "GET",  # the handshake of a websocket is a GET
        "SCRIPT_NAME": _latin(root),
        "PATH_INFO": _latin(path),
        "QUERY_STRING": _text(scope.get("query_string")),
        "wsgi.url_scheme": _text(scope.get("scheme")),
        "REMOTE_ADDR": _item(scope.get("client"), 0),
        "SERVER_NAME": _item(scope.get("server"), 0),
        "SERVER_PORT": _item(scope.get("server"), 1),
    }
    headers: Any = scope.get("headers")
    for pair in headers[: limits.SCOPE_HEADERS] if type(headers) in (list, tuple) else ():
        _add_header(environ, _item(pair, 0), _item(pair, 1))
    return environ


def _add_header(environ: dict[str, Any], name: str, value: str) -> None:
    # With an underscore a client could write what looks like a proxy's header; WSGI servers drop it for that reason.
    if not name or "_" in name or name.startswith(":"):
        return
    key = name.upper().replace("-", "_")
    if key not in _BARE_HEADERS:
        key = f"HTTP_{key}"
    environ[key] = f"{environ[key]},{value}"[-limits.ENVIRON_CHARS :] if key in environ else value


def _text(value: object) -> str:
    if type(value) is bytes:
        return value[: limits.ENVIRON_CHARS].decode("latin-1")
    return value[: limits.ENVIRON_CHARS] if type(value) is str else ""


def _latin(text: str) -> str:
    """Return a path as PEP 3333 has it: each byte as one character."""
    return text.encode("utf-8", "replace").decode("latin-1")


def _item(pair: Any, index: int) -> str:
    if type(pair) not in (list, tuple) or len(pair) <= index:
        return ""
    value = pair[index]
    return str(value) if type(value) is int else _text(value)


def _describe(environ: dict[str, Any], scope: Scope) -> None:
    """Fill in the template and the endpoint that a router, Starlette's for one, left in the scope."""
    route = _text(scope.get(ROUTE)) or _path_of(scope.get("route"))
    if route:
        environ[ROUTE] = route
    endpoint = _text(scope.get(ENDPOINT)) or _name_of(scope.get("endpoint"))
    if endpoint:
        environ[ENDPOINT] = endpoint


def _path_of(route: object) -> str:
    """Return the ``path`` that was set on a route."""
    return _text(dict.get(anatomy.stored(route), "path"))


def _name_of(endpoint: object) -> str:
    """Return ``module.name`` of a function, a method or a class, else the class of an object."""
    if endpoint is None:
        return ""
    return function_name(endpoint) or type_name(endpoint if issubclass(type(endpoint), type) else type(endpoint))  # type: ignore[arg-type]
