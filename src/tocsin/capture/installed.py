"""Installed packages: a file's name goes in; whether it is the application's own although it is installed leaves."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Final

from tocsin.event import limits
from tocsin.system.interrupts import let_through

__all__ = ["Installed"]

_FOLDERS: Final = re.compile(r"/(?:site|dist)-packages/")
_COPIED_TO: Final = "/site-packages/"
_INFO: Final = (".dist-info", ".egg-info")
_SEPARATORS: Final = re.compile(r"[-_.]+")
_ORIGIN: Final = "direct_url.json"


class Installed:
    """Know which installed packages are the application's: those that came from a folder or file, or from nowhere.

    pip, uv and others write down (PEP 610, ``direct_url.json``) what was installed otherwise than from an index by its
    name: ``pip install .`` is how an application gets there, and how hardly any library does. What no distribution lays
    claim to was copied there by hand, as applications are.

    The first file of each package costs a look at its folder, at most once all the records in it (about 10 ms for a
    hundred distributions), later ones a look-up. Never raises.
    """

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}
        self._claims: dict[str, dict[str, str]] = {}  # by folder: which distribution a top-level name belongs to

    def is_own(self, path: str) -> bool | None:
        """Return whether an installed file is the application's, None where it is not installed.

        ``path`` has forward slashes.
        """
        ends = [found.end() for found in _FOLDERS.finditer(path)]
        if not ends:
            return None
        folder, rest = path[: ends[-1]], path[ends[-1] :]
        top = rest.partition("/")[0]
        key = folder + top
        known = self._known.get(key)
        if known is None:
            try:
                known = self._is_own(folder, top.removesuffix(".py"))
            except Exception as fault:  # noqa: BLE001 - anything may lie there; it is a library then, as most is
                let_through(fault)
                known = False
            if len(self._known) < limits.CACHED_PACKAGES:
                self._known[key] = known
        return known

    def _is_own(self, folder: str, top: str) -> bool:
        infos = self._infos(folder)
        info = infos.get(_canonical(top))
        if info is None:
            info = self._claimed(folder, infos).get(top)
        if info is None:  # a distribution of Linux has modules in its own folder of which nothing is written down
            return folder.endswith(_COPIED_TO)
        return _came_from_a_folder(f"{folder}{info}/{_ORIGIN}")

    def _infos(self, folder: str) -> dict[str, str]:
        """Return the folders that describe distributions, by the canonical name of each."""
        names = [name for name in os.listdir(folder) if name.endswith(_INFO)]  # noqa: PTH208 - half the time
        return {_canonical(name.partition("-")[0]): name for name in names}

    def _claimed(self, folder: str, infos: dict[str, str]) -> dict[str, str]:
        """Return the distribution of each top-level name, for those that are not called as their distribution is."""
        known = self._claims.get(folder)
        if known is None:
            pairs = ((top, info) for info in infos.values() for top in _tops(f"{folder}{info}"))
            known = self._claims[folder] = dict(pairs)
        return known


def _canonical(name: str) -> str:
    """Return a distribution's name as PEP 503 has it."""
    return _SEPARATORS.sub("-", name).lower()


def _came_from_a_folder(file: str) -> bool:
    try:
        with open(file, encoding="utf-8") as stream:  # noqa: PTH123 - as light as it gets
            told = json.loads(stream.read(limits.RECORD_BYTES))
    except OSError:
        return False
    url = told.get("url") if type(told) is dict else None
    return type(url) is str and url.startswith("file:")


def _tops(info: str) -> Iterator[str]:
    """Yield the top-level names that a distribution brought."""
    for name in ("top_level.txt", "RECORD", "SOURCES.txt"):
        try:
            with open(f"{info}/{name}", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
                lines = stream.read(limits.RECORD_BYTES).splitlines()
        except OSError:
            continue
        for line in lines:
            top = line.partition(",")[0].partition("/")[0].strip()
            yield top.partition(".")[0]
        if lines:
            return
