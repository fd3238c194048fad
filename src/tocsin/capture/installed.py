"""Installed packages: a file's name goes in; whether it is the application's own although it is installed leaves."""

from __future__ import annotations

import json
import os
import re
import sys
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
_EGG: Final = ".egg"  # a folder of `python setup.py install`, which wrote down nothing of where it came from
_OWN_WHEELS: Final = 3  # of the application and its own libraries


class Installed:
    """Know which installed packages are the application's: those that came from a folder or file, or from nowhere.

    pip, uv and others write down (PEP 610, ``direct_url.json``) what was installed otherwise than from an index by its
    name: ``pip install .`` is how an application gets there, and how hardly any library does. What no distribution lays
    claim to was copied there by hand, as applications are. Libraries come from files too: conda builds all of its
    packages in folders, and ``pip install /wheels/*`` is how images are made.

    The first file of each package costs a look at its folder, at most once all the records in it (about 10 ms for a
    hundred distributions), later ones a look-up. Never raises.
    """

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}
        self._claims: dict[str, dict[str, str]] = {}  # by folder: which distribution a top-level name belongs to
        self._targets: dict[str, bool] = {}  # entries of `sys.path`: whether distributions were installed into them
        self._wheelhouses: dict[str, bool] = {}  # by folder: whether files are where most distributions in it came from

    def is_own(self, path: str) -> bool | None:
        """Return whether an installed file is the application's, None where it is not installed.

        ``path`` has forward slashes.
        """
        ends = [found.end() for found in _FOLDERS.finditer(path)]
        folder = path[: ends[-1]] if ends else self._target_of(path)
        if not folder:
            return None
        top = path[len(folder) :].partition("/")[0]
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

    def _target_of(self, path: str) -> str:
        """Return the folder of ``pip install --target`` that a file lies in, "" if none.

        AWS Lambda and pex have libraries beside the application, in folders of any name that are imported from.
        """
        around = [
            entry.replace("\\", "/").rstrip("/") + "/" for entry in sys.path.copy() if type(entry) is str and entry
        ]
        for entry in sorted((entry for entry in around if path.startswith(entry)), key=len, reverse=True):
            known = self._targets.get(entry)
            if known is None:
                known = _has_distributions(entry)
                if len(self._targets) < limits.CACHED_PACKAGES:
                    self._targets[entry] = known
            if known:
                return entry
        return ""

    def _is_own(self, folder: str, top: str) -> bool:
        if top.endswith(_EGG):
            return False
        infos = self._infos(folder)
        info = infos.get(_canonical(top))
        if info is None:
            info = self._claimed(folder, infos).get(top)
        if info is None:  # a distribution of Linux has modules in its own folder of which nothing is written down
            return folder.endswith(_COPIED_TO) or _FOLDERS.search(folder) is None
        origin = _origin_of(f"{folder}{info}")
        return origin == "folder" or (origin == "file" and not self._is_of_a_wheelhouse(folder, infos))

    def _is_of_a_wheelhouse(self, folder: str, infos: dict[str, str]) -> bool:
        known = self._wheelhouses.get(folder)
        if known is None:
            files = sum(_origin_of(f"{folder}{info}") == "file" for info in infos.values())
            known = self._wheelhouses[folder] = files > max(_OWN_WHEELS, len(infos) // 2)
        return known

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


def _has_distributions(folder: str) -> bool:
    try:
        return any(name.endswith(_INFO[0]) for name in os.listdir(folder))  # noqa: PTH208 - half the time
    except OSError:
        return False


def _canonical(name: str) -> str:
    """Return a distribution's name as PEP 503 has it."""
    return _SEPARATORS.sub("-", name).lower()


def _origin_of(info: str) -> str:
    """Return ``folder`` or ``file`` for what was installed from one, "" for what came from an index or a forge."""
    told = json.loads(_read(f"{info}/{_ORIGIN}") or "null")
    url = told.get("url") if type(told) is dict else None
    if type(url) is not str or not url.startswith("file:") or _read(f"{info}/INSTALLER").strip() == "conda":
        return ""
    return "file" if "archive_info" in told else "folder"


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123 - as light as it gets
            return stream.read(limits.RECORD_BYTES)
    except OSError:
        return ""


def _tops(info: str) -> Iterator[str]:
    """Yield the top-level names that a distribution brought."""
    for name in ("top_level.txt", "RECORD", "SOURCES.txt"):
        lines = _read(f"{info}/{name}").splitlines()
        for line in lines:
            top = line.partition(",")[0].partition("/")[0].strip()
            yield top.partition(".")[0]
        if lines:
            return
