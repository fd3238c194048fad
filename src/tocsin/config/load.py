"""A path or mapping, keywords and variables go in; one `Settings` leaves, or one ConfigError with every fault.

Later wins: default, file or mapping, ``TOCSIN_*`` variables, keywords. A relative path starts at the folder of the
file it is written in, else at the working directory.
"""

from __future__ import annotations

import importlib.util
import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from tocsin.config.setting import parse_table
from tocsin.config.settings import SETTINGS, Settings
from tocsin.config.sink_table import SinkTable
from tocsin.config.values import RawSink, absolute, is_html
from tocsin.event.errors import ConfigError

__all__ = ["CONFIG_VARIABLE", "DEFAULT_FILE", "PREFIX", "absolute_paths", "load"]

PREFIX: Final = "TOCSIN_"
CONFIG_VARIABLE: Final = "TOCSIN_CONFIG"
DEFAULT_FILE: Final = "tocsin.toml"

_STATE_PACKAGES: Final = {"sqlalchemy": "SQLAlchemy>=2.0", "psycopg": "psycopg[binary]>=3.2"}
# Not ours: Kubernetes gives every pod these for a service that is called "tocsin".
_FOREIGN: Final = re.compile(r"TOCSIN_(SERVICE_\w+|PORT|PORT_\w+)")


@dataclass(frozen=True, slots=True)
class _Layer:
    """One place that settings come from. ``label`` begins its faults, ``where`` names the source of a setting."""

    label: str
    raw: Mapping[str, Any]
    where: Callable[[str], str]
    folder: str
    is_environment: bool = False


def load(
    config: str | os.PathLike[str] | Mapping[str, Any] | None,
    overrides: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    cwd: str | None = None,
    host_name: Callable[[], str] = socket.gethostname,
    check_sinks: Callable[[Sequence[SinkTable]], Sequence[str]] | None = None,
) -> Settings:
    """Return the effective settings.

    Without ``config``, the variable TOCSIN_CONFIG names the file; without that, ./tocsin.toml is read in debug mode
    only, so that no laptop or test run mails the operators. An empty variable, and None in a mapping or among the
    keywords, is as good as absent. ``check_sinks`` returns the faults of the sinks' own keys, which this floor doesn't
    know; it is asked in production, the one mode that has sinks. Raises ConfigError with every fault at once.
    """
    folder = cwd or str(Path.cwd())
    faults: list[str] = []
    base = _base_layer(config, overrides, environ, folder, faults)
    has_unread_file = bool(faults)
    layers = [base, _variables(environ, folder), _keywords(overrides, folder)]
    values: dict[str, Any] = {setting.name: setting.default for setting in SETTINGS}
    sources = dict.fromkeys(values, "default")
    for layer in filter(None, layers):
        parsed, layer_faults = _parsed(layer)
        faults += layer_faults
        for name, value in parsed.items():
            values[name], sources[name] = value, layer.where(name)
    is_named = any(layer is not None and _names_application(layer) for layer in layers)
    if not is_named and values["mode"] != "production":
        values["application"] = "app"
    elif not is_named and not has_unread_file:
        faults.append(_nameless(base, folder))
    faults += _together(values, sources)
    if check_sinks is not None and values["mode"] == "production":
        faults += check_sinks(values["sinks"])
    if faults:
        raise ConfigError(faults)
    values["host"] = values["host"] or host_name()
    return Settings(**values, sources=MappingProxyType(sources))


