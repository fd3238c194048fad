"""Django's requests: a request or an environ goes in; route, view and user are filled in. No query, nothing lazy."""

from __future__ import annotations

import sys
import weakref
from types import FrameType
from typing import Any, Final
from uuid import UUID

from tocsin.capture import anatomy
from tocsin.capture.requests import MIDDLEWARE_CODES
from tocsin.capture.scopes import ENVIRON, SCOPE, Scope, environ_of
from tocsin.event import limits
from tocsin.event.environ import ENDPOINT, ROUTE, USER

__all__ = ["describe", "environ_for", "find_request", "scope_for", "tell"]

_REQUEST: Final = "tocsin.django"  # in a scope: a weak reference, since the request refers to the scope
_USERS: Final = ("_cached_user", "_acached_user", "user")  # the first two: what the authentication has looked up


def environ_for(request: Any) -> dict[str, Any]:
    """Return the environ that tocsin knows a request by: under WSGI its META, under ASGI one made of its scope."""
    scope = getattr(request, "scope", None)
    if type(scope) is dict:
        return environ_of(_outermost(scope))
    meta: dict[str, Any] = request.META
    return meta


def scope_for(request: Any) -> Scope:
    """Return what `SCOPE` is set to for a request, with a way back to it."""
    scope: Scope | None = getattr(request, "scope", None)
    if type(scope) is not dict:
        scope = {ENVIRON: request.META}
    else:
        scope = _outermost(scope)
    scope[_REQUEST] = weakref.ref(request)
    return scope


def _outermost(scope: Scope) -> Scope:
    """Return the scope that the present request is known by already: whoever mounts applications copies it."""
    known = SCOPE.get()
    return known if known is not None and known.get("headers") is scope.get("headers") else scope


def find_request(environ: dict[str, Any]) -> Any:
    """Return the present request if it is the environ's: by the context, else from the frame of Django's handler."""
    scope = SCOPE.get()
    if scope is not None and scope.get(ENVIRON) is environ:
        known = scope.get(_REQUEST)
        if type(known) is weakref.ref:
            return known()
    frame: FrameType | None = sys._getframe(1)
    for _ in range(limits.STACK_WALK_FRAMES):
        if frame is None:
            break
        if id(frame.f_code) in MIDDLEWARE_CODES and "request" in frame.f_code.co_varnames:
            variables = frame.f_locals
            if variables.get("environ") is environ:
                return variables.get("request")
        frame = frame.f_back
    return None


def describe(environ: Any) -> None:
    """Fill in route, view and user of the present request: asked whenever an event is captured in full."""
    request = find_request(environ)
    if request is not None:
        tell(request, environ)


def tell(request: Any, environ: dict[str, Any]) -> None:
    """Fill in what the request knows of itself by now."""
    known = request.__dict__
    match = known.get("resolver_match")
    if match is not None:
        environ[ROUTE] = _text(match.route)
        # The view's dotted path, which ResolverMatch shows as `func`; `view_name` is what a URL is called.
        environ[ENDPOINT] = _text(getattr(match, "_func_path", "")) or _text(match.view_name)
    user = _user(known)
    if user is not None:
        environ[USER] = user


def _user(known: dict[str, Any]) -> str | int | None:
    """Return the primary key of a user that was looked up already; None for nobody, and where it would take a query."""
    for name in _USERS:
        user = known.get(name)
        if user is not None:
            return _key(user)
    return None


def _key(user: Any) -> str | int | None:
    """Return a model instance's primary key past all that its class defines: a lazy one would be looked up."""
    lookup = next((space for space in map(anatomy.namespace, anatomy.mro(type(user))) if "_meta" in space), None)
    if lookup is None:
        inside = dict.get(anatomy.stored(user), "_wrapped")
        return None if inside is None or not _is_model(inside) else _key(inside)
    value = dict.get(anatomy.stored(user), lookup["_meta"].pk.attname)
    if type(value) is UUID:
        return str(value)
    return value if type(value) in (str, int) else None


def _is_model(value: object) -> bool:
    return any("_meta" in anatomy.namespace(cls) for cls in anatomy.mro(type(value)))


def _text(value: object) -> str:
    return str.__str__(value)[: limits.PATH_CHARS] if issubclass(type(value), str) else ""
