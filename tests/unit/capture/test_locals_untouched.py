"""Reading local variables: a function goes on as if nobody had looked."""

from __future__ import annotations

import sys
import weakref

from tocsin.capture.locals import LocalsReader, LocalsRoom, Stop
from tocsin.event.masking.scrub import Scrubber

SCRUBBER = Scrubber()


class Order:
    """Be an application's class."""


def _stops(exc: BaseException, *, in_app: bool = True) -> list[Stop]:
    stops = []
    entry = exc.__traceback__
    while entry is not None:
        stops.append((entry.tb_frame, entry.tb_lasti, in_app))
        entry = entry.tb_next
    return stops


def test_reading_keeps_nothing_alive() -> None:
    """What a running function lets go of is freed, although its variables were read."""
    reader = LocalsReader(SCRUBBER)
    order = Order()
    gone = weakref.ref(order)
    try:
        raise ValueError("x")
    except ValueError as exc:
        shown = reader.read(_stops(exc), LocalsRoom())
    assert shown[-1] is not None
    assert shown[-1]["order"] == f"<{__name__}.Order>"
    del order
    if sys.gettrace() is None:  # a tracer has the variables itself
        assert gone() is None


def test_reading_changes_no_variable() -> None:
    """A function goes on with the variables it has, and so does what it keeps of them by `locals()`."""
    reader = LocalsReader(SCRUBBER)
    count, other = 1, [1]
    kept = locals()
    exec("extra = 5", {}, kept)
    try:
        raise ValueError("x")
    except ValueError as exc:
        shown = reader.read(_stops(exc), LocalsRoom())[-1]
    assert shown is not None
    assert "extra" not in shown
    assert (count, other) == (1, [1])
    assert kept["count"] == 1
    assert locals()["count"] == 1


def test_what_exec_left_with_a_function_stays() -> None:
    """Until Python 3.12 it lies in the dict that reading leaves; it is no variable, and none of ours to drop."""
    exec("extra = 5")
    try:
        raise ValueError("x")
    except ValueError as exc:
        LocalsReader(SCRUBBER).read(_stops(exc), LocalsRoom())
    assert sys.version_info >= (3, 13) or locals()["extra"] == 5
