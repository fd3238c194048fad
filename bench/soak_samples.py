"""Samples of the soak: pids and folders go in; memory, descriptors, threads and disk, as the kernel says, leave."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

__all__ = ["Sample", "of_folder", "of_process", "write_csv"]

_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold one look at one process or folder. What does not apply is 0."""

    at_s: float
    role: str  # master, worker, deliver, spool, sink
    pid: int
    bytes: int  # memory (RSS) of a process, size of a folder
    descriptors: int  # of a process; of a folder: files
    threads: int


def of_process(at_s: float, role: str, pid: int) -> Sample | None:
    """Return a look at a process; None where it has gone."""
    folder = Path(f"/proc/{pid}")
    try:
        status = _numbers(folder / "status")
        descriptors = len(list((folder / "fd").iterdir()))
    except OSError:
        return None
    if "VmRSS" not in status:
        return None  # it has ended, and its parent has not asked yet
    return Sample(at_s, role, pid, status["VmRSS"] * _KIB, descriptors, status["Threads"])


def of_folder(at_s: float, role: str, folder: Path) -> Sample:
    """Return a look at a folder's files."""
    sizes = []
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                sizes.append(path.stat().st_size)
        except OSError:
            continue  # gone since it was listed
    return Sample(at_s, role, 0, sum(sizes), len(sizes), 0)


def write_csv(path: Path, samples: list[Sample]) -> None:
    """Write one row per sample, under the names of its members."""
    names = [each.name for each in fields(Sample)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([getattr(sample, name) for name in names] for sample in samples)


def _numbers(path: Path) -> dict[str, int]:
    """Return the numbers of lines such as ``VmRSS:   1234 kB``."""
    found = {}
    for line in path.read_text().splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            found[name] = int(words[0])
    return found
