"""The plain report of an event: its order, Python's look, and that no event can break it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from broken_shop import ERROR, HOSTILE, KEY_ERROR, LIBRARY, PAY, RATE, TRACEBACK, ZONE, hostile_event
from tocsin.event.limits import CHAIN, GROUP_DEPTH
from tocsin.event.model import ExceptionInfo, Frame
from tocsin.render import when
from tocsin.render.terminal import event_terminal
from tocsin.render.text import event_text
from tocsin.render.trace_html import trace_html
from tocsin.render.traceback import plain, traceback_lines

REPORT = """\
orders.money.CurrencyError: no rate for 'CHF'

Where       orders.money.rate, shop/orders/money.py:12
              raise CurrencyError(name)
Caused by   KeyError: 'CHF'
            orders.views.pay, shop/orders/views.py:87
              charge(order.amount * rates[order.currency])
                                    ^^^^^^^^^^^^^^^^^^^^^
When        2026-11-22 03:41:07 +01:00
Message     could not pay order 17
Release     1.4.2
Request     POST https://shop.example/orders/17/pay?coupon=[masked]
            route /orders/<int:id>/pay, endpoint orders.pay, answered 500
            Accept: text/html
Fields      order_id = 17
            cart = {"items": [1, 2]}
Logger      orders
Host        web1, process 4711 (gunicorn), thread Thread-3
Error id    7K3QDM-24F2

Traceback (most recent call last):
  … 2 frames in flask
  File "shop/orders/views.py", line 87, in pay
    charge(order.amount * rates[order.currency])
                          ^^^^^^^^^^^^^^^^^^^^^
KeyError: 'CHF'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "shop/orders/views.py", line 87, in pay
    charge(order.amount * rates[order.currency])
                          ^^^^^^^^^^^^^^^^^^^^^
  File "shop/orders/money.py", line 12, in rate
    raise CurrencyError(name)
