"""Names of types: any object or class goes in, ``module.Name`` leaves; no foreign code runs."""

from __future__ import annotations

from typing import Any

from tocsin.event.limits import NAME_CHARS

__all__ = ["describe_value", "type_name"]

# The raw slots: a metaclass may override attribute access, a class body may put anything into `__module__`.
_MODULE = type.__dict__["__module__"].__get__
_QUALNAME = type.__dict__["__qualname__"].__get__


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


def describe_value(value: Any) -> str:
    """Return ``<module.Type>``: all that may be said of an object whose code must not run."""
    return f"<{type_name(type(value))}>"
