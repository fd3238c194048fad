"""A spool's folder and what is to be forgotten go in; segments, flight files and dead letters leave without it.

Segments are written over in place, a report at a time and each by one write of as many bytes as it had: their process
may be appending to them, every reader's cursor stays right, and a kill leaves each report as it was or forgotten. What
a kill in the middle of a write leaves is a torn report, whose rest the next run takes.
"""

from __future__ import annotations

import json
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tocsin import system
from tocsin.cli.forgetting.blank import blanked, padded
from tocsin.cli.forgetting.whom import Whom
from tocsin.event import error_id
from tocsin.spool import format as segment_format
from tocsin.spool.folder import Folder
from tocsin.spool.format import HEADER_BYTES, Header, Record

__all__ = ["Taken", "forget_in_flights", "forget_in_letters", "forget_in_segments"]

_CRC_BYTES: Final = 4
_READ_BYTES: Final = 8_388_608
_SLOT_BYTES: Final = 512
_SLOTS_AT: Final = 16  # where a flight file's head says where its slots begin
_SLOT_HEAD_BYTES: Final = 24


@dataclass(slots=True)
class Taken:
    """Count what went, or would go; and remember of each event what else of it is kept elsewhere."""

    reports: int = 0
    files: int = 0
    clients: set[tuple[str, str]] = field(default_factory=set)  # (fingerprint, client hash)
    titles: set[tuple[str, str]] = field(default_factory=set)  # (fingerprint, a log call's text)
    error_ids: set[str] = field(default_factory=set)
    waiting: int = 0  # what can't go yet

    def add(self, other: Taken) -> None:
        """Add what went in another round or place."""
        self.reports += other.reports
        self.files += other.files
        self.clients |= other.clients
        self.titles |= other.titles
        self.error_ids |= other.error_ids
        self.waiting += other.waiting

    def note(self, members: dict[str, Any]) -> None:
        """Count an event in."""
        self.reports += 1
        fingerprint, request = str(members.get("fingerprint", "")), members.get("request")
        if isinstance(request, dict) and isinstance(request.get("client_hash"), str):
            self.clients.add((fingerprint, request["client_hash"]))
        known_as = str(members.get("error_id", ""))
        if "-" in known_as:  # else a count's
            self.error_ids.add(known_as)
        if not members.get("exception"):
            said = members.get("template") or members.get("message")
            self.titles.add((fingerprint, str(said).partition("\n")[0]))


def forget_in_segments(folder: Folder, whom: Whom, taken: Taken, *, is_dry: bool) -> None:
    """Take reports out of every segment. Raises OSError."""
    for generation in folder.generations():
        before = taken.reports
        try:
            fd = system.open_file(generation.events, (os.O_RDONLY if is_dry else os.O_RDWR) | system.NOFOLLOW)
        except FileNotFoundError:
            continue  # retention took it
        try:
            status = os.fstat(fd)
            for record in _records(fd):
                _forget_record(fd, record, whom, taken, is_dry=is_dry)
            if taken.reports > before:
                taken.files += 1
            if taken.reports > before and not is_dry:
                system.sync_data(fd)
                os.utime(generation.events, ns=(status.st_atime_ns, status.st_mtime_ns))  # its age is for retention
        finally:
            os.close(fd)


def _records(fd: int) -> Iterator[Record]:
    offset, wanted = 0, _READ_BYTES
    while data := system.read_at(fd, wanted, offset):
        found = list(segment_format.records(data, offset, is_final=False))
        if not found and len(data) < wanted:
            return  # what is there is being written
        wanted = _READ_BYTES if found else wanted * 4
        yield from found
        offset = found[-1].end if found else offset


