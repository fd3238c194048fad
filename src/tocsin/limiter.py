"""The budget per fault key: a key goes in, its entry and whether this occurrence is captured in full leave."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import count
from typing import Any, Final, TypeAlias, TypeVar

from tocsin.event import limits

__all__ = ["Entry", "Limiter", "Refine"]

# What is more to be known of an occurrence than its key: of (piece, exception, environ).
Refine: TypeAlias = Callable[..., Hashable]

_POWERS_OF_TEN: Final = frozenset(10**exponent for exponent in range(1, 19))
_EVICTED_SHARE: Final = 8  # one entry in so many goes when the table is full: one sort pays for many arrivals
_MINUTE_S: Final = 60.0
_T = TypeVar("_T")


class Entry:
    """Hold what is known of one fault in this process.

    The limiter keeps ``total`` (occurrences since it was last idle), ``last_full`` and ``last_used``
    (monotonic seconds). ``fingerprint``, ``prefix``, ``data``, ``pins`` and ``is_dropped`` are the caller's own,
    empty at first; they outlive an idle time, but not eviction.

    Where several faults share a key, its entry has a ``refine`` and counts nothing itself; there is an entry
    (``is_refined``) for each value of that, and one (``is_rest``) for all past `REFINED_KEYS` of them. It
    ``is_alone`` where others were looked for and there are none, so that nobody need look again.
    """

    __slots__ = (
        "_next",
        "data",
        "fingerprint",
        "is_alone",
        "is_dropped",
        "is_refined",
        "is_rest",
        "key",
        "last_full",
        "last_used",
        "lasting",
        "pins",
        "prefix",
        "refine",
        "refined",
        "total",
    )

    def __init__(self, key: Hashable, now: float) -> None:
        self.key: Final = key
        self.lasting: Hashable = None
        self.fingerprint = ""
        self.prefix = ""
        self.is_dropped = False
        self.data: Any = None
        self.pins: Any = None
        self.refine: Refine | None = None
        self.refined: Final[dict[Hashable, Hashable]] = {}  # keys of the entries by what refined them
        self.is_refined = self.is_rest = self.is_alone = False
        self.restart(now)

    def restart(self, now: float) -> None:
        """Begin the budget anew."""
        # `next` of a count is one step in C: exact from many threads, where `+= 1` loses some.
        self._next = count(1).__next__
        self.total = 0
        self.last_full = now
        self.last_used = now


class Limiter:
    """Decide per fault key what is captured in full and what is only counted.

    In full: a burst, then one per interval, and the 10th, 100th, 1000th … for fresh context. Over all
    faults, `CAPTURES_PER_MINUTE`; past that only the first occurrence of a fault. Keys that were idle for
    `IDLE_KEY_S` begin anew; of more than `LIMITER_KEYS` the least recently used are forgotten.

    There is no lock: each step on shared data is one operation of the interpreter. So it can't deadlock in a
    signal handler, in garbage collection or after fork; what threads may do at the same moment is capture
    one occurrence more in full than they should.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock: Final = clock
        self._entries: Final[dict[Hashable, Entry]] = {}
        self._keys: Final[dict[Hashable, Hashable]] = {}  # by lasting key
        self._minute_started = clock()
        self._captured = 0  # in this minute
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._entries)

    def admit(
        self,
        key: Hashable,
        lasting: Callable[[_T], Hashable] | None = None,
        subject: _T | None = None,
        about: tuple[Any, ...] = (),
    ) -> tuple[Entry, bool]:
        """Count one occurrence; return the fault's entry and whether to capture it in full.

        Where the key is not known, ``lasting(subject)`` may be one that is: then it is the same fault. ``about`` is
        what an entry's ``refine`` is called with.
        """
        now = self._clock()
        entry = self._entries.get(key)
        if entry is None and lasting is not None and subject is not None:
            entry = self._known_as(lasting(subject), key, now)
        if entry is None:
            entry = self._added(key, now)
        elif entry.refine is not None:
            entry = self.refined(entry, entry.refine(*about))
        if now - entry.last_used > limits.IDLE_KEY_S:
            entry.restart(now)
        entry.last_used = now
        entry.total = number = entry._next()
        if number <= limits.BURST or now - entry.last_full >= limits.FULL_INTERVAL_S or number in _POWERS_OF_TEN:
            return entry, self._is_granted(entry, number, now)
        return entry, False

    def refined(self, entry: Entry, value: Hashable) -> Entry:
        """Return the entry of those occurrences of a key for which its ``refine`` returns ``value``.

        Whoever makes values up, a visitor say, makes no more than `REFINED_KEYS` of them.
        """
        is_rest = value not in entry.refined and len(entry.refined) >= limits.REFINED_KEYS
        key = (entry.key, None) if is_rest else entry.refined.setdefault(value, (entry.key, value))
        found = self._entries.get(key) or self._added(key, self._clock())
        found.is_refined, found.is_rest = True, is_rest
        entry.last_used = self._clock()
        return found

    def _known_as(self, lasting: Hashable, key: Hashable, now: float) -> Entry:
        entry = self._entries.get(self._keys.get(lasting))
        if entry is None:
            entry = self._added(key, now)
            entry.lasting = lasting
            self._keys[lasting] = entry.key
        return entry

    def _is_granted(self, entry: Entry, number: int, now: float) -> bool:
        if now - self._minute_started >= _MINUTE_S:
            self._minute_started = now
            self._captured = 0
        if self._captured >= limits.CAPTURES_PER_MINUTE and number > 1:
            return False
        self._captured += 1
        entry.last_full = now
        return True

    def _added(self, key: Hashable, now: float) -> Entry:
        if len(self._entries) >= limits.LIMITER_KEYS:
            self._evict()
        # Of two threads that meet a new fault at once, both get the same entry.
        return self._entries.setdefault(key, Entry(key, now))

    def _evict(self) -> None:
        entries = list(self._entries.values())  # one step in C: no other thread can change the table meanwhile
        entries.sort(key=_last_used)
        for entry in entries[: max(1, len(entries) // _EVICTED_SHARE)]:
            if self._entries.pop(entry.key, None) is not None:
                self._keys.pop(entry.lasting, None)
                self.evicted += 1


def _last_used(entry: Entry) -> float:
    return entry.last_used