def absolute_paths(options: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return a sink's options with its paths absolute: those called ``path`` and those that end in ``_file``."""
    return {
        name: absolute(os.fspath(value), folder)
        if (name == "path" or name.endswith("_file")) and isinstance(value, (str, os.PathLike))
        else value
        for name, value in options.items()
    }


def _base_layer(
    config: str | os.PathLike[str] | Mapping[str, Any] | None,
    overrides: Mapping[str, Any],
    environ: Mapping[str, str],
    folder: str,
    faults: list[str],
) -> _Layer | None:
    if isinstance(config, Mapping):
        return _Layer("configuration", _given(config), lambda _: "mapping", folder)
    if config is not None:
        return _file(os.fspath(config), folder, "", faults)
    if environ.get(CONFIG_VARIABLE):
        return _file(environ[CONFIG_VARIABLE], folder, f" (named by {CONFIG_VARIABLE})", faults)
    mode = overrides.get("mode") or environ.get(f"{PREFIX}MODE") or ""
    if str(mode).strip().lower() == "debug" and _is_readable(Path(folder, DEFAULT_FILE)):
        return _file(DEFAULT_FILE, folder, "", faults)
    return None


def _file(path: str, folder: str, named_by: str, faults: list[str]) -> _Layer | None:
    import tomllib  # only for those who have a file

    full = absolute(path, folder)
    try:
        # An editor on Windows leaves a byte order mark, which tomllib calls an invalid statement.
        raw = tomllib.loads(Path(full).read_bytes().decode("utf-8-sig"))
    except OSError as fault:
        faults.append(f"{path}{named_by}: can't be read: {fault.strerror} ({full})")
    except UnicodeDecodeError as fault:
        faults.append(f"{path}{named_by}: not UTF-8 at byte {fault.start}; TOML files are")
    except tomllib.TOMLDecodeError as fault:
        faults.append(f"{path}{named_by}: not valid TOML: {fault}")
    else:
        return _Layer(path, raw, lambda _: path, str(Path(full).parent))
    return None


def _variables(environ: Mapping[str, str], folder: str) -> _Layer:
    raw = {
        name: value
        for name, value in environ.items()
        if name.startswith(PREFIX) and value.strip() and name != CONFIG_VARIABLE and not _FOREIGN.fullmatch(name)
    }
    return _Layer("environment", raw, _variable, folder, is_environment=True)


def _keywords(overrides: Mapping[str, Any], folder: str) -> _Layer:
    return _Layer("keywords", _given(overrides), lambda _: "keyword", folder)


def _given(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in mapping.items() if value is not None}


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _parsed(layer: _Layer) -> tuple[dict[str, Any], list[str]]:
    """Return (the values this layer sets, faults), each fault under the name the reader wrote."""
    written = {_variable(each.name) if layer.is_environment else each.name: each for each in SETTINGS}
    optional = [replace(each, name=name, is_required=False) for name, each in written.items()]
    values, faults = parse_table(optional, layer.raw, layer.label)
    parsed = {written[name].name: values[name] for name in layer.raw if name in written}
    for name in ("spool", "error_page", "source_root"):
        if isinstance(parsed.get(name), str) and not is_html(parsed[name]):
            parsed[name] = absolute(parsed[name], layer.folder)
    if "sinks" in parsed:
        label = _variable("sinks") if layer.is_environment else f"{layer.label}: sinks"
        parsed["sinks"] = tuple(
            _sink_table(raw, f"{label}[{index}]", layer.folder) for index, raw in enumerate(parsed["sinks"])
        )
    return parsed, faults


def _sink_table(raw: RawSink, where: str, folder: str) -> SinkTable:
    if isinstance(raw, str):
        return SinkTable(MappingProxyType({}), raw, where, folder)
    return SinkTable(MappingProxyType(absolute_paths(raw, folder)), "", where, folder)


def _names_application(layer: _Layer) -> bool:
    return (_variable("application") if layer.is_environment else "application") in layer.raw


def _nameless(base: _Layer | None, folder: str) -> str:
    """Return what to do where no application is named: the first thing most people will see go wrong."""
    if base is not None:
        return f'{base.label}: application is required: add a name, such as application = "shop"'
    fault = (
        'application is required: name a configuration by setup("tocsin.toml") or by the variable '
        f"{CONFIG_VARIABLE}, or the application itself by {PREFIX}APPLICATION"
    )
    if _is_readable(Path(folder, DEFAULT_FILE)):
        fault += f"; ./{DEFAULT_FILE} is there but was not read: only debug mode reads it unasked"
    return fault


def _together(values: Mapping[str, Any], sources: Mapping[str, str]) -> list[str]:
    """Return the faults that no setting shows alone."""
    faults = []
    if values["debugger"] and values["mode"] == "production":
        faults.append(
            f"{sources['debugger']}: debugger lets whoever reaches it run code, so production refuses it; "
            'set mode = "debug" or leave it out'
        )
    if values["state"] and values["mode"] == "production":  # on a laptop in debug mode nothing is delivered
        faults += [
            f"{sources['state']}: state needs {package}, which is not installed here: pip install '{wanted}'"
            for package, wanted in _STATE_PACKAGES.items()
            if importlib.util.find_spec(package) is None
        ]
    page = values["error_page"]
    if page and isinstance(page, str) and not is_html(page) and not _is_readable(Path(page)):
        faults.append(f"{sources['error_page']}: error_page must be a file that can be read (it is {page!r})")
    return faults


def _is_readable(path: Path) -> bool:
    # The order matters: before 3.14, is_file raises within a folder that may not be entered.
    try:
        return os.access(path, os.R_OK) and path.is_file()
    except ValueError:
        return False  # no path at all: it holds a NUL, or half a character
