"""One event, not two: an exception goes in, what it was captured as before leaves, if it was.

A framework logs an exception and then raises it, or a view logs it and lets it pass: the same object comes by twice on
different ways in. It is the same occurrence when it carries our mark, from the same request, and comes by a way on
which it was not seen yet: the same log call or hook seeing it again means that it happened again. Where one of the two
sightings was outside of any request (in a pool's thread, say) the time between them decides instead. Identity by
`id()` would be wrong (reused), weak references fail on built-in exceptions, and a mark alone would swallow an exception
that lives in a module and is raised time and again.
"""

from __future__ import annotations

import threading
import time
from typing import Final, NamedTuple

from tocsin.capture import anatomy
from tocsin.event import limits
from tocsin.event.model import Kind

__all__ = ["Seen", "is_told", "mark", "recall", "recall_members", "share", "strength"]

_NAME: Final = "__tocsin__"
_OUTSIDE_S: Final = 2.0
_STRENGTH: Final[dict[Kind, int]] = {"warning": 0, "error": 1_000_000, "traceback": 2_000_000}


class Seen(NamedTuple):
    """Say what an exception was captured as. ``token`` names the request, "" where there was none."""

    error_id: str
    fingerprint: str
    strength: int
    token: str
    ways: tuple[str, ...]
    thread: int
    at: float  # monotonic


def strength(kind: Kind, levelno: int) -> int:
    """Return how grave a way of seeing an exception is: an uncaught one is more than one logged as a warning."""
    return _STRENGTH[kind] + levelno


def recall(exc: BaseException, via: str, token: str | None, channel: str = "") -> Seen | None:
    """Return what this very occurrence was captured as before; None for one that is new.

    ``channel`` names a spool besides the application's own: what one has, another may still lack.

    ``token`` is the present request's name, "" outside of any, None for a request that has reported nothing yet.
    """
    try:
        value = dict.get(anatomy.attributes(exc), _NAME + channel)
        if type(value) is not tuple:
            return None  # nearly always, and cheaper than an AttributeError
        seen = Seen(*value)
        if via in seen.ways or type(seen.error_id) is not str:
            return None
        if token and seen.token:
            return seen if token == seen.token else None
        is_recent = time.monotonic() - seen.at < _OUTSIDE_S
    except (AttributeError, TypeError, ValueError):
        return None
    if token is None and seen.token and seen.thread != threading.get_ident():
        return None
    return seen if is_recent else None


def recall_members(exc: BaseException, via: str, token: str | None, channel: str = "") -> Seen | None:
    """Return what the first member of a group was captured as where all were: the group is no further occurrence.

    A task logs what it raises, and its task group raises it again among others, or alone.
    """
    first: Seen | None = None
    waiting = [exc]
    for _ in range(limits.DISCONNECT_MEMBERS):
        if not waiting:
            return first
        members = anatomy.members(waiting.pop())
        if len(members) > limits.DISCONNECT_MEMBERS:
            return None
        for member in members:
            if anatomy.members(member):
                waiting.append(member)
                continue
            seen = recall(member, via, token, channel)
            if seen is None:
                return None
            first = first or seen
    return None


def is_told(exc: BaseException, via: str) -> bool:
    """Tell whether an exception was reported as caught by nobody, however long ago, and comes by a new way now.

    For the ways that are the last of all: what ends a script after a minute of cleaning up is what a block reported.
    """
    value = dict.get(anatomy.attributes(exc), _NAME)
    if type(value) is not tuple or len(value) != len(Seen._fields):
        return False
    seen = Seen(*value)
    return seen.strength >= strength("traceback", 0) and via not in seen.ways


def mark(
    exc: BaseException,
    error_id: str,
    fingerprint: str,
    rank: int,
    token: str,
    ways: tuple[str, ...],
    channel: str = "",
) -> None:
    """Mark an exception as captured, with plain values only, past any `__setattr__` of its class."""
    value = (error_id, fingerprint, rank, token, ways, threading.get_ident(), time.monotonic())
    dict.__setitem__(anatomy.attributes(exc), _NAME + channel, value)  # the dict may be derived from dict


def share(exc: BaseException, wrapper: BaseException) -> None:
    """Mark what a framework has put around a captured exception as the same occurrence: its server may log that."""
    found = dict.get(anatomy.attributes(exc), _NAME)
    if type(found) is tuple:
        dict.__setitem__(anatomy.attributes(wrapper), _NAME, found)
