"""A report made after a process's death: it goes in; a segment in the name of the dead leaves, once and whole.

The rename that publishes it is the commit: whoever finds the segment knows that this death was told, whatever else a
leader that died in the middle left undone. To every reader it is one more generation of a dead process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tocsin import system
from tocsin.event.errors import StoreError
from tocsin.spool import format as segment_format
from tocsin.spool.folder import Folder, GenerationPath
from tocsin.spool.memory import Occurrence

__all__ = ["is_told", "tell"]

_GENERATION: Final = 999_999  # no process lives to write so many


def is_told(folder: Folder, process: str) -> bool:
    """Tell whether this process's death was reported."""
    return _path(folder, process).exists()


def tell(folder: Folder, process: str, about: Mapping[str, Any], occurrence: Occurrence) -> None:
    """Publish the one report. Only who leads may. Raises OSError, StoreError; nothing is published then."""
    path = _path(folder, process)
    hidden = path.with_name(f".{path.name}")
    head = {**about, "format": segment_format.FORMAT, "process": process}
    data = segment_format.pack(segment_format.PROCESS, json.dumps(head).encode(), time=occurrence.time)
    data += segment_format.pack(
        segment_format.EVENT,
        occurrence.body,
        kind=occurrence.kind,
        levelno=occurrence.levelno,
        number=occurrence.number,
        fingerprint=occurrence.fingerprint,
        time=occurrence.time,
    )
    hidden.unlink(missing_ok=True)  # of a leader that died
    fd = system.open_file(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.NOFOLLOW)
    try:
        if os.write(fd, data) != len(data):
            raise StoreError(f"the disk of the spool {folder.path} is full; a death is reported when there is room")
    finally:
        os.close(fd)
    hidden.rename(path)


def _path(folder: Folder, process: str) -> Path:
    return GenerationPath(folder.path, process, _GENERATION).events