def _forget_record(fd: int, record: Record, whom: Whom, taken: Taken, *, is_dry: bool) -> None:
    header = record.header
    if record.body is None or header is None:
        _forget_torn(fd, record, whom, taken, is_dry=is_dry)
        return
    members = _object(record.body) if header.type == segment_format.EVENT and record.body else None
    if members is None or not whom.takes(members):
        return
    taken.note(members)
    if not is_dry:
        body = padded(members, whom.without, len(record.body))
        system.write_at(fd, body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little"), record.offset + HEADER_BYTES)


def _forget_torn(fd: int, record: Record, whom: Whom, taken: Taken, *, is_dry: bool) -> None:
    """Fill a stretch that is no whole report with zeros. It counts as before: by its header, or as a loss."""
    start = record.offset + (HEADER_BYTES if record.header is not None else 0)
    data = system.read_at(fd, record.end - start, start)
    is_it = whom.is_in(data) or (record.header is not None and _is_fault(whom, record.header))
    if is_it and data.strip(b"\0"):
        taken.reports += 1
        if not is_dry:
            system.write_at(fd, bytes(len(data)), start)


def _is_fault(whom: Whom, header: Header) -> bool:
    """Tell whether a header alone says that its report is to go."""
    fault = whom.fault
    if whom.user or whom.client or whom.text or (fault is None and whom.before is None):
        return False
    if whom.before is not None and header.time >= whom.before.timestamp():
        return False
    return fault is None or (fault.names(header) and fault.suffix in ("", error_id.suffix(header.number)))


def forget_in_flights(folder: Folder, whom: Whom, taken: Taken, *, is_dry: bool) -> None:
    """Take what has ended out of the notes of requests and tasks under way; what has not is ``waiting``."""
    for process in folder.flights() if whom.has_bytes else ():
        try:
            fd = system.open_file(folder.flight(process), (os.O_RDONLY if is_dry else os.O_RDWR) | system.NOFOLLOW)
        except FileNotFoundError:
            continue  # its process ended
        try:
            size = os.fstat(fd).st_size
            start = int.from_bytes(system.read_at(fd, 4, _SLOTS_AT), "little")
            for at in range(start, size, _SLOT_BYTES) if start else ():
                slot = system.read_at(fd, _SLOT_BYTES, at)
                if not whom.is_in(slot):
                    continue
                if slot[:1] == b"\0" and not is_dry:
                    system.write_at(fd, bytes(len(slot) - _SLOT_HEAD_BYTES), at + _SLOT_HEAD_BYTES)
                taken.reports += slot[:1] == b"\0"
                taken.waiting += slot[:1] != b"\0"
        finally:
            os.close(fd)


def forget_in_letters(folder: Folder, whom: Whom, taken: Taken, *, is_dry: bool) -> None:
    """Take it out of what destinations refused; each letter is replaced by a rename. Raises OSError."""
    for path in sorted(folder.dead_letters.glob("*")) if folder.dead_letters.is_dir() else ():
        if path.suffix not in (".json", ".retry") or not stat.S_ISREG(path.lstat().st_mode):
            continue
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # delivered meanwhile
        before = taken.reports
        letter = _object(data)
        if letter is None or not _forget_letter(letter, whom, taken):
            continue
        taken.files += taken.reports > before
        if not is_dry:
            _replace(path, json.dumps(letter).encode("ascii"))


def _forget_letter(letter: dict[str, Any], whom: Whom, taken: Taken) -> bool:
    """Change a letter's members; return whether anything was to be changed."""
    changed = False
    for name in ("reason", "remedy"):
        said = str(letter.get(name, ""))
        if whom.without(said) != said:
            letter[name], changed = whom.without(said), True
    entry, notice = letter.get("entry"), letter.get("notice")
    if isinstance(entry, dict):
        changed |= _forget_text(entry, "line", whom, taken)
    if isinstance(notice, dict) and isinstance(samples := notice.get("samples"), dict):
        for fingerprint in list(samples):
            changed |= _forget_text(samples, fingerprint, whom, taken)
    if isinstance(notice, dict) and whom.without(said := str(notice.get("pending", ""))) != said:
        notice["pending"], changed = _titles(said, whom), True
    return changed


def _forget_text(holder: dict[str, Any], name: str, whom: Whom, taken: Taken) -> bool:
    members = _object(str(holder.get(name, "")).encode())
    if members is None or not whom.takes(members):
        return False
    taken.note(members)
    holder[name] = json.dumps({**blanked(members, whom.without), "forgotten": True}, separators=(",", ":"))
    return True


def _titles(pending: str, whom: Whom) -> str:
    from tocsin.routing.forgetting import without_titles

    return without_titles(pending, whom.without, lambda fingerprint, title: False)


def _replace(path: Path, data: bytes) -> None:
    hidden = path.with_name(f".{path.name}.forget")
    fd = system.open_file(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():  # else it was delivered, and must not be there again
        hidden.replace(path)
    else:
        hidden.unlink()


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
