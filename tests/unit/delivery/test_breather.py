"""Delivery makes way for a process that computes all the time, and only for that."""

from __future__ import annotations

import pytest

from tocsin.delivery.breather import SLICE_PAUSE_S, Breather


class Machine:
    """A clock, and a processor of which other threads of the process take a share."""

    def __init__(self) -> None:
        self.now = self.cpu = 0.0
        self.share = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        passed = seconds + (0.005 if self.share == 1.0 else 0.0)  # the GIL is let go of after its switch interval
        self.now += passed
        self.cpu += passed * self.share

    def breather(self) -> Breather:
        return Breather(lambda: self.now, lambda: self.cpu)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_in_a_process_that_waits_now_and_then_pauses_stay_short(share: float) -> None:
    """A thread that wakes up finds a gap there."""
    machine = Machine()
    machine.share = share
    breather = machine.breather()
    for _ in range(20):
        breather.pause(machine.sleep)
    assert set(machine.pauses) == {SLICE_PAUSE_S}


def test_in_a_process_that_computes_all_the_time_pauses_grow_to_a_bound() -> None:
    """So that one request in a hundred meets a slice, not one in five."""
    machine = Machine()
    machine.share = 1.0
    breather = machine.breather()
    for _ in range(20):
        breather.pause(machine.sleep)
    assert machine.pauses == sorted(machine.pauses)
    assert machine.pauses[0] == SLICE_PAUSE_S
    assert machine.pauses[-1] == 0.5


def test_after_a_single_pause_with_a_gap_delivery_is_at_full_speed_again() -> None:
    """An exit that waits for delivery must not wait for pauses."""
    machine = Machine()
    machine.share = 1.0
    breather = machine.breather()
    for _ in range(20):
        breather.pause(machine.sleep)
    machine.share = 0.1
    breather.pause(machine.sleep)
    breather.pause(machine.sleep)
    assert machine.pauses[-1] == SLICE_PAUSE_S
