"""A receiver's rooms go in; each is led by a crew of its own, with the application's own name in what sinks say."""

from __future__ import annotations

from dataclasses import replace

from tocsin.cli.crew import Crew
from tocsin.cli.destinations import build_sinks
from tocsin.complaints import complain
from tocsin.config.settings import Settings
from tocsin.event.errors import TocsinError
from tocsin.receiver.inbox import Inbox
from tocsin.receiver.room import Room, RoomName
from tocsin.render import harmless

__all__ = ["Rooms"]

_NAME_CHARS = 100


class Rooms:
    """Lead every room there is, in one thread."""

    def __init__(self, inbox: Inbox, settings: Settings) -> None:
        self._inbox = inbox
        self._settings = settings
        self._crews: dict[RoomName, Crew] = {}
        self._given_up: set[RoomName] = set()

    def step(self) -> bool:
        """Do one step in each room; return whether there was anything to do."""
        for room in self._inbox.rooms():
            if room.name not in self._crews and room.name not in self._given_up:
                self._begin(room)
        worked = [crew.step() for crew in self._crews.values()]
        return any(worked)

    def finish(self, within_s: float) -> None:
        """Let calls that are under way settle, then stop leading."""
        for crew in self._crews.values():
            crew.finish(within_s)
        self._crews.clear()

    def _begin(self, room: Room) -> None:
        settings = replace(
            self._settings,
            application=harmless.line(room.name.application, _NAME_CHARS) or "unnamed",
            environment=harmless.line(room.name.environment, _NAME_CHARS),
            spool=str(room.folder.path),
        )
        try:
            crew = Crew(room.folder, settings, build_sinks(settings), is_stand_in=False)
            crew.require()
        except (TocsinError, OSError) as fault:
            self._given_up.add(room.name)
            complain("rooms", f"{room.folder.path} can't be delivered from: {fault}; its events wait there")
            return
        self._crews[room.name] = crew
