"""One application's room: its arrivals go in; they lie in a spool of its own, each with where it came from.

A room for each application and environment, since issues, mails and tickets belong to one, and what a spool's leader
says of them it takes from the spool. Within a room each release has a writer of its own, for the same reason.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from tocsin.complaints import complain
from tocsin.event import limits
from tocsin.receiver.arrival import Arrival, Unreadable, origin_of
from tocsin.receiver.positions import Place
from tocsin.receiver.writer import ReceiverWriter
from tocsin.sinks.base import Origin
from tocsin.spool import format as segment_format
from tocsin.spool.folder import Folder, GenerationPath
from tocsin.spool.memory import Occurrence
from tocsin.spool.reader import GenerationReader
from tocsin.spool.tallies import LOSSES

__all__ = ["UNSURE", "Room", "RoomName"]

UNSURE: Final = "udp"  # the way by which what comes is in no sure order, so that positions say nothing
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, order=True)
class RoomName:
    """Name a room by what its events say."""

    application: str
    environment: str

    @property
    def path(self) -> str:
        """Return ``shop/production``; what can't be part of a path is replaced, and told apart by a few digits."""
        return f"{_folder_name(self.application)}/{_folder_name(self.environment)}"


def _folder_name(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    digits = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{_NOT_PLAIN.sub('-', text)[:40].strip('-') or 'unnamed'}-{digits}"


class Room:
    """Write one spool. One thread at a time uses a Room."""

    def __init__(self, name: RoomName, base: Path, *, sinks: Sequence[str], max_bytes: int) -> None:
        self.name = name
        self.folder = Folder(base / name.path)
        self._sinks = list(sinks)
        self._max_bytes = max_bytes
        self._writers: dict[str, ReceiverWriter] = {}
        self._ends: dict[Place, int] = {}
        self.own: set[str] = set()  # processes of this spool that are a receiver's: ours, and those before

    def store(self, arrival: Arrival, by: str) -> None:
        """Write one arrival. Raises StoreError, OSError: then it is not there."""
        writer = self._writer(arrival.release)
        members = {} if arrival.is_loss else dict(arrival.members)
        members["received"] = {"by": by, **_origin_members(arrival.origin)}
        occurrence = Occurrence(
            arrival.kind,
            arrival.levelno,
            arrival.number,
            arrival.fingerprint,
            arrival.time,
            _encoded(members),
        )
        # A record of the process's own sort is read by nobody but by `recovered`.
        type_ = segment_format.PROCESS if arrival.is_loss else segment_format.EVENT
        generation, end = writer.put(occurrence, 0 if arrival.is_loss else arrival.occurrences, type_)
        self._ends[self._place(writer.process, generation)] = end
        if arrival.is_loss:  # after it was noted: a disk that is full for long must not count it at every try
            writer.tally(arrival.reason if arrival.reason in LOSSES else "internal", arrival.lost)

    def sync(self) -> None:
        """Force what was written to the disk. Raises OSError."""
        for writer in self._writers.values():
            writer.sync()

    def ends(self) -> dict[Place, int]:
        """Return where the generations end that were written to since the last call."""
        ends, self._ends = self._ends, {}
        return ends

    def places(self) -> set[Place]:
        """Return all generations there are."""
        return {self._place(path.process, path.generation) for path in self.folder.generations()}

    def recovered(self, path: GenerationPath, start: int) -> Iterator[tuple[Origin, int]]:
        """Give what a generation of a receiver that is gone holds after ``start``, each with where it ends.

        A record that a kill left unfinished is cut off: its sender tells it again.
        """
        reader = GenerationReader(path)
        if reader.about().get("receiver") is not True:
            return
        self.own.add(path.process)
        end = start
        while records := reader.records(end):
            for record in records:
                end = record.end
                origin = _received(record.body)
                if origin is not None:
                    yield origin, end
        size = reader.size_bytes()
        if size > end:
            os.truncate(path.events, end)

    def close(self) -> None:
        """Give the files up."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, release: str) -> ReceiverWriter:
        writer = self._writers.pop(release, None)
        if writer is None:
            about = {
                "application": self.name.application,
                "environment": self.name.environment,
                "release": release,
                "host": "",
                "sinks": self._sinks,
                "receiver": True,
            }
            writer = ReceiverWriter(self.folder, about=about, max_bytes=self._max_bytes)
            self.own.add(writer.process)
        self._writers[release] = writer  # the latest used is last
        if len(self._writers) > limits.RECEIVER_RELEASES:
            oldest = self._writers.pop(next(iter(self._writers)))
            oldest.sync()
            oldest.close()
        return writer

    def _place(self, process: str, generation: int) -> Place:
        return self.name.path, process, generation


def _encoded(members: dict[str, Any]) -> bytes:
    try:
        return json.dumps(members, separators=(",", ":")).encode("ascii")
    except RecursionError:
        raise Unreadable("line", "a line must not be nested that deep") from None


def _origin_members(origin: Origin) -> dict[str, Any]:
    members: dict[str, Any] = {"process": origin.process, "generation": origin.generation}
    if origin.offset is not None:
        return {**members, "offset": origin.offset}
    return {**members, "slot": origin.slot, "count": origin.count}


def _received(body: bytes | None) -> Origin | None:
    """Return the origin that a record of ours was received with; None for what has none that counts."""
    try:
        received = json.loads(body or b"{}").get("received")
        return None if received is None or received["by"] == UNSURE else origin_of(received)
    except (ValueError, LookupError, TypeError, AttributeError) as fault:
        complain("receiver", f"a record of the receiver's spool can't be read: {type(fault).__name__}")
        return None
