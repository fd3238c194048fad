"""The plays: a stage and visitors go in; requests are sent, some of which break things, one worker is killed."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plot import NO_DATABASE, Plot
from stage import Kill, Stage
from visitors import Answer, Visit, Visitors

__all__ = ["Played", "play_short", "play_whole"]

_MAIL_WAIT_S = 15
_STORM_VISITORS = 4
_STORM_ROUNDS = 25


@dataclass(frozen=True, slots=True)
class Played:
    """Hold what was done, for the verdict."""

    answers: Sequence[Answer]
    fault_names: frozenset[str]
    warning_names: frozenset[str]
    marker: str  # is in the path of what was not found
    kill: Kill | None


def play_short(stage: Stage, plot: Plot) -> Played:
    """Let every fault happen once."""
    visitors = Visitors(stage.port)
    _each_once(visitors, plot)
    return _played(visitors, plot, "", None)


def play_whole(stage: Stage, plot: Plot, tell: Callable[[str], None]) -> Played:
    """Let every fault happen, wait for its mail, then a crowd meet them all again while a worker is killed."""
    visitors = Visitors(stage.port)
    marker = f"nowhere{secrets.token_hex(6)}"
    tell("visitors look around")
    for visit in plot.ordinary():
        visitors.visit(visit, "ada")
    for visit in plot.nothing(marker):
        visitors.visit(visit, "scanner")
    tell("every fault for the first time; then the database is taken away")
    _each_once(visitors, plot)
    faults = len(plot.faults()) + 1  # … and that the database is away
    _wait_for(lambda: len(stage.mailbox.mails) >= faults, _MAIL_WAIT_S)
    tell("a crowd meets the same faults again")
    kill = _storm(stage, visitors, plot, tell)
    for visit in plot.ordinary():
        visitors.visit(visit, "ada")
    return _played(visitors, plot, marker, kill)


def _each_once(visitors: Visitors, plot: Plot) -> None:
    for visit in (*plot.faults().values(), *plot.warnings().values()):
        visitors.visit(visit, "eve")
    visitors.visit(plot.database(is_there=False), "operator")
    for visit in plot.without_database():
        visitors.visit(visit, "eve")
    visitors.visit(plot.database(is_there=True), "operator")


def _storm(stage: Stage, visitors: Visitors, plot: Plot, tell: Callable[[str], None]) -> Kill:
    """Send several hundred requests at once; kill a worker in their midst, the one that delivers if possible."""
    threads = _crowd(visitors, [*plot.faults().values(), *plot.warnings().values()], _STORM_ROUNDS)
    time.sleep(0.5)
    kill = stage.kill_a_worker()
    tell(f"worker {kill.worker_id} is killed (SIGKILL), requests go on")
    _join(threads)
    visitors.visit(plot.database(is_there=False), "operator")
    _join(_crowd(visitors, plot.without_database(), _STORM_ROUNDS))
    visitors.visit(plot.database(is_there=True), "operator")
    return kill


def _crowd(visitors: Visitors, visits: Sequence[Visit], rounds: int) -> list[threading.Thread]:
    names = [f"crowd{number}" for number in range(1, _STORM_VISITORS + 1)]
    # Each begins at another place, so that the faults mix.
    return visitors.crowd(
        {
            name: itertools.islice(itertools.cycle(visits), shift, shift + rounds * len(visits) // 2)
            for shift, name in enumerate(names)
        }
    )


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def _wait_for(condition: Callable[[], bool], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)


def _played(visitors: Visitors, plot: Plot, marker: str, kill: Kill | None) -> Played:
    faults = frozenset({*plot.faults(), NO_DATABASE})
    return Played(visitors.answers, faults, frozenset(plot.warnings()), marker, kill)
