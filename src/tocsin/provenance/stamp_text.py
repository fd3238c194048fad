"""What a build knows of its files goes in; the text of a stamp leaves, as `stamp` reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin.event.notice import Commit
from tocsin.provenance.stamp import SCHEMA, Head

__all__ = ["StampedFile", "dump_stamp"]


@dataclass(frozen=True, slots=True)
class StampedFile:
    """Hold one file's lines. ``blob`` is git's id of its content; ``runs`` are (number of lines, commit's index).

    An index below 0 stands for lines whose commit is not known.
    """

    blob: str
    runs: Sequence[tuple[int, int]]


def dump_stamp(head: Head, at: datetime, files: Mapping[str, StampedFile], commits: Iterable[Commit]) -> str:
    """Return a stamp's text: for each file its blob and runs, such as ``"12 0 3 4"`` (12 lines of the first commit)."""
    first = json.dumps(
        {"schema": SCHEMA, "commit": head.commit, "at": at.isoformat(), "prefix": head.prefix, "remote": head.remote}
    )
    rows = (
        f"{json.dumps(name)}:{json.dumps([file.blob, ' '.join(f'{n} {index}' for n, index in file.runs)])}"
        for name, file in files.items()
    )
    told = (json.dumps([each.id, 0 if each.at is None else int(each.at.timestamp()), each.subject]) for each in commits)
    return f'{first[:-1]},\n"files":{{\n' + ",\n".join(rows) + '\n},\n"commits":[\n' + ",\n".join(told) + "\n]}\n"
