"""Reports that a destination refuses for good go in, with the reason; what people want tried again leaves.

One file per report in the spool's folder ``dead-letters``: ``*.json`` lies there, ``*.retry`` is wanted again. A rename
says so, and needs no leader; only the leader makes and removes them otherwise.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, cast, get_args

from tocsin.complaints import complain
from tocsin.event import limits, wire
from tocsin.event.errors import DecodeError, StoreError
from tocsin.event.model import Kind
from tocsin.event.notice import Notice
from tocsin.routing.state import Pending
from tocsin.routing.stored import dump_pending, load_pending
from tocsin.sinks.base import Entry, Origin, Refused
from tocsin.spool.folder import Folder

__all__ = ["DeadLetter", "DeadLetters"]

_LYING: Final = ".json"
_WANTED: Final = ".retry"
_FORMAT: Final = 1
_T = TypeVar("_T")
_TICK_NS: Final = 1_000_000_000  # coarser than any file system's times


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Be one report that ``sink`` (an identity) refused, with the reason; the file's name sorts by time."""

    path: Path
    sink: str
    at: datetime
    reason: str
    remedy: str
    report: Entry | Notice

    @property
    def is_wanted(self) -> bool:
        """Tell whether it is to be tried again."""
        return self.path.suffix == _WANTED

    @property
    def occurrences(self) -> int:
        """Return how many occurrences it tells of."""
        if isinstance(self.report, Entry):
            return self.report.occurrences
        return sum(issue.untold for issue in self.report.issues)


class DeadLetters:
    """Keep a spool's dead letters within DEAD_LETTERS, DEAD_LETTER_BYTES and DEAD_LETTER_DAYS."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder.dead_letters
        self._wanted: dict[Path, str | None] = {}  # whose it is; None until it was read, "" where it can't be
        self._next: dict[str, DeadLetter] = {}  # of each sink the one that is read already
        self._seen_at: int | None = None

    def bury(self, sink: str, report: Entry | Notice, refused: Refused, now: datetime) -> bool:
        """Keep a refused report; False where there is no room or no writing, so that it is a loss."""
        text = _dump(sink, report, refused, now)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            paths = list(self._paths())
            room = limits.DEAD_LETTER_BYTES - sum(path.lstat().st_size for path in paths)
            if len(paths) >= limits.DEAD_LETTERS or len(text) > room:
                return False
            self._write(self._folder / f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}{_LYING}", text)
        except OSError as fault:
            complain("dead_letters", f"a refused report can't be kept in {self._folder}: {fault.strerror or fault}")
            return False
        return True

    def wanted(self, sink: str) -> DeadLetter | None:
        """Return the oldest letter of a sink that people want tried again. Costs one look at the folder's time."""
        try:
            changed_at = self._folder.stat().st_mtime_ns
        except OSError:
            return None
        if changed_at != self._seen_at:
            # What has just changed may change again within the clock's tick, unseen: it is read once more.
            self._seen_at = changed_at if time.time_ns() - changed_at > _TICK_NS else None
            paths = [path for path in self._paths() if path.suffix == _WANTED]
            self._wanted = {path: self._wanted.get(path) for path in paths}
        return next(self._wanted_by(sink), None)

    def remove(self, letter: DeadLetter) -> None:
        """Forget a letter: it was delivered, or nobody wants it."""
        letter.path.unlink(missing_ok=True)
        self._forget(letter)

    def lay_back(self, letter: DeadLetter, refused: Refused, now: datetime) -> None:
        """Keep a letter that was refused once more, with the reason of now."""
        self._write(letter.path, _dump(letter.sink, letter.report, refused, now))
        letter.path.rename(letter.path.with_suffix(_LYING))
        self._forget(letter)

    def want(self, letter: DeadLetter) -> None:
        """Ask the leader to try a letter again."""
        if not letter.is_wanted:
            letter.path.rename(letter.path.with_suffix(_WANTED))

    def all(self) -> list[DeadLetter]:
        """Return every letter that can be read, the oldest first; an unreadable one is complained of and left."""
        return [letter for path in self._paths() if (letter := _read(path)) is not None]

    def expire(self, now: datetime) -> Counter[str]:
        """Remove what is older than DEAD_LETTER_DAYS; return the occurrences that were given up, by sink."""
        lost: Counter[str] = Counter()
        before = now - timedelta(days=limits.DEAD_LETTER_DAYS)
        for path in list(self._paths()):
            if path.name < f"{before:%Y%m%dT%H%M%S%f}":
                try:
                    letter = _load(path)
                    lost[letter.sink] += letter.occurrences
                except (OSError, StoreError):
                    lost["a sink"] += 1  # of one that can't be read only that it was there is known
                path.unlink(missing_ok=True)
        return lost

    def _paths(self) -> Iterator[Path]:
        if self._folder.is_dir():
            names = sorted(path for path in self._folder.iterdir() if path.suffix in (_LYING, _WANTED))
            # Links, pipes and folders are nobody's letters, and reading them might never end.
            yield from (path for path in names if not path.name.startswith(".") and _is_file(path))

    def _write(self, path: Path, text: bytes) -> None:
        hidden = path.with_name(f".{path.name}")
        fd = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(text)
        hidden.replace(path)

    def _wanted_by(self, sink: str) -> Iterator[DeadLetter]:
        """Give a sink's wanted letters, each read when its turn comes: all of them together may be large."""
        for path, whose in self._wanted.items():
            if whose not in (None, sink):
                continue
            letter = self._next.get(sink)
            if letter is None or letter.path != path:
                letter = _read(path)
            self._wanted[path] = "" if letter is None else letter.sink
            if letter is not None and letter.sink == sink:
                self._next[sink] = letter
                yield letter

    def _forget(self, letter: DeadLetter) -> None:
        self._wanted.pop(letter.path, None)
        self._next.pop(letter.sink, None)


