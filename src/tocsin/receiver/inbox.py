"""All rooms of a receiver: arrivals go in, from any thread; when `take` returns, they are on the disk, each once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tocsin.complaints import complain, say
from tocsin.event import limits
from tocsin.event.errors import StoreError
from tocsin.receiver.arrival import Arrival, Unreadable
from tocsin.receiver.positions import Positions
from tocsin.receiver.room import UNSURE, Room, RoomName
from tocsin.render import harmless
from tocsin.sinks.base import Origin
from tocsin.spool.folder import Folder, GenerationPath
from tocsin.spool.locks import FileLock
from tocsin.spool.reader import GenerationReader

__all__ = ["Inbox", "Stored"]

_SAVE_S: Final = 5.0
_PURGE_S: Final = 3_600.0
_OTHERS: Final = RoomName("various", "various")  # past RECEIVER_ROOMS


@dataclass(frozen=True, slots=True)
class Stored:
    """Say how many of the arrivals, from the first on, need not come again; and why not the next one."""

    number: int
    fault: str = ""
    is_for_good: bool = False  # the next one will never be taken


class Inbox:
    """Keep what arrives. Thread-safe: one at a time writes."""

    def __init__(
        self,
        folder: Folder,
        *,
        sinks: Sequence[str],
        max_bytes: int,
        told: Callable[[Arrival], None] = lambda arrival: None,
    ) -> None:
        """``sinks`` are identities, for the heads of segments; ``told`` is called with all that is new."""
        self.folder = folder
        self._sinks = sinks
        self._max_bytes = max_bytes
        self._told = told
        self._lock = threading.Lock()
        self._rooms: dict[RoomName, Room] = {}
        self._unsure: dict[Origin, None] = {}
        self._saved_at = self._purged_at = time.monotonic()
        self._only = FileLock(folder.path / "receive.lock")
        self._positions: Positions | None = None
        self.stored = 0
        self.repeated = 0

    def open(self) -> None:
        """Take the folder, and find again what its rooms hold. Raises StoreError, OSError."""
        self.folder.prepare()
        if not self._only.acquire():
            raise StoreError(f"another tocsin receive has {self.folder.path}; give each a --spool of its own")
        self._positions = Positions(self.folder.path / "received.sqlite")
        for events in sorted(self.folder.path.glob("*/*/*.events")):
            name = _room_of(events)
            if name is not None and name not in self._rooms:
                self._recover(self._opened(name), self._positions)
        self.tend(is_hurried=True)

    def rooms(self) -> list[Room]:
        """Return the rooms there are."""
        return list(self._rooms.values())

    def take(self, arrivals: Sequence[Arrival], by: str) -> Stored:
        """Write what is new of the arrivals, in order; it is on the disk when this returns."""
        with self._lock:
            taken = Stored(len(arrivals))
            new: list[Arrival] = []
            for number, arrival in enumerate(arrivals):
                try:
                    self._take(arrival, by, new)
                except Unreadable as fault:
                    taken = Stored(number, fault.reason, is_for_good=True)
                    break
                except (StoreError, OSError) as fault:
                    taken = Stored(number, self._why(fault))
                    break
            try:
                # Also where nothing was new: what comes twice may be what could not be forced to the disk before.
                for room in self._rooms.values():
                    room.sync()
            except OSError as fault:
                return Stored(0, self._why(fault))
        for arrival in new:
            self._told(arrival)
        return taken

    def tend(self, *, is_hurried: bool = False) -> None:
        """Save positions now and then. Raises nothing: what is not saved is found again in the rooms."""
        now = time.monotonic()
        if self._positions is None or (now - self._saved_at < _SAVE_S and not is_hurried):
            return
        self._saved_at = now
        with self._lock:
            try:
                rooms = self.rooms()
                self._positions.save({place: end for room in rooms for place, end in room.ends().items()})
                if now - self._purged_at > _PURGE_S:
                    self._purged_at = now
                    self._positions.purge({place for room in rooms for place in room.places()})
            except StoreError as fault:
                complain("receiver", str(fault))

    def close(self) -> None:
        """Give the files up; what was taken stays."""
        self.tend(is_hurried=True)
        with self._lock:
            for room in self._rooms.values():
                room.close()
            if self._positions is not None:
                self._positions.close()
                self._positions = None
        self._only.release()

    # -- one arrival ---------------------------------------------------------------------------------------

    def _take(self, arrival: Arrival, by: str, new: list[Arrival]) -> None:
        if arrival.is_check:
            who = harmless.line(f"{arrival.application}/{arrival.environment} on {arrival.host}", 200)
            say(f"a check of {who} has arrived by {by}")
            return
        if any(arrival.origin.process in room.own for room in self._rooms.values()):
            raise Unreadable("line", "it comes from this receiver itself: one of its sinks leads back to it")
        part = self._new_part(arrival, by)
        if part is not None:
            if not part:
                self.repeated += 1
                return
            # A count that was taken in part before: its sender's cursor was behind.
            lost = min(arrival.lost, part)
            arrival = replace(arrival, occurrences=min(arrival.occurrences, part), lost=lost)
        self._room(arrival).store(arrival, by)
        self._note(arrival.origin, by)
        self.stored += 1
        new.append(arrival)
        if arrival.is_loss:
            who = harmless.line(f"{arrival.application}/{arrival.environment} on {arrival.host}", 200)
            complain("lost", f"{who} tells of {arrival.lost} lost: {harmless.line(arrival.reason, 60)}")

    def _new_part(self, arrival: Arrival, by: str) -> int | None:
        if by == UNSURE:
            return 0 if arrival.origin in self._unsure else None
        if self._positions is None:
            raise StoreError("the receiver ends")
        return self._positions.new_part(arrival.origin)

    def _note(self, origin: Origin, by: str) -> None:
        if by != UNSURE and self._positions is not None:
            self._positions.note(origin)
            return
        self._unsure[origin] = None
        while len(self._unsure) > limits.RECEIVER_ORIGINS:
            del self._unsure[next(iter(self._unsure))]

    def _room(self, arrival: Arrival) -> Room:
        name = RoomName(arrival.application, arrival.environment)
        if name not in self._rooms and len(self._rooms) >= limits.RECEIVER_ROOMS:
            complain("rooms", f"more than {limits.RECEIVER_ROOMS} applications: the others share the room various")
            name = _OTHERS
        return self._rooms.get(name) or self._opened(name)

    def _opened(self, name: RoomName) -> Room:
        room = Room(name, self.folder.path, sinks=self._sinks, max_bytes=self._max_bytes)
        room.folder.prepare()
        self._rooms[name] = room
        return room

    def _why(self, fault: Exception) -> str:
        said = getattr(fault, "strerror", None) or type(fault).__name__
        why = str(fault) if isinstance(fault, StoreError) else f"{self.folder.path}: {said}"
        complain("receiver", f"nothing is taken: {why}")
        return why

    # -- at the start --------------------------------------------------------------------------------------

    def _recover(self, room: Room, positions: Positions) -> None:
        """Note what was written after the positions were last saved."""
        ends = {}
        for path in room.folder.generations():
            place = (room.name.path, path.process, path.generation)
            for origin, end in room.recovered(path, positions.read_to(place)):
                positions.note(origin)
                ends[place] = end
        positions.save(ends)


def _room_of(events: Path) -> RoomName | None:
    """Return the room that a segment lies in, by what its head says; None where no receiver wrote it."""
    with suppress(OSError, ValueError):
        process, _, generation = events.stem.rpartition("-")
        about = GenerationReader(GenerationPath(events.parent, process, int(generation))).about()
        if about.get("receiver") is True:
            return RoomName(str(about.get("application", "")), str(about.get("environment", "")))
    return None
