"""Deaths as `tocsin status` tells of them: a spool and its state's note go in; what is seen leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin.cli.words import ago
from tocsin.delivery.deaths import IDLE_DEATHS
from tocsin.spool.folder import Folder
from tocsin.spool.in_flight import read_flight_about
from tocsin.spool.locks import is_held

__all__ = ["Mortality", "mortality"]


@dataclass(frozen=True, slots=True)
class Mortality:
    """Say what is known of deaths. ``refusals`` are why living processes can't tell of a crash, each reason once."""

    watched: int = 0  # living processes whose death would be noticed
    refusals: Sequence[str] = ()
    idle: int = 0  # ended without a word while they were in nothing, since the state was made
    latest: str = ""

    def words(self, now: datetime) -> str:
        """Return one line for people, "" where nothing is to be told."""
        if not self.idle:
            return ""
        ended = f"{self.idle:,} idle process{'' if self.idle == 1 else 'es'} ended without a word"
        try:
            return f"{ended}, the latest {ago(datetime.fromisoformat(self.latest), now)}"
        except ValueError:
            return ended

    def members(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "watched": self.watched,
            "refusals": list(self.refusals),
            "idle_deaths": self.idle,
            "latest_idle_death": self.latest or None,
        }


def mortality(folder: Folder, note: Mapping[str, Any]) -> Mortality:
    """Look at the living, and at what the leader has noted of the dead."""
    living = [process for process in folder.flights() if is_held(folder.flight(process))]
    refusals = set()
    for process in living:
        refusal = read_flight_about(folder.flight(process)).get("crashes")
        if type(refusal) is str and refusal:
            refusals.add(refusal)
    idle = note.get(IDLE_DEATHS)
    known = idle if type(idle) is dict else {}
    count, latest = known.get("n", 0), known.get("latest", "")
    return Mortality(
        len(living), sorted(refusals), count if type(count) is int else 0, latest if type(latest) is str else ""
    )
