"""Settings and sinks go in; what `tocsin deliver` leads with leaves: a Term, and a way to tell of its own failures."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tocsin.cli.books import holder
from tocsin.config.settings import Settings
from tocsin.delivery.introduced import Introducer, blame_of
from tocsin.delivery.leader import Leader
from tocsin.delivery.term import Term
from tocsin.event.errors import StoreError
from tocsin.intake import Intake
from tocsin.routing.opening import open_state, state_place
from tocsin.sinks.registry import BuiltSink
from tocsin.spool.folder import Folder

__all__ = ["Crew"]

TAKEOVER_S: Final = 15.0  # a worker that leads looks for a wish every second, and ends its present step first
_LOOK_S: Final = 0.05
_ENDLESS_DAYS: Final = 36_500.0
_ENDLESS_BYTES: Final = 1 << 62


@dataclass(slots=True)
class Crew:
    """Lead one spool with these sinks.

    ``is_stand_in``: the sinks were named for this run only. Then retention is left to who knows the settings, and
    cursors of other sinks are left alone.
    """

    folder: Folder
    settings: Settings
    sinks: tuple[BuiltSink, ...]
    is_stand_in: bool
    term: Term = field(init=False)
    _intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.term = Term(self.folder, self._new_leader, is_dedicated=True)
        self._intake = Intake(self.settings, self.folder, sink_identities=[sink.identity for sink in self.sinks])

    @property
    def leader(self) -> Leader | None:
        """Return the leader while this process leads."""
        return self.term.leader

    def require(self) -> None:
        """Raise StoreError where this process could never lead: another's folder, a network disk, a damaged state."""
        self.folder.require_founder()
        self.folder.prepare()
        # A database that is away may come back, and one without tables gets them: who leads tells of it.
        if not self.settings.state and self.folder.state.exists() and self.folder.state.stat().st_size:
            state = open_state(self.folder, read_only=True)
            try:
                state.consumers()
            finally:
                state.close()

    def take_over(self, is_stopping: Callable[[], bool]) -> bool:
        """Wait until this process leads; False where it is to stop. Raises StoreError, telling who leads instead."""
        end = time.monotonic() + TAKEOVER_S
        while not is_stopping():
            self.step()
            if self.leader is not None:
                return True
            if time.monotonic() > end:
                who = holder(self.folder)
                why = f"{who} delivers it; stop it first" if who else "see what was said above"
                raise StoreError(f"the spool {self.folder.path} can't be led: {why}")
            time.sleep(_LOOK_S)
        return False

    def step(self) -> bool:
        """Do one step, as `Term.step`; keep what could not be spooled of our own reports going."""
        worked = self.term.step()
        process = self._intake.processes.known()
        if process is not None:
            process.writer.retry_pending()
        return worked

    def finish(self, within_s: float) -> None:
        """Let calls that are under way settle for so long, then stop leading. What is left stays in the spool."""
        end = time.monotonic() + within_s
        while self.leader is not None and self.leader.is_busy and time.monotonic() < end:
            if not self.step():
                time.sleep(_LOOK_S)
        self.end()
        process = self._intake.processes.known()
        if process is not None and process.pid == os.getpid():
            process.writer.close()

    def end(self) -> None:
        """Stop leading; `take_over` leads again."""
        self.term.end()

    def _new_leader(self) -> Leader:
        settings = self.settings
        return Leader(
            self.folder,
            self.sinks,
            application=settings.application,
            environment=settings.environment,
            keep_days=_ENDLESS_DAYS if self.is_stand_in else settings.keep_days,
            max_bytes=_ENDLESS_BYTES if self.is_stand_in else int(settings.spool_max_mb * 1_048_576),
            is_stand_in=self.is_stand_in,
            state=state_place(settings),
            tell=self._tell,
            scrubber=self._intake.scrubber,
            app_modules=settings.app_modules,
            introducer=Introducer(blame_of(settings, self._intake.scrubber)),
        )

    def _tell(self, text: str, template: str) -> None:
        """Spool a report of a failing sink, so that it goes out through the others."""
        self._intake.message(text, kind="error", level=logging.ERROR, template=template, logger="tocsin.delivery")
