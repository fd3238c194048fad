"""The build stamp, `tocsin-stamp.json`: its path goes in; the commit it names leaves, and who wrote a line of a file.

It is JSON whose first line holds all that a start needs, so that the rest, which grows with the repository, is read
only where a line is asked for, and then not kept. It names no person. The form is in docs/how-to/source-links.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from tocsin.complaints import complain
from tocsin.event import limits
from tocsin.event.notice import Commit
from tocsin.provenance.checkout import is_commit
from tocsin.provenance.files import read_bounded

__all__ = ["SCHEMA", "STAMP_FILE", "Head", "commit_in", "head_of"]

STAMP_FILE: Final = "tocsin-stamp.json"
SCHEMA: Final = 1
_HEAD_BYTES: Final = 8_192

_told: dict[str, None] = {}  # stamps that were complained of; a plain dictionary, whose single steps are atomic


class Head(NamedTuple):
    """Hold a stamp's first line: the commit, where in the repository its folder is, and what it was cloned from.

    No dataclass: every start of an application would pay half a millisecond for it.
    """

    commit: str
    prefix: str = ""
    remote: str = ""


def head_of(path: str) -> Head | None:
    """Return what a stamp begins with; None where there is none. One that can't be read is told once. Never raises."""
    data = read_bounded(path, _HEAD_BYTES, is_head=True)
    if data is None:
        return None
    try:
        first, newline, _ = data.partition(b"\n")
        # Written anew by some other program, it has no such first line, and is read as a whole.
        members = json.loads(first.rstrip(b",") + b"}") if newline and first.endswith(b",") else _whole(path)
        return _head(members)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        _tell(path, fault)
        return None


def commit_in(path: str, file: str, line: int, blob_of: Mapping[int, str]) -> Commit | None:
    """Return which commit brought a line of a file, None where the stamp doesn't say.

    ``file`` is its path from the stamp's folder on, with slashes; ``blob_of`` gives git's id of the content at hand by
    the length of an id (see `blob.blob_ids`), so that another file than the stamped one is nobody's.
    """
    try:
        members = _whole(path)
        _head(members)
        blob, runs = members["files"][file]
        if blob_of and blob_of.get(len(blob)) != blob:
            return None
        index = _index_at(_runs(runs), line)
        return None if index < 0 else _commit(members["commits"][index])
    except KeyError:
        return None  # no file of the stamp's
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as fault:
        _tell(path, fault)
        return None


def _whole(path: str) -> Any:
    data = read_bounded(path, limits.STAMP_BYTES)
    if data is None:
        raise ValueError(f"larger than {limits.STAMP_BYTES:,} bytes")
    return json.loads(data)


def _head(members: Any) -> Head:
    if members["schema"] != SCHEMA:
        raise ValueError(f"of schema {members['schema']!r:.20}, this version knows {SCHEMA}")
    commit, prefix, remote = members["commit"], members.get("prefix", ""), members.get("remote", "")
    if not all(type(text) is str for text in (commit, prefix, remote)) or not is_commit(commit):
        raise ValueError("its commit is none")
    if prefix and (prefix.startswith("/") or not prefix.endswith("/") or ".." in prefix.split("/")):
        raise ValueError("its prefix is no folder of a repository")
    return Head(commit, prefix, remote)


def _runs(text: str) -> list[tuple[int, int]]:
    numbers = [int(word) for word in text.split(" ")]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _index_at(runs: Iterable[tuple[int, int]], line: int) -> int:
    last = 0
    for length, index in runs:
        last += length
        if line <= last:
            return index
    return -1


def _commit(row: Any) -> Commit:
    commit, at, subject = row
    if type(subject) is not str or not is_commit(commit):
        raise ValueError("a commit in it is none")
    return Commit(commit, datetime.fromtimestamp(at, UTC) if at else None, subject.partition("\n")[0])


def _tell(path: str, fault: Exception) -> None:
    if path in _told or len(_told) >= limits.CACHED_FOLDERS:
        return
    _told[path] = None
    said = str(fault) if type(fault) is ValueError else type(fault).__name__
    complain("stamp", f"{path} is passed over, it is no stamp of `tocsin stamp`: {said}")
