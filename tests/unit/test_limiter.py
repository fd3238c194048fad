"""The limiter: what is captured in full, what is counted, what is forgotten."""

from __future__ import annotations

import threading

import pytest

from tocsin.event import limits
from tocsin.limiter import Limiter


class Clock:
    """Be a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(clock)


def _full(limiter: Limiter, key: str, times: int) -> list[int]:
    return [number for number in range(1, times + 1) if limiter.admit(key)[1]]


def test_burst_and_powers_of_ten_are_full(limiter: Limiter) -> None:
    """Within one moment: the first five, then the 10th, 100th, 1000th."""
    assert _full(limiter, "a", 1_500) == [1, 2, 3, 4, 5, 10, 100, 1_000]


def test_after_the_burst_one_per_interval_is_full(limiter: Limiter, clock: Clock) -> None:
    """A minute after the last full one the next is full again."""
    _full(limiter, "a", 6)
    clock.now += limits.FULL_INTERVAL_S - 1
    assert limiter.admit("a")[1] is False
    clock.now += 1
    assert [limiter.admit("a")[1] for _ in range(3)] == [True, False, True]  # the third is the tenth


def test_keys_have_their_own_budgets(limiter: Limiter) -> None:
    """One fault's storm leaves another's budget alone."""
    _full(limiter, "a", 50)
    assert _full(limiter, "b", 6) == [1, 2, 3, 4, 5]


def test_idle_key_begins_anew_and_keeps_its_identity(limiter: Limiter, clock: Clock) -> None:
    """After the idle time there is a new burst; what the caller hung on the entry stays."""
    entry, _ = limiter.admit("a")
    entry.fingerprint, entry.prefix, entry.data = "v1:x", "ABC", object()
    _full(limiter, "a", 20)
    clock.now += limits.IDLE_KEY_S + 1
    again, is_full = limiter.admit("a")
    assert (again, is_full, again.total, again.fingerprint) == (entry, True, 1, "v1:x")


def test_idle_time_runs_from_the_last_use(limiter: Limiter, clock: Clock) -> None:
    """A fault that goes on slowly is not forgotten."""
    for _ in range(10):
        clock.now += limits.IDLE_KEY_S - 1
        entry, _ = limiter.admit("a")
    assert entry.total == 10


def test_least_recently_used_keys_are_evicted(limiter: Limiter, clock: Clock) -> None:
    """The table is bounded; what was used lately stays."""
    limiter.admit("first")
    for number in range(limits.LIMITER_KEYS):
        clock.now += 0.001
        limiter.admit(number)
        limiter.admit("first")
    assert len(limiter) <= limits.LIMITER_KEYS
    assert limiter.evicted > 0
    assert limiter.admit("first")[0].total == limits.LIMITER_KEYS + 2
    assert limiter.admit(0)[0].total == 1


def test_past_the_minutes_budget_only_first_occurrences_are_full(limiter: Limiter, clock: Clock) -> None:
    """A release that breaks everything still tells each fault once."""
    for number in range(limits.CAPTURES_PER_MINUTE):
        assert limiter.admit(number)[1] is True
    assert [limiter.admit("late")[1] for _ in range(3)] == [True, False, False]
    clock.now += 60
    assert limiter.admit("late")[1] is True


def test_an_interrupting_admission_does_not_deadlock(clock: Clock) -> None:
    """A signal handler or a finaliser may admit in the middle of an admission."""

    class Nested:
        def __init__(self) -> None:
            self.is_inside = False

        def __hash__(self) -> int:
            if not self.is_inside:
                self.is_inside = True
                limiter.admit("other")
            return 1

    limiter = Limiter(clock)
    assert limiter.admit(Nested())[1] is True
    assert limiter.admit("other")[0].total == 2


def test_totals_are_exact_over_threads(limiter: Limiter) -> None:
    """Threads that admit at once share one entry, and no occurrence gets another's number."""
    numbers: list[list[bool]] = []

    def work() -> None:
        numbers.append([limiter.admit("a")[1] for _ in range(2_000)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(sum, numbers)) == 5 + 3
    assert limiter.admit("a")[0].total == 8_001
