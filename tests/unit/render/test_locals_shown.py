"""Local variables in every form of a report that people read, and in the one that programs read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from broken_shop import PAY, TRACEBACK, issue, notice
from tocsin.event import wire
from tocsin.event.model import Event
from tocsin.event.notice import Notice
from tocsin.render import ticket
from tocsin.render.notice_html import notice_html
from tocsin.render.notice_json import notice_members
from tocsin.render.notice_text import notice_text
from tocsin.render.terminal import event_terminal
from tocsin.render.text import event_text

HARMFUL = "'<b>\x1b[31m\u202e\n}}}'"


def _event() -> Event:
    frame = replace(PAY, locals={"order": "<shop.Order>", "name": "'CHF'", "odd": HARMFUL})
    assert TRACEBACK.exception is not None
    return replace(TRACEBACK, exception=replace(TRACEBACK.exception, frames=(frame,)))


def _notice() -> Notice:
    return notice("new", issue(_event()))


def _ticket(markup: str) -> str:
    told = _notice()
    return ticket.body(told, told.issues[0], markup, keyword="tb_a", mark="tn_b", chars=30_000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "form",
    [
        lambda: event_text(_event()),
        lambda: event_terminal(_event(), is_coloured=False),
        lambda: notice_text(_notice()),
        lambda: _ticket("wiki"),
        lambda: _ticket("markdown"),
    ],
)
def test_a_text_shows_them_below_their_frame(form: Callable[[], str]) -> None:
    """One line each, after the source and its carets; what is harmful in them is shown by its escape."""
    shown = form()
    assert "      order = <shop.Order>\n" in shown
    assert "      name = 'CHF'\n" in shown
    assert "      odd = '<b>\\x1b[31m\\u202e\\n}}}'\n" in shown


def test_the_html_of_a_mail_shows_them_escaped() -> None:
    """An object's type looks like a tag."""
    shown = notice_html(_notice())
    assert "      order = &lt;shop.Order&gt;\n" in shown
    assert "odd = &#x27;&lt;b&gt;\\x1b[31m" in shown


def test_json_has_them_as_they_are() -> None:
    """Programs get names and texts, and an event read back is the same."""
    members = notice_members(_notice())["issues"][0]["event"]["exception"]["frames"][0]
    assert members["locals"] == {"order": "<shop.Order>", "name": "'CHF'", "odd": HARMFUL}
    assert wire.decode(wire.encode(_event())) == _event()
