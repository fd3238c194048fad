"""Where a command works: its options and the environment go in; a spool, and the settings if there are any, leave."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tocsin import system
from tocsin.cli.console import Console
from tocsin.config.load import CONFIG_VARIABLE, DEFAULT_FILE, PREFIX, load
from tocsin.config.settings import Settings
from tocsin.config.spool_path import SpoolPlace, spool_place
from tocsin.event.errors import ConfigError, StoreError
from tocsin.handlers.channel import HANDLERS_FOLDER
from tocsin.routing.opening import OWN, StatePlace, state_place, was_shared
from tocsin.sinks.registry import faults_of
from tocsin.spool.folder import Folder

__all__ = ["Place", "existing_place", "handler_spools", "load_settings", "place", "require_readable", "settings_place"]

_NAMING: Final = (CONFIG_VARIABLE, f"{PREFIX}APPLICATION")
_NAMED: Final = 3  # of a receiver's spools in a message


@dataclass(frozen=True, slots=True)
class Place:
    """Be a spool, found by a configuration (``settings``) or named itself (None)."""

    folder: Folder
    settings: Settings | None = None

    @property
    def state(self) -> StatePlace:
        """Return where its state is. Raises StoreError where it is a database that only a configuration names."""
        if self.settings is not None:
            return state_place(self.settings)
        if was_shared(self.folder):
            raise StoreError(
                f"the state of {self.folder.path} is in a database, shared with other hosts: give --config FILE, which"
                " names it, beside --spool or alone"
            )
        return OWN


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


def existing_place(options: argparse.Namespace, console: Console, *, is_state_enough: bool = False) -> Place:
    """Return where a command reads. Raises StoreError where there is no spool, or one that may not be read.

    ``is_state_enough``: a state that is shared answers also on a host that has reported nothing yet.
    """
    found = place(options, console)
    path = found.folder.path
    if not os.access(path, os.F_OK):
        if is_state_enough and found.settings is not None and found.state.is_shared:
            return found
        why = "nothing was reported yet, or the application has another user or another `spool`"
        raise StoreError(f"there is no spool at {path}: {why if found.settings else 'check the path'}")
    require_readable(found.folder)
    inner = handler_spools(found.folder)
    if inner and console.is_terminal:
        console.note(f"drop-in handlers have spools of their own, to be given by --spool: {_listed(inner)}")
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
        inner = handler_spools(folder)
        if inner:
            raise StoreError(f"{path} holds only spools of drop-in handlers; give one by --spool: {_listed(inner)}")
        rooms = sorted(each for each in path.glob("*/*") if each.is_dir() and Folder(each).is_spool)
        if rooms and (path / "receive.lock").exists():
            rest = f" and {len(rooms) - _NAMED} more" if len(rooms) > _NAMED else ""
            raise StoreError(
                f"{path} is a receiver's: each application has a spool of its own there; "
                f"give one by --spool: {_listed(rooms[:_NAMED])}{rest}"
            )
        raise StoreError(f"{path} is no spool: it holds other files, and none of tocsin's")


def handler_spools(folder: Folder) -> list[Path]:
    """Return the spools of drop-in handlers within an application's own, sorted."""
    found = (path for path in folder.path.glob(f"{HANDLERS_FOLDER}/*") if os.access(path, os.R_OK | os.X_OK))
    return sorted(path for path in found if path.is_dir() and Folder(path).is_spool)


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)


def settings_place(settings: Settings, environ: Mapping[str, str]) -> SpoolPlace:
    """Return where these settings have the spool. Raises StoreError where that place can't be trusted."""
    found = spool_place(settings.spool, settings.application, environ, system.user_id())
    if found.fault:
        raise StoreError(found.fault)
    return found
