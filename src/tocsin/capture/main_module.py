"""The module that is run: nothing goes in; the name leaves that it would have were it imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any, Final

from tocsin.event import limits
from tocsin.system.interrupts import let_through

__all__ = ["MAIN", "imported_name"]

MAIN: Final = "__main__"
_DEPTH: Final = 16


def imported_name(name: str, space: Mapping[str, Any] | None = None) -> str:
    """Return a module's name, or that of a class in it, with ``__main__`` replaced: a script and an import of it agree.

    ``space`` are the module's globals, where they are at hand.

    `python -m shop.report` says so itself; of `python shop/report.py` it is the path below the outermost folder with
    an ``__init__.py``. Never raises.
    """
    if not name.startswith(MAIN) or name[len(MAIN) : len(MAIN) + 1] not in ("", "."):
        return name
    if space is None:
        module: Any = sys.modules.get(MAIN)
        space = vars(module) if type(module) is ModuleType else {}
    found = _name(space)
    return f"{found}{name[len(MAIN) :]}" if found else name


def _name(known: Mapping[str, Any]) -> str:
    try:
        spec: Any = known.get("__spec__")
        told = vars(spec).get("name") if spec is not None else None
        if type(told) is str and told != MAIN:
            return told.removesuffix(f".{MAIN}")[: limits.NAME_CHARS]
        file = known.get("__file__")
        return _of_file(file) if type(file) is str else ""
    except Exception as fault:  # noqa: BLE001 - anybody may put anything into the module; it has its own name then
        let_through(fault)
        return ""


@lru_cache(maxsize=4)
def _of_file(file: str) -> str:
    folder, name = os.path.split(os.path.abspath(file))  # noqa: PTH100 - as light as it gets
    parts = [name.partition(".")[0]]
    for _ in range(_DEPTH):
        if not os.path.exists(os.path.join(folder, "__init__.py")):  # noqa: PTH110, PTH118
            break
        folder, name = os.path.split(folder)
        parts.insert(0, name)
    return ".".join(parts)[: limits.NAME_CHARS]