orders.money.CurrencyError: no rate for 'CHF'
the rates are 3 h old
"""

TREE = """\
  + Exception Group Traceback (most recent call last):
  |   File "shop/orders/money.py", line 12, in rate
  |     raise CurrencyError(name)
  | ExceptionGroup: two went wrong (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: one
    +---------------- 2 ----------------
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | KeyError: 'a'
      |
      | During handling of the above exception, another exception occurred:
      |
      | TypeError: two
      +------------------------------------
    | [3 more left out]
    +------------------------------------"""


def text_of(exception: ExceptionInfo) -> str:
    return "\n".join(plain(traceback_lines(exception)))


def test_report_has_everything_in_the_order_of_need() -> None:
    """What, where, when, on which release and host, for which request, then the traceback as Python prints it."""
    assert event_text(TRACEBACK, ZONE) == REPORT


def test_source_around_the_innermost_application_frame_is_shown() -> None:
    """The lines before and after tell what the failing line alone does not."""
    report = event_text(replace(TRACEBACK, exception=KEY_ERROR), ZONE)
    assert report.endswith(
        "shop/orders/views.py, around line 87:\n\n"
        "  85  order = load(order_id)\n"
        "  86  if order.is_open:\n"
        "> 87      charge(order.amount * rates[order.currency])\n"
        "  88  return redirect('/')\n"
    )


def test_report_without_exception_tells_message_and_place() -> None:
    """A hand-written error says where it was logged."""
    report = event_text(ERROR, ZONE)
    assert report.startswith("stock of article 99 went negative\n\nWhere       shop.stock.take:17\n")
    assert "Traceback" not in report


def test_group_is_drawn_as_python_draws_it() -> None:
    """Members hang in a tree, with their own chains behind the margin."""
    typed = ExceptionInfo("TypeError", "two", context=ExceptionInfo("KeyError", "'a'"))
    inner = ExceptionInfo("ExceptionGroup", "inner (1 sub-exception)", members=(typed,))
    members = (ExceptionInfo("ValueError", "one"), inner)
    group = ExceptionInfo(
        "ExceptionGroup", "two went wrong (2 sub-exceptions)", (RATE,), members=members, members_omitted=3
    )
    assert text_of(group) == TREE


def test_innermost_frame_is_shown_though_it_is_a_library_s() -> None:
    """Where the exception was raised is never folded away."""
    shown = text_of(ExceptionInfo("ValueError", "x", (*LIBRARY, PAY, *LIBRARY)))
    assert "  … 1 frame in flask\n" in shown
    assert '  File "/lib/flask/app.py", line 919, in Flask.dispatch\n    rv = self.view()\nValueError: x' in shown


def test_without_application_frames_the_innermost_are_shown() -> None:
    """A fault all within libraries is not folded to nothing."""
    shown = text_of(ExceptionInfo("ValueError", "x", LIBRARY * 10))
    assert shown.count("  File ") == 8
    assert "  … 12 frames in flask\n" in shown


def test_omitted_and_repeated_frames_are_told() -> None:
    """A deep recursion says how much of it is not shown, at the place where it is missing."""
    frames = (replace(PAY, repeats=4), PAY, RATE, RATE)
    lines = text_of(ExceptionInfo("RecursionError", "", frames, frames_omitted=1200)).splitlines()
    assert "  [Previous line repeated 3 more times]" in lines
    assert lines.index("  [1,200 frames left out]") < lines.index('  File "shop/orders/money.py", line 12, in rate')


@pytest.mark.parametrize(
    ("source", "column", "end_column", "end_line", "carets"),
    [
        ("    a = b.c + 1", 8, 11, 3, "        ^^^"),
        ("    a = b.c + 1", 4, 15, 3, None),  # the whole line
        ("    a = f(", 8, 1, 5, "        ^^"),  # goes on below: to the end of the line
        ("    x = 中文.y", 11, 12, 3, "             ^"),
        ("\tx\t= y", 5, 6, 3, "           ^"),
        ("    a", 90, 95, 3, None),
        ("    a", None, None, None, None),
    ],
)
def test_carets_stand_below_what_pep_657_points_at(
    source: str, column: int | None, end_column: int | None, end_line: int | None, carets: str | None
) -> None:
    """Indents, tabs and wide characters keep their columns; a range of nothing or of everything has no carets."""
    frame = Frame("m", "f", "m.py", 3, source, column=column, end_column=end_column, end_line=end_line)
    lines = text_of(ExceptionInfo("E", "", (frame,))).splitlines()
    assert [line for line in lines if set(line) <= {" ", "^"}] == ([] if carets is None else [carets])


def test_endless_chains_and_groups_end() -> None:
    """An event decoded from anywhere can't make a report without end."""
    link = group = ExceptionInfo("E", "")
    for _ in range(CHAIN + 5):
        link = ExceptionInfo("E", "", context=link)
    for _ in range(GROUP_DEPTH + 5):
        group = ExceptionInfo("G", "", members=(group,))
    assert text_of(link).startswith("[earlier causes left out]")
    assert "[deeper groups left out]" in text_of(group)


def test_locals_are_shown_below_their_frame() -> None:
    """Where they were captured, they are told."""
    frame = replace(RATE, locals={"name": "'CHF'"})
    assert "    raise CurrencyError(name)\n      name = 'CHF'\n" in text_of(ExceptionInfo("E", "", (frame,)))


def test_hostile_text_stays_text() -> None:
    """No control character gets through, UTF-8 takes it all, and no line is forged at the margin."""
    report = event_text(hostile_event(), ZONE)
    assert report.encode("utf-8")
    assert all(character == "\n" or character.isprintable() for character in report)
    assert "\\x1b[31m" in report
    assert HOSTILE not in report


def test_a_time_that_no_zone_has_is_shown_in_utc() -> None:
    """At the ends of the calendar, and on Windows before 1970, there is no local time."""
    west, east = timezone(timedelta(hours=-3)), timezone(timedelta(hours=3))
    assert when.stamp(datetime.min.replace(tzinfo=UTC), west).endswith("-01-01 00:00:00 +00:00")
    assert when.stamp(datetime.max.replace(tzinfo=UTC), east) == "9999-12-31 23:59:59 +00:00"


def test_what_no_frame_is_left_of_is_said_once() -> None:
    """Of a process that vanished there is a sentence, and no traceback that could hold another."""
    event = replace(TRACEBACK, exception=ExceptionInfo("ProcessVanished", "process 7 vanished"))
    for report in (event_text(event, ZONE), event_terminal(event, is_coloured=False, zone=ZONE)):
        assert report.count("ProcessVanished: process 7 vanished") == 1
        assert not report.endswith("\n\n")
    assert list(trace_html(event)) == []
    told = replace(event, exception=ExceptionInfo("ProcessVanished", "process 7 vanished", notes=("see the log",)))
    assert "see the log" in event_text(told, ZONE)