# -- what a file holds -------------------------------------------------------------------------------------
def _dump(sink: str, report: Entry | Notice, refused: Refused, now: datetime) -> bytes:
    members: dict[str, Any] = {
        "format": _FORMAT,
        "sink": sink,
        "at": now.isoformat(),
        "reason": refused.reason,
        "remedy": refused.remedy,
    }
    if isinstance(report, Entry):
        origin = {name: getattr(report.origin, name) for name in Origin.__dataclass_fields__}
        members["entry"] = {
            "origin": origin,
            "kind": report.kind,
            "levelno": report.levelno,
            "fingerprint": report.fingerprint,
            "occurrences": report.occurrences,
            "line": report.line.decode("utf-8"),
        }
        return json.dumps(members).encode("ascii")
    bare = replace(report, issues=tuple(replace(issue, sample=None) for issue in report.issues))
    # With its events, which the spool keeps for half the time.
    samples = {each.fingerprint: wire.encode(each.sample).decode("ascii") for each in report.issues if each.sample}
    members["notice"] = {"pending": dump_pending(Pending(bare, ())), "samples": samples}
    return json.dumps(members).encode("ascii")


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False  # delivered since the folder was read


def _read(path: Path) -> DeadLetter | None:
    """Return a letter; None for one that is gone, or can't be read, of which is complained."""
    try:
        return _load(path)
    except FileNotFoundError:
        return None  # delivered since the folder was read
    except (OSError, StoreError) as fault:
        complain("dead_letters", f"{path} can't be read: {getattr(fault, 'strerror', None) or fault}")
        return None


def _load(path: Path) -> DeadLetter:
    """Return a letter. Raises OSError, and StoreError for what is none: people may have edited it, or copied half."""
    data = path.read_bytes()
    try:
        members = json.loads(data)
        if members["format"] != _FORMAT:
            raise StoreError(f"it is of format {members['format']}, this version knows {_FORMAT}")
        at = datetime.fromisoformat(members["at"]).astimezone(UTC)
        report = _entry(members["entry"]) if "entry" in members else _notice(members["notice"])
        sink, reason, remedy = (_of_type(str, members[name]) for name in ("sink", "reason", "remedy"))
        return DeadLetter(path, sink, at, reason, remedy, report)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, DecodeError) as fault:
        raise StoreError(f"it is no whole letter ({type(fault).__name__})") from fault


def _of_type(type_: type[_T], value: Any) -> _T:
    if type(value) is not type_:
        raise TypeError
    return value


def _entry(members: dict[str, Any]) -> Entry:
    origin = members["origin"]
    numbers = {name: value for name, value in origin.items() if name != "process" and value is not None}
    kind = _of_type(str, members["kind"])
    if kind not in get_args(Kind) or not isinstance(json.loads(members["line"]), dict):
        raise ValueError
    return Entry(
        Origin(_of_type(str, origin["process"]), **{name: _of_type(int, value) for name, value in numbers.items()}),
        cast("Kind", kind),
        _of_type(int, members["levelno"]),
        _of_type(str, members["fingerprint"]),
        _of_type(int, members["occurrences"]),
        members["line"].encode("utf-8"),
    )


def _notice(members: dict[str, Any]) -> Notice:
    notice = load_pending(members["pending"]).notice
    for issue in notice.issues:
        _of_type(int, issue.untold)
    samples = {fingerprint: wire.decode(text.encode()) for fingerprint, text in members["samples"].items()}
    return replace(
        notice, issues=tuple(replace(issue, sample=samples.get(issue.fingerprint)) for issue in notice.issues)
    )
