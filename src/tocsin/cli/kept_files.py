"""A configuration goes in; the files that its file sinks wrote, rotated ones too, and the reports in them leave."""

from __future__ import annotations

import gzip
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from tocsin.cli.fault import Wanted
from tocsin.cli.place import Place
from tocsin.config.load import absolute_paths
from tocsin.config.sink_table import SinkTable
from tocsin.event import wire
from tocsin.event.errors import ConfigError, TocsinError
from tocsin.event.model import Event
from tocsin.sinks.registry import from_url

__all__ = ["file_sinks", "find_in_files", "opened_lines", "sink_tables", "written_files"]

_ROTATED: Final = (".*", "-*")  # by tocsin and by logrotate, with `dateext` and without
_ZIPPED: Final = ".gz"


def sink_tables(where: Place) -> list[dict[str, Any]]:
    """Return the options of every sink that the configuration names; none where there is no configuration."""
    return [_options(table) for table in where.settings.sinks] if where.settings is not None else []


def file_sinks(where: Place) -> list[Path]:
    """Return the path of every file sink."""
    named = (each.get("path") for each in sink_tables(where) if each.get("type") == "file")
    return [Path(os.path.realpath(path)) for path in named if isinstance(path, str) and path]


def written_files(path: Path) -> list[Path]:
    """Return a file sink's file and what it or logrotate made of it, as far as they are there, the newest first."""
    found = {path, *(other for end in _ROTATED for other in path.parent.glob(_literal(path.name) + end))}
    there = [(each.lstat().st_mtime, each) for each in found if _is_file(each)]
    return [each for _, each in sorted(there, reverse=True)]


def opened_lines(path: Path) -> IO[bytes] | gzip.GzipFile:
    """Open a file of lines for reading, also one that logrotate compressed. Raises OSError."""
    return gzip.open(path, "rb") if path.suffix == _ZIPPED else path.open("rb")


def find_in_files(where: Place, what: Wanted) -> tuple[Event, Path] | None:
    """Return the latest whole report of what is wanted that a file sink's files have, and which file has it."""
    begins = f":{what.digits}" if what.digits else f'"error_id":"{what.prefix}-{what.suffix}'
    for path in (file for sink in file_sinks(where) for file in written_files(sink)):
        latest: Event | None = None
        try:
            for line in _lines_with(path, begins.encode()):
                latest = _event(line, what) or latest
        except (OSError, EOFError):
            continue  # another user's, or half compressed: what it has is not ours to show
        if latest is not None:
            return latest, path
    return None


def _lines_with(path: Path, text: bytes) -> Iterator[bytes]:
    with opened_lines(path) as lines:
        yield from (line for line in lines if text in line)


def _event(line: bytes, what: Wanted) -> Event | None:
    try:
        event = wire.event_from(json.loads(line))
        is_it = what.fits(event.fingerprint)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, TocsinError):
        return None  # a count, or no line of ours
    return event if is_it and what.suffix in ("", event.error_id.rpartition("-")[2]) else None


def _options(table: SinkTable) -> dict[str, Any]:
    if not table.url:
        return dict(table.options)
    try:
        return absolute_paths(from_url(table.url), table.folder)
    except ConfigError:
        return {}  # told by `tocsin check`


def _literal(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
