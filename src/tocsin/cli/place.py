"""Where a command works: its options and the environment go in; a spool, and the settings if there are any, leave."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tocsin.cli.console import Console
from tocsin.config.load import CONFIG_VARIABLE, DEFAULT_FILE, PREFIX, load
from tocsin.config.settings import Settings
from tocsin.config.spool_path import SpoolPlace, spool_place
from tocsin.event.errors import ConfigError, StoreError
from tocsin.sinks.registry import faults_of
from tocsin.spool.folder import Folder

__all__ = ["Place", "existing_place", "load_settings", "place", "require_readable", "settings_place"]

_NAMING: Final = (CONFIG_VARIABLE, f"{PREFIX}APPLICATION")


@dataclass(frozen=True, slots=True)
class Place:
    """Be a spool, found by a configuration (``settings``) or named itself (None)."""

    folder: Folder
    settings: Settings | None = None


def load_settings(
    options: argparse.Namespace, environ: Mapping[str, str], *, has_sinks: bool = True, **overrides: Any
) -> Settings:
    """Return the settings of ``--config`` or the environment. Raises ConfigError, which says what to give.

    Without ``has_sinks`` the sinks' own keys are not looked at: who only reads needs no password file.
    """
    config: str | None = options.config
    is_named = config is not None or any(environ.get(name) for name in _NAMING)
    if not is_named and environ.get(f"{PREFIX}MODE", "").strip().lower() not in ("debug", "off"):
        spool = ", --spool DIR" if hasattr(options, "spool") else ""
        here = f"; ./{DEFAULT_FILE} is there: --config {DEFAULT_FILE}" if Path(DEFAULT_FILE).is_file() else ""
        raise ConfigError(f"no configuration: give --config FILE{spool} or set {CONFIG_VARIABLE}{here}")
    return load(config, overrides, environ, check_sinks=faults_of if has_sinks else None)


def place(options: argparse.Namespace, console: Console) -> Place:
    """Return where a command works; the spool need not exist. ``--spool`` alone needs no configuration."""
    spool: str | None = getattr(options, "spool", None)
    if spool is not None and options.config is None:
        return Place(Folder(Path(spool).absolute()))
    overrides = {} if spool is None else {"spool": spool}
    settings = load_settings(options, console.environ, has_sinks=False, **overrides)
    return Place(Folder(settings_place(settings, console.environ).path), settings)


def existing_place(options: argparse.Namespace, console: Console) -> Place:
    """Return where a command reads. Raises StoreError where there is no spool, or one that may not be read."""
    found = place(options, console)
    path = found.folder.path
    if not os.access(path, os.F_OK):
        why = "nothing was reported yet, or the application has another user or another `spool`"
        raise StoreError(f"there is no spool at {path}: {why if found.settings else 'check the path'}")
    require_readable(found.folder)
    return found


def require_readable(folder: Folder) -> None:
    """Raise StoreError where a path is no spool, or one that may not be read."""
    path = folder.path
    if not path.is_dir():
        raise StoreError(f"{path} is no folder; a spool is one")
    if not os.access(path, os.R_OK | os.X_OK):
        folder.require_owner()
        raise StoreError(f"the spool {path} can't be read: its owner may not; chmod 700 it")
    if not folder.is_spool:
        raise StoreError(f"{path} is no spool: it holds other files, and none of tocsin's")


def settings_place(settings: Settings, environ: Mapping[str, str]) -> SpoolPlace:
    """Return where these settings have the spool. Raises StoreError where that place can't be trusted."""
    found = spool_place(settings.spool, settings.application, environ, os.geteuid())
    if found.fault:
        raise StoreError(found.fault)
    return found
