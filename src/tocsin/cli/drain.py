"""`tocsin deliver --drain`: a crew goes in; it delivers what waits, and who did not get it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from tocsin.cli.crew import Crew
from tocsin.delivery.wish import Wish
from tocsin.event import limits
from tocsin.spool.folder import Folder

__all__ = ["drain", "have_drained"]

# A failing sink is tried a few times, this far apart; whoever does nothing for twice as long has given up on it.
_QUIET_S: Final = 2 * limits.HURRIED_PAUSE_S
_IDLE_S: Final = 0.01


def drain(crew: Crew, is_stopping: Callable[[], bool], timeout_s: float) -> list[str]:
    """Deliver all that waits, notices at once; return a sentence for each sink that did not get all, else nothing."""
    with Wish(crew.folder) as wish:
        _work(crew, wish, is_stopping, time.monotonic() + timeout_s)
        return [] if wish.is_granted() else list(_left(crew))


def have_drained(folder: Folder, is_stopping: Callable[[], bool], timeout_s: float) -> bool:
    """Ask the process that leads to deliver all that waits; return whether it has within the time."""
    end = time.monotonic() + timeout_s
    with Wish(folder) as wish:
        while not wish.is_granted() and not is_stopping() and time.monotonic() < end:
            time.sleep(_IDLE_S)
        return wish.is_granted()


def _work(crew: Crew, wish: Wish, is_stopping: Callable[[], bool], end: float) -> None:
    """Step until the wish is granted, until only sinks that fail are left, or until the time is over."""
    worked_at = time.monotonic()
    while not wish.is_granted() and not is_stopping() and time.monotonic() < end:
        worked = crew.step()
        # Without a leader the term has failed, has said why, and tries again within some seconds.
        if worked or crew.leader is None or crew.leader.is_busy:
            worked_at = time.monotonic()
        elif time.monotonic() - worked_at > _QUIET_S:
            return
        if not worked:
            time.sleep(_IDLE_S)


def _left(crew: Crew) -> Iterator[str]:
    leader = crew.leader
    if leader is None:
        yield "all sinks: delivery itself failed; see what was said above"
        return
    is_told = False
    for outlet in leader.outlets:
        health = outlet.health
        if health.failing_since is not None:
            yield f"{outlet.identity}: {health.reason}" + (f"; {health.remedy}" if health.remedy else "")
            is_told = True
        elif outlet.is_busy:
            yield f"{outlet.identity}: its answer is still waited for"
            is_told = True
    if not is_told:
        yield "the rest: there was not enough time; --timeout gives more"
