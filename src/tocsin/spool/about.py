"""What a process wrote of itself at the head of its segment: a path goes in; its members leave."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from tocsin import system
from tocsin.spool import format as segment_format

__all__ = ["about_from", "read_about"]

_HEAD_BYTES: Final = 65_536
_TYPES: Final[dict[str, type]] = {
    "format": int,
    "pid": int,
    "sinks": list,
    **dict.fromkeys(("process", "application", "environment", "release", "host", "python", "fingerprints"), str),
}


def read_about(events: Path) -> dict[str, Any]:
    """Return format, application, pid, sinks …; empty where the segment is gone or its head can't be read."""
    try:
        with os.fdopen(system.open_file(events, os.O_RDONLY), "rb", buffering=0) as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return {}
    first = next(segment_format.records(head, 0, is_final=False), None)
    if first is None or first.header is None or first.header.type != segment_format.PROCESS:
        return {}
    return about_from(first.body)


def about_from(body: bytes | None) -> dict[str, Any]:
    """Return the members of which each is what it must be: people copy files, and edit them."""
    try:
        about: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    if type(about) is not dict:
        return {}
    found = about.items()
    fitting: dict[str, Any] = {name: each for name, each in found if type(each) is _TYPES.get(name, type(each))}
    if not all(type(identity) is str for identity in fitting.get("sinks", ())):
        del fitting["sinks"]
    return fitting
