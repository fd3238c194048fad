"""What a drop-in handler prepared comes first: its subject, its text; nothing that is in it is told again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from broken_shop import HOSTILE, ZONE, issue, notice
from tocsin.event.notice import IssueReport
from tocsin.render.notice_html import notice_html
from tocsin.render.notice_text import notice_text
from tocsin.render.subject import subject


def prepared(**members: Any) -> IssueReport:
    made = issue()
    assert made.sample is not None
    return replace(made, sample=replace(made.sample, prepared=members))


def test_subject_of_a_new_fault_is_the_handler_s_own() -> None:
    assert subject(notice("new", prepared(subject="Application Error")), ZONE) == "Application Error"
    assert subject(notice("comeback", prepared(subject="Application Error")), ZONE) == "Application Error"


def test_later_subjects_say_what_has_changed() -> None:
    said = subject(notice("quiet", prepared(subject="Application Error")), ZONE)
    assert said.startswith("Application Error: CurrencyError in orders.views.pay (7K3QDM): quiet since ")
    assert len(said) <= 120


def test_subject_of_several_faults_is_the_one_that_they_share() -> None:
    other = replace(prepared(subject="Application Error"), fingerprint="v1:other")
    both = notice("summary", prepared(subject="Application Error"), other)
    assert subject(both, ZONE).startswith("Application Error: Alarm flood: 2 faults")
    differing = notice("summary", prepared(subject="One"), replace(prepared(subject="Two"), fingerprint="v1:other"))
    assert subject(differing, ZONE).startswith("[shop/production] Alarm flood")


def test_hostile_subject_is_one_harmless_line() -> None:
    said = subject(notice("new", prepared(subject=HOSTILE)), ZONE)
    assert said.isprintable()
    assert said.startswith("a\\nBcc: eve@example.org")


def test_text_begins_with_what_the_formatter_made() -> None:
    body = notice_text(notice("new", prepared(text="no rate for 'CHF' at /pay\n")), ZONE)
    assert body.startswith("no rate for 'CHF' at /pay\n\n---")
    assert "Traceback (most recent call last):" in body  # it had none, so tocsin's is there
    assert "<pre>no rate for &#x27;CHF&#x27; at /pay</pre>" in notice_html(
        notice("new", prepared(text="no rate for 'CHF' at /pay\n")), ZONE
    )


def test_first_screen_of_the_html_part_says_what_and_how_often_however_long_the_text_is() -> None:
    page = notice_html(notice("new", prepared(text="one of many lines\n" * 100)), ZONE)
    assert page.index("<h1>") < page.index("A new fault: ") < page.index("<pre>one of many lines")


def test_traceback_that_the_formatter_made_is_not_told_twice() -> None:
    text = "no rate\nTraceback (most recent call last):\n  File …\nKeyError: 'CHF'"
    told = notice("new", prepared(text=text))
    assert notice_text(told, ZONE).count("Traceback (most recent call last):") == 1
    assert notice_html(told, ZONE).count("Traceback (most recent call last):") == 1


def test_update_has_no_text_again() -> None:
    assert "begin" not in notice_text(notice("update", prepared(text="begin")), ZONE)
