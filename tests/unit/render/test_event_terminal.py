"""The report for a terminal: coloured if asked for, never by the event itself."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from broken_shop import ERROR, KEY_ERROR, REQUEST, TRACEBACK, WARNING, ZONE, hostile_event
from tocsin.render import harmless
from tocsin.render.terminal import event_line, event_terminal

SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("event", [TRACEBACK, ERROR, WARNING, replace(TRACEBACK, exception=KEY_ERROR)])
def test_colours_change_nothing_but_colour(event: object) -> None:
    """With NO_COLOR the same text is there."""
    coloured = event_terminal(event, is_coloured=True, zone=ZONE)  # type: ignore[arg-type]
    plain = event_terminal(event, is_coloured=False, zone=ZONE)  # type: ignore[arg-type]
    assert SGR.sub("", coloured) == plain
    assert coloured != plain
    assert "\x1b" not in plain


def test_report_begins_with_level_what_and_error_id() -> None:
    """The first line is the one that is searched for."""
    shown = event_terminal(TRACEBACK, is_coloured=False, zone=ZONE)
    assert shown.startswith("ERROR orders.money.CurrencyError: no rate for 'CHF' (7K3QDM-24F2)\n")
    assert shown.rstrip().endswith("the rates are 3 h old")


def test_facts_wrap_to_the_width_and_code_does_not() -> None:
    """A narrow window breaks no line of code."""
    agent = replace(REQUEST, headers={"User-Agent": "Mozilla/5.0 (X11; Linux) AppleWebKit/537 (KHTML, like Gecko) x/1"})
    shown = event_terminal(replace(TRACEBACK, request=agent), is_coloured=False, width=60, zone=ZONE)
    facts, _, code = shown.partition("Traceback")
    rows = [row for row in facts.splitlines()[1:] if "://" not in row]
    assert max(map(harmless.width, rows)) <= 60
    assert "    charge(order.amount * rates[order.currency])\n" in code


def test_each_colour_is_ended_on_its_line() -> None:
    """A pager or a cut leaves no colour behind."""
    for line in event_terminal(TRACEBACK, is_coloured=True, zone=ZONE).splitlines():
        assert line.count("\x1b[0m") * 2 == line.count("\x1b[")


def test_hostile_event_colours_nothing() -> None:
    """Only our own sequences reach the terminal."""
    for shown in (
        event_terminal(hostile_event(), is_coloured=True, zone=ZONE),
        event_line(hostile_event(), is_coloured=True, zone=ZONE),
    ):
        rest = SGR.sub("", shown)
        assert all(character == "\n" or character.isprintable() for character in rest)
        assert "\x1b[31m\\udc80" not in shown


def test_line_for_tail_fits_the_width() -> None:
    """Time, level, id, what and request, on one line of the terminal."""
    shown = event_line(TRACEBACK, is_coloured=False, width=200, zone=ZONE)
    assert shown == ("03:41:07 ERROR 7K3QDM-24F2 orders.money.CurrencyError: no rate for 'CHF' · POST /orders/17/pay")
    assert len(event_line(TRACEBACK, is_coloured=False, width=60, zone=ZONE)) <= 60
