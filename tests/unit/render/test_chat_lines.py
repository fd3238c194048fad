"""Chat lines: few, short, and with nothing in them that a chat would act on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event.notice import Activity, Reason
from tocsin.render.chat import chat_lines, inert, pager_line
from tocsin.testing import HOSTILE, HostileCase
from tocsin.testing.contract import notice_of

EVENT = HOSTILE[0].make()


def test_the_lines_of_a_new_fault() -> None:
    assert chat_lines(notice_of("new", EVENT), UTC).splitlines() == [
        "A new fault: 3 times so far.",
        "ZeroDivisionError: division by zero",
        "at shop.orders.pay, shop/orders.py:41",
        "GET /order/<int:n> on shop.example.org",
        "release 2026.3, web-1",
        "since 2026-03-29 01:59:59 +00:00",
        f"tocsin show {EVENT.error_id}",
    ]


def test_a_quiet_fault_repeats_nothing() -> None:
    assert len(chat_lines(notice_of("quiet", EVENT), UTC).splitlines()) == 3


def test_a_sign_of_life_counts_what_was_done() -> None:
    activity = Activity(EVENT.timestamp, seen=412, told=410, notices=9, waiting=2, lost=0)
    lines = chat_lines(replace(notice_of("alive"), activity=activity), UTC).splitlines()
    assert "Happened: 412 times" in lines
    assert "Told: 410 times, in 9 notices" in lines


def test_several_faults_are_a_list() -> None:
    lines = chat_lines(notice_of("new", *(HOSTILE[0].make(str(n)) for n in range(20))), UTC).splitlines()
    assert lines[-2] == "and 12 more"
    assert lines[-1] == "tocsin issues"


@pytest.mark.parametrize("reason", get_args(Reason))
@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_whatever_an_event_holds_the_message_is_short_and_encodable(case: HostileCase, reason: Reason) -> None:
    text = chat_lines(notice_of(reason, *([] if reason in ("alive", "over") else [case.make()])), UTC)
    assert len(text.splitlines()) <= 12
    assert len(text) <= 2_000
    text.encode("utf-8")


@given(st.text(alphabet="@<>!#`*_~|ahere ", max_size=60))
def test_no_mention_tag_or_fence_is_left(text: str) -> None:
    """Law: inert(inert(t)) == inert(t)."""
    shown = inert(text)
    assert inert(shown) == shown
    assert not any(f"@{letter}" in shown for letter in "aher")
    assert not any(mark in shown for mark in ("<@", "<!", "<#", "``", "**", "~~", "||"))


def test_a_pagers_line_is_one() -> None:
    assert pager_line(notice_of("new", EVENT), notice_of("new", EVENT).issues[0]).startswith(
        "ZeroDivisionError in shop.orders.pay, 3 times ("
    )
