"""Task, tags, user and lead-up: shown wherever a report is read, harmless and bounded."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from broken_shop import BROKE_AT, ERROR, HOSTILE, LIBRARY, REQUEST, TASK, TRACEBACK, ZONE, hostile_event, issue, notice
from tocsin.event.limits import LEAD_UP, LEAD_UP_CHARS, NAME_CHARS, TAGS
from tocsin.event.model import Event, ExceptionInfo, LogLine, Task
from tocsin.render.chat import chat_lines
from tocsin.render.facts import culprit, facts, occasion, where
from tocsin.render.lead_up import lead_up, lead_up_heading, lead_up_text
from tocsin.render.line import whereabouts
from tocsin.render.notice_html import notice_html
from tocsin.render.notice_text import notice_text
from tocsin.render.terminal import event_line, event_terminal
from tocsin.render.text import event_text
from tocsin.render.ticket import body

BLOCK = """\
Lead-up, logged in the same task:

-12.500 s  DEBUG  shop.tasks: took order 17
 -1.204 s  INFO   shop.orders: stock looked up"""
TRACE = "Traceback (most recent call last):"


def ticket(event: Event) -> str:
    told = notice("new", issue(event))
    return body(told, told.issues[0], "markdown", keyword="tb_1", mark="tn_1", chars=30_000, zone=ZONE)


REPORTS: dict[str, Callable[[Event], str]] = {
    "text": lambda event: event_text(event, ZONE),
    "terminal": lambda event: event_terminal(event, is_coloured=False, zone=ZONE),
    "mail": lambda event: notice_text(notice("new", issue(event)), ZONE),
    "html": lambda event: unescape(re.sub(r"<[^>]+>", " ", notice_html(notice("new", issue(event)), ZONE))),
    "ticket": ticket,
}


def fact(event: Event, label: str) -> str:
    return dict(facts(event, ZONE))[label]


def lines_of(event: Event, number: int) -> Event:
    said = (LogLine(BROKE_AT - timedelta(seconds=n), "INFO", "shop", f"step {n}") for n in range(number, 0, -1))
    return replace(event, lead_up=tuple(said))


@pytest.mark.parametrize("form", REPORTS)
def test_every_report_has_task_tags_and_lead_up_and_then_the_traceback(form: str) -> None:
    """Who mends it reads what it was about, what happened before, and where it ended."""
    shown = " ".join(REPORTS[form](TASK).split())
    parts = (
        "shop.tasks.send (celery, id 1234)",
        'tenant=acme region="north east"',
        "Lead-up, logged in the same task:",
        "-12.500 s DEBUG shop.tasks: took order 17",
        "-1.204 s INFO shop.orders: stock looked up",
        TRACE,
    )
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize("form", REPORTS)
def test_reports_without_them_have_no_trace_of_them(form: str) -> None:
    """Most events have none."""
    shown = REPORTS[form](TRACEBACK)
    assert not re.search(r"\b(Task|Tags|Lead-up|user)\b", shown)


@pytest.mark.parametrize("form", ["terminal", "mail", "text"])
def test_a_lead_up_stands_in_columns(form: str) -> None:
    """Times and levels are compared at a glance."""
    assert BLOCK.replace("\n\n", "\n") in REPORTS[form](TASK).replace("\n\n", "\n")


def test_a_lead_up_is_of_a_request_or_of_nothing_that_is_known() -> None:
    """Its heading claims no more than is so."""
    assert lead_up_heading(replace(TASK, request=REQUEST)) == "Lead-up, logged in the same request:"
    assert lead_up_heading(replace(TASK, task=None)) == "Lead-up:"
    assert lead_up_text(TRACEBACK) == []


@pytest.mark.parametrize(
    ("distance", "away"),
    [
        (timedelta(0), "-0.000 s"),
        (timedelta(milliseconds=-3), "-0.003 s"),
        (timedelta(seconds=-599.9), "-599.900 s"),
        (timedelta(minutes=-45), "-45 min"),
        (timedelta(days=-3), "-3 d"),
        (timedelta(milliseconds=8), "+0.008 s"),
    ],
)
def test_times_of_a_lead_up_are_relative_to_the_event(distance: timedelta, away: str) -> None:
    """Long ones in larger units; those of a clock that was set back with a plus."""
    assert lead_up(replace(TASK, lead_up=(LogLine(BROKE_AT + distance, "INFO", "", "x"),)))[0].away == away


def test_times_of_other_ages_are_told() -> None:
    """A clock that was never set is no reason to tell nothing."""
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    assert event_text(replace(TASK, timestamp=first, lead_up=(LogLine(last, "INFO", "a", "b"),)))
    assert event_text(replace(TASK, timestamp=last, lead_up=(LogLine(first, "INFO", "a", "b"),)))


def test_of_a_lead_up_without_end_the_latest_lines_are_shown_and_the_others_counted() -> None:
    """An event from elsewhere may have any number, of any length."""
    event = lines_of(TASK, LEAD_UP + 1_300)
    shown = event_text(event, ZONE)
    assert "Lead-up, logged in the same task; 1,300 earlier ones are left out:\n" in shown
    assert f"step {LEAD_UP}\n" in shown
    assert f"step {LEAD_UP + 1}\n" not in shown
    assert len(lead_up(event)) == LEAD_UP
    long = lead_up(replace(TASK, lead_up=(LogLine(BROKE_AT, "L" * 9_999, "l" * 9_999, "m" * 99_999),)))[0]
    assert len(long.level) <= 16
    assert len(long.text) <= NAME_CHARS + 2 + LEAD_UP_CHARS


def test_one_record_of_several_lines_is_one_line() -> None:
    """It can't pass for another."""
    said = LogLine(BROKE_AT, "INFO", "shop", "one\n-0.001 s  INFO  bank: paid\n\n")
    assert lead_up(replace(TASK, lead_up=(said,)))[0].text == "shop: one\\n-0.001 s  INFO  bank: paid"


