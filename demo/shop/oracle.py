"""The side file: a fault that is about to happen goes in, a line leaves. Knows nothing of tocsin, which it checks."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Line", "Oracle", "read"]


@dataclass(frozen=True, slots=True)
class Line:
    """Tell of one fault that was about to happen, in which worker, on which request."""

    fault: str
    worker_id: int
    number: int
    request_id: str


class Oracle:
    """Append one line per fault. One write per line on O_APPEND, so that workers and kills tear none."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._numbers = itertools.count(1)

    def note(self, fault: str, request_id: str) -> None:
        """Write down that ``fault`` happens next."""
        os.write(self._fd, f"{fault} {os.getpid()} {next(self._numbers)} {request_id or '-'}\n".encode())


def read(path: Path) -> list[Line]:
    """Return the lines written so far."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        fault, worker_id, number, request_id = text.split()
        lines.append(Line(fault, int(worker_id), int(number), request_id))
    return lines
