"""A process that nobody configured goes in; a name for its application leaves, the same in all of its processes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import ModuleType
from typing import Final

__all__ = ["guessed_name"]

_FALLBACK: Final = "app"
_TARGET: Final = re.compile(r"([A-Za-z_]\w*)(?:\.\w+)*:[\w.]+(?:\(.*\))?")  # shop.wsgi:app
_SCRIPT_SUFFIXES: Final = re.compile(r"\.(py|pyw|pyz|exe)\Z", re.IGNORECASE)
# What a main program may be called without saying which application it runs.
_SAYS_NOTHING: Final = frozenset({"", "-c", "-", "__main__", "main", "manage", "wsgi", "asgi", "app", "application"})
_SETTINGS: Final = frozenset({"settings", "config", "conf", "project"})


def guessed_name(
    environ: Mapping[str, str] = os.environ, argv: Sequence[str] | None = None, main: ModuleType | None = None
) -> str:
    """Return the package of DJANGO_SETTINGS_MODULE, that of ``shop.wsgi:app`` on the command line, or the program's.

    Nothing of it differs between the workers of a server, its master and a later start, since it names the spool.
    """
    settings = environ.get("DJANGO_SETTINGS_MODULE", "").partition(".")[0]
    if settings and settings not in _SETTINGS:
        return settings
    for argument in (sys.argv if argv is None else argv)[1:]:
        target = _TARGET.fullmatch(argument)
        if target is not None:
            return target[1]
    return _program(sys.modules.get("__main__") if main is None else main)


def _program(main: ModuleType | None) -> str:
    """Return ``shop`` for ``python -m shop.serve``, ``python shop.py`` and ``/usr/bin/shop``."""
    spec = getattr(main, "__spec__", None)
    package = spec.name.partition(".")[0] if spec is not None else ""
    if package not in _SAYS_NOTHING:
        return package
    path = PurePath(str(getattr(main, "__file__", "") or ""))
    stem = _SCRIPT_SUFFIXES.sub("", path.name)
    if stem not in _SAYS_NOTHING:
        return stem
    return path.parent.name or _FALLBACK