@pytest.mark.parametrize("form", REPORTS)
def test_hostile_task_tags_user_and_lead_up_do_nothing(form: str) -> None:
    """Neither markup, nor escapes, nor header lines."""
    shown = REPORTS[form](replace(hostile_event(), exception=None, message="x"))
    assert all(character == "\n" or character.isprintable() for character in shown)
    assert HOSTILE not in shown
    assert not re.search(r"\nBcc:", shown)
    assert notice_html(notice("new", issue(hostile_event())), ZONE).count("<script") == 0


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        (Task("shop.tasks.send", "celery", "1234"), "shop.tasks.send (celery, id 1234)"),
        (Task("nightly import", "watch"), "nightly import (watch)"),
        (Task("nightly import"), "nightly import"),
        (Task("", "rq", "7"), "rq, id 7"),
    ],
)
def test_a_task_is_told_by_what_is_known_of_it(task: Task, shown: str) -> None:
    """A block of work has no id."""
    assert fact(replace(TASK, task=task), "Task") == shown


def test_tags_are_one_line_in_which_each_can_be_told_from_the_next() -> None:
    """What has spaces, quotes or equals signs is quoted; there are no more than an event has room for."""
    tags = {"a": "b c", "d": "", "e=f": 'g"h', "i": "j\nk", "ort": "Köln"}
    assert fact(replace(TASK, tags=tags), "Tags") == r'a="b c" d="" "e=f"="g\"h" i="j\nk" ort=Köln'
    many = fact(replace(TASK, tags={str(n): "v" * 9_999 for n in range(500)}), "Tags")
    assert many.count("=") == TAGS
    assert len(many) < TAGS * (NAME_CHARS + 8)


def test_the_user_stands_with_the_request() -> None:
    """It is who asked."""
    assert "answered 500, user 4711\n" in fact(replace(TRACEBACK, request=replace(REQUEST, user="4711")), "Request")


# -- where -------------------------------------------------------------------------------------------------


def test_a_task_is_where_what_only_libraries_tell_of_happened() -> None:
    """A library says of all tasks alike that a worker was lost, and logs that itself."""
    lost = replace(TASK, exception=ExceptionInfo("WorkerLostError", "signal 9", LIBRARY), location="celery.app.log:7")
    assert culprit(lost) == "shop.tasks.send"
    assert culprit(replace(lost, exception=ExceptionInfo("WorkerLostError", ""))) == "shop.tasks.send"
    assert culprit(replace(lost, task=None)) == "flask.app.Flask.dispatch"
    assert where(lost) == "flask.app.Flask.dispatch, /lib/flask/app.py:919"
    assert culprit(TASK) == "orders.money.rate"


def test_a_task_is_where_something_happened_that_no_record_tells_the_place_of() -> None:
    """A process that died in it left no frames; what was logged has a place of its own."""
    died = replace(TASK, exception=None, location="")
    assert culprit(died) == where(died) == "shop.tasks.send"
    assert whereabouts(died) == " in shop.tasks.send"
    assert culprit(replace(ERROR, task=TASK.task, request=None)) == "shop.stock.take"
    assert culprit(replace(died, task=Task("", "rq"))) == died.logger


def test_lines_name_the_task_where_a_request_would_stand() -> None:
    """In the list of a digest, in a log line, in a chat."""
    assert occasion(TASK) == "task shop.tasks.send"
    assert occasion(replace(TASK, request=REQUEST)) == "POST /orders/17/pay, task shop.tasks.send"
    assert occasion(TRACEBACK, has_route=True) == "POST /orders/<int:id>/pay"
    assert occasion(replace(TASK, task=None)) == ""
    assert event_line(TASK, is_coloured=False, width=200).endswith("no rate for 'CHF' · task shop.tasks.send")
    assert whereabouts(TASK) == " in orders.money.rate, shop/orders/money.py:12 during shop.tasks.send"
    assert "error id 7K3QDM-24F2, task shop.tasks.send\n" in notice_text(notice("digest", issue(TASK)))
    told = chat_lines(notice("new", issue(TASK)))
    assert 'task shop.tasks.send (celery)\ntenant=acme region="north east"\n' in told
    assert "stock looked up" not in told


def test_an_update_tells_task_and_tags_of_its_example_but_no_lead_up() -> None:
    """As it repeats no traceback."""
    shown = notice_text(notice("update", issue(TASK)), ZONE)
    assert "Task        shop.tasks.send (celery, id 1234)\nTags        tenant=acme" in shown
    assert "Lead-up" not in shown


def test_a_text_that_a_formatter_made_is_followed_by_the_lead_up() -> None:
    """A drop-in mail handler's text has the traceback; what was logged before it has not."""
    prepared = {"text": f"could not pay order 17\n{TRACE}\n  …\nValueError"}
    shown = notice_text(notice("new", issue(replace(TASK, prepared=prepared))), ZONE)
    assert shown.count(TRACE) == 1
    assert BLOCK in shown
