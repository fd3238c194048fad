"""For tests: of applications (`captured_events`) and of sinks (`SinkContract`). Nothing here needs a test framework."""

from tocsin.testing.captured import Captured, captured_events
from tocsin.testing.contract import SinkContract
from tocsin.testing.hostile import HOSTILE, HostileCase

__all__ = ["HOSTILE", "Captured", "HostileCase", "SinkContract", "captured_events"]
