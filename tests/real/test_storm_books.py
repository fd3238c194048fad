"""The storm's oracle itself: books that balance are silent; each way to lose, double or hide an occurrence is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from storm_books import Books

PID, KILLED = 11, 12


def report(number: int, offset: int, occurrences: int = 1) -> dict[str, Any]:
    frames = [{"function": "shop"}, {"function": f"break_{number}"}]
    return {
        "fingerprint": f"v1:{number}",
        "error_id": f"FAULT{number}-22{offset:02}",
        "kind": "traceback",
        "message": "",
        "exception": {"frames": frames},
        "occurrences": occurrences,
        "origin": {"process": "p", "generation": 0, "offset": offset},
    }


def count(number: int, total: int, occurrences: int) -> dict[str, Any]:
    origin = {"process": "p", "generation": 0, "slot": number, "count": total}
    return {**report(number, 0, occurrences), "error_id": f"FAULT{number}", "exception": None, "origin": origin}


def books() -> Books:
    """Return books of two faults that balance: fault 1 happened four times, fault 2 twice, once more while killed."""
    return Books(
        raised=[(PID, 1)] * 4 + [(PID, 2), (KILLED, 2), (KILLED, 2)],
        returned=[(PID, 1)] * 4 + [(PID, 2), (KILLED, 2)],
        lines=[report(1, 10), count(1, 1, 1), count(1, 3, 2), report(2, 20), report(2, 30)],
        answers=[(1, "FAULT1-2210")] * 4 + [(2, "FAULT2-2220"), (2, "FAULT2-2230")],
        broken=[2],
    )


def test_books_that_balance_are_silent() -> None:
    assert books().disagreements({KILLED: 1}) == []


def test_what_a_killed_thread_had_raised_may_be_told_or_not() -> None:
    told = books()
    told.lines.append(report(2, 40))
    assert told.disagreements({KILLED: 1}) == []


def lose(each: Books) -> None:
    del each.lines[2]


def invent(each: Books) -> None:
    each.lines.append(report(1, 50))


def repeat(each: Books) -> None:
    each.lines.append(each.lines[0])


def overlap(each: Books) -> None:
    each.lines[2] = count(1, 3, 3)


def strip(each: Books) -> None:
    each.lines[0]["exception"] = None


def mislay(each: Books) -> None:
    each.answers[0] = (1, "FAULT9-2210")


def confuse(each: Books) -> None:
    each.answers[0] = (1, "FAULT2-2220")


def spare(each: Books) -> None:
    each.raised[-1] = (PID, 2)


def forget_a_note(each: Books) -> None:
    each.returned.remove((KILLED, 2))
    each.raised.append((KILLED, 2))


def swallow(each: Books) -> None:
    each.broken.clear()


def give_up(each: Books) -> None:
    each.lines.append(
        {"kind": "loss", "message": "1 lost", "fingerprint": "", "error_id": "", "origin": {}, "occurrences": 1}
    )


@pytest.mark.parametrize(
    "spoil",
    [lose, invent, repeat, overlap, strip, mislay, confuse, spare, forget_a_note, swallow, give_up],
    ids=lambda spoil: spoil.__name__,
)
def test_each_way_to_be_wrong_is_told(spoil: Callable[[Books], None]) -> None:
    spoiled = books()
    spoil(spoiled)
    assert spoiled.disagreements({KILLED: 1})
