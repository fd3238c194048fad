"""Who is logged in: the ``user`` that a middleware left in an ASGI scope goes in; its id leaves, a text or a number.

No attribute is asked for: a user may be a lazy object, or have properties that query a database.
"""

from __future__ import annotations

from types import MemberDescriptorType
from typing import Any, Final

from tocsin.capture import anatomy
from tocsin.capture.scopes import ENVIRON, SCOPE, Scope
from tocsin.event.environ import USER

__all__ = ["fill_in_user", "user_of"]

# What a user goes by, in order: what never changes before what people choose.
_NAMES: Final = ("id", "pk", "user_id", "identity", "username", "name")


def fill_in_user(environ: dict[str, Any]) -> Scope | None:
    """Put the user of the present request into its environ; return its scope, None if the environ is another's.

    A ``tocsin.user`` that the application has put into the scope stays.
    """
    scope = SCOPE.get()
    if scope is None or scope.get(ENVIRON) is not environ:
        return None
    if USER not in scope:
        user = user_of(scope.get("user"))
        if user is not None:
            environ[USER] = user
    return scope


def user_of(user: object) -> str | int | None:
    """Return the id that is stored on a user, itself a text or a number, a dict or any object; None without one.

    Read by the interpreter's own slots, past what its class defines.
    """
    if type(user) in (str, int):
        return user  # type: ignore[return-value] # as just seen
    stored: Any = user if type(user) is dict else anatomy.stored(user)
    for name in _NAMES:
        value = dict.get(stored, name)
        if value is None:
            value = _slot(user, name)
        if type(value) in (str, int) and value != "":
            return value  # type: ignore[no-any-return]
    return None


def _slot(user: object, name: str) -> Any:
    """Return what an object keeps in a slot, as slotted dataclasses and msgspec's structs do."""
    for cls in anatomy.mro(type(user)):
        found = anatomy.namespace(cls).get(name)
        if type(found) is MemberDescriptorType:
            try:
                return found.__get__(user)
            except AttributeError:
                return None  # never filled
    return None
