"""Names of types and functions: any object goes in, ``module.Name`` leaves; no foreign code runs."""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import Any, Final

from tocsin.event.limits import NAME_CHARS
from tocsin.event.masking.marks import mask_for

__all__ = ["describe_value", "function_name", "type_name"]

# The raw slots: a metaclass may override attribute access, a class body may put anything into `__module__`.
_MODULE = type.__dict__["__module__"].__get__
_QUALNAME = type.__dict__["__qualname__"].__get__
_SECRET: Final = mask_for("secret")
# `tocsin.Secret`, and the like of others.
_SECRETS: Final = frozenset(
    {
        *("tocsin.event.secret.Secret", "pydantic.types.SecretStr", "pydantic.types.SecretBytes"),
        *("pydantic.types.Secret", "pydantic.v1.types.SecretStr", "pydantic.v1.types.SecretBytes"),
        *("starlette.datastructures.Secret", "litestar.datastructures.secret_values.SecretString"),
        *("litestar.datastructures.secret_values.SecretBytes",),
    }
)


def type_name(cls: type) -> str:
    """Return the qualified name of a class, builtins without their module."""
    try:
        module, name = _MODULE(cls), _QUALNAME(cls)
    except Exception:  # noqa: BLE001 - `__module__` deleted from the class: no name is no failure
        return "?"
    if type(name) is not str:
        return "?"
    name = name[:NAME_CHARS]
    full = name if type(module) is not str or module == "builtins" else f"{module[:NAME_CHARS]}.{name}"
    return full[:NAME_CHARS].encode("utf-8", "replace").decode()


def function_name(value: object) -> str:
    """Return ``module.name`` of a function or a method written in Python, "" for anything else."""
    if type(value) is MethodType:
        value = value.__func__
    if type(value) is not FunctionType:
        return ""
    module: object = value.__module__  # which may be set to anything
    name: object = value.__qualname__
    if type(name) is not str:
        return ""
    return f"{module[:NAME_CHARS]}.{name}"[:NAME_CHARS] if type(module) is str else name[:NAME_CHARS]


def describe_value(value: Any) -> str:
    """Return ``<module.Type>``: all that may be said of an object whose code must not run.

    Of a type known to hold a secret, ``[masked: secret]``; it is told by its name, and asked for nothing.
    """
    name = type_name(type(value))
    return _SECRET if name in _SECRETS else f"<{name}>"
