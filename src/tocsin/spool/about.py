"""What a process wrote of itself at the head of its segment: a path goes in; its members leave."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from tocsin import system
from tocsin.spool import format as segment_format

__all__ = ["read_about"]

_HEAD_BYTES: Final = 65_536


def read_about(events: Path) -> dict[str, Any]:
    """Return format, application, pid, sinks …; empty where the segment is gone or its head can't be read."""
    try:
        with os.fdopen(system.open_file(events, os.O_RDONLY), "rb", buffering=0) as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return {}
    for record in segment_format.records(head, 0, is_final=False):
        if record.header is None or record.header.type != segment_format.PROCESS or not record.body:
            return {}
        about: dict[str, Any] = json.loads(record.body)
        return about
    return {}
