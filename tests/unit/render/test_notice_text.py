"""Subjects and bodies of notices: every reason told in words, short subjects, nothing forged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest

from broken_shop import (
    BROKE_AT,
    ERROR,
    HOSTILE,
    TRACEBACK,
    WARNING,
    ZONE,
    hostile_notice,
    issue,
    notice,
)
from tocsin.event.limits import DETAILED_ISSUES, LISTED_ISSUES
from tocsin.event.notice import Activity, IssueReport, Notice, Reason
from tocsin.render.notice_text import notice_text, subject

FOUR = (issue(), issue(ERROR, 12), issue(WARNING, 3), issue(ERROR, 1))
NAME = "CurrencyError in orders.views.pay"
AT = BROKE_AT + timedelta(minutes=12)  # when the notices were decided
DONE = Activity(AT - timedelta(days=7), seen=8212, told=8200, notices=12, waiting=12, lost=0)
IDLE = Activity(AT - timedelta(hours=12), seen=0, told=0, notices=0, waiting=0, lost=3)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (notice("new", issue()), f"{NAME} (7K3QDM) ×37"),
        (notice("new", issue(count=1)), f"{NAME} (7K3QDM)"),
        (notice("new", *FOUR), f"4 new faults: {NAME} and 3 more"),
        (notice("update", issue(count=1000, untold=963)), f"{NAME} (7K3QDM) ×1,000 (was ×37)"),
        (notice("update", issue(count=50)), f"{NAME} (7K3QDM) ×50"),
        (notice("update", *FOUR), f"4 faults go on: {NAME} ×37 and 3 more"),
        (notice("quiet", issue(count=8212)), f"{NAME} (7K3QDM): quiet since 03:52, 8,212 in all"),
        (notice("quiet", *FOUR), f"4 faults are quiet: {NAME} and 3 more"),
        (notice("comeback", issue(count=3)), f"{NAME} (7K3QDM) is back ×3"),
        (notice("comeback", *FOUR), f"4 faults are back: {NAME} and 3 more"),
        (notice("summary", *FOUR), f"Alarm flood: 4 faults, 53 times: {NAME} and 3 more"),
        (notice("over", *FOUR), "Alarm flood is over: 4 faults, 53 times"),
        (notice("digest", *FOUR), "Daily digest: 4 faults, 53 times"),
        (notice("alive", activity=DONE), "tocsin works: 12 notices of 8,200 occurrences in 7 d"),
        (notice("alive", activity=IDLE), "tocsin works: 0 notices of 0 occurrences in 12 h, 3 lost"),
        (notice("check"), "Test by tocsin check: this reaches you"),
        (notice("check", issue()), "Test by tocsin check: this reaches you"),
    ],
)
def test_subject_tells_what_where_and_how_often(told: Notice, expected: str) -> None:
    """A telephone's lock screen is enough to judge whether to get up."""
    assert subject(told, ZONE) == f"[shop/production] {expected}"


def test_subject_without_environment_leaves_it_out() -> None:
    """No empty part is shown."""
    assert subject(notice("check", environment="")) == "[shop] Test by tocsin check: this reaches you"


@pytest.mark.parametrize(
    ("report", "name"),
    [
        (issue(ERROR), "“stock of article %s went negative” in shop.stock"),
        (issue(replace(ERROR, template=ERROR.message), title=ERROR.message), "Error in shop.stock"),
        (issue(None, kind="error", title="secret 4711", culprit="shop"), "Error in shop"),
        (issue(replace(ERROR, template=ERROR.message), level="CRITICAL"), "Critical error in shop.stock"),
        (issue(WARNING), "Warning in shop.stock"),
    ],
)
def test_subject_holds_no_message_text(report: IssueReport, name: str) -> None:
    """A template is shown only if it is known to be program text; a message may hold anything."""
    assert subject(notice("new", report)) == f"[shop/production] {name} ({report.prefix}) ×37"


@pytest.mark.parametrize("reason", get_args(Reason))
@pytest.mark.parametrize("count", [0, 1, 3])
def test_subject_is_short_and_can_not_end_a_header(reason: Reason, count: int) -> None:
    """Whatever names hold, a subject is one printable line of at most 120 characters."""
    shown = subject(hostile_notice(reason, count), ZONE)
    assert len(shown) <= 120
    assert shown.isprintable()


def test_long_names_are_cut_but_never_id_and_count() -> None:
    """What is cut is what can be looked up."""
    shown = subject(notice("new", issue(culprit="very." * 50 + "long", title="E" * 300)), ZONE)
    assert len(shown) <= 120
    assert shown.endswith("… (7K3QDM) ×37")


def test_first_notice_has_all_that_is_needed_to_mend_it() -> None:
    """What, where, since when, how often, release, host, request, traceback, error id, how to mute and see."""
    body = notice_text(notice("new", issue()), ZONE)
    head, _, trace = body.partition("Traceback")
    assert head.startswith(f"{NAME}\nshop/production\n\nA new fault: 37 times so far.\n")
    for row in (
        "orders.money.CurrencyError: no rate for 'CHF'\n",
        "Where       orders.money.rate, shop/orders/money.py:12\n",
        "Since       2026-11-22 03:41:07 +01:00\n",
        "How often   37 times, last at 03:52:07\n",
        "Release     1.4.2\n",
        "Host        web1, process 4711 (gunicorn), thread Thread-3\n",
        "Request     POST https://shop.example/orders/17/pay?coupon=[masked]\n",
        "Error id    7K3QDM-24F2\n",
    ):
        assert row in head
    assert trace.endswith("See it      tocsin show 7K3QDM-24F2\nMute it     tocsin mute 7K3QDM --for 7d\n")


def test_update_tells_growth_and_a_fresh_example_without_traceback() -> None:
    """The traceback was sent before; what changed is count, rate and example."""
    body = notice_text(notice("update", issue(count=1000, untold=963)), ZONE)
    assert "It goes on: 1,000 times by now; you were last told of 37.\n" in body
    assert "How often   1,000 times, last at 03:52:07, about 91 a minute\n" in body
    assert "Example     2026-11-22 03:41:07 +01:00\nMessage     could not pay order 17\n" in body
    assert "Request     POST " in body
    assert "Traceback" not in body


def test_quiet_tells_the_whole_count_and_what_was_untold() -> None:
    """The count is told in the end, always."""
    body = notice_text(notice("quiet", issue(count=8212, untold=212)), ZONE)
    assert "Quiet since 03:52, 8,212 in all, 212 of them not told yet.\n" in body
    assert "Traceback" not in body
    assert "Request" not in body


def test_quiet_since_another_day_names_the_day() -> None:
    """A bare time would be read as today's."""
    told = notice("quiet", issue(), at=BROKE_AT + timedelta(days=1))
    assert "quiet since 2026-11-22 03:52, 37 in all" in subject(told, ZONE)


def test_comeback_tells_the_whole_life_too() -> None:
    """Three times now, 815 times since it was first seen."""
    first_seen = BROKE_AT - timedelta(days=3)
    body = notice_text(notice("comeback", issue(count=815, episode_count=3, first_seen=first_seen)), ZONE)
    assert "It was quiet and is back: 3 times so far.\n" in body
    assert "In all      815 times since 2026-11-19 03:41:07 +01:00\n" in body


def test_an_older_first_release_is_told() -> None:
    """Which release brought a fault is half of mending it."""
    body = notice_text(notice("new", issue(first_release="1.3.0")), ZONE)
    assert "First in    release 1.3.0\n" in body


def test_several_faults_are_listed_before_each_is_told() -> None:
    """The list is the overview; each fault follows in full."""
    body = notice_text(notice("new", *FOUR, held_back=1), ZONE)
    listing, *sections = body.split("-" * 72)
    assert "The most frequent first. 1 notice was held back by the hourly cap.\n" in listing
    assert "37×  7K3QDM  CurrencyError in orders.views.pay\n" in listing
    assert " 1×  EE3QDM  “stock of article %s went negative” in shop.stock\n" in listing
    assert len(sections) == 4
    assert "tocsin issues" in sections[-1]


def test_sign_of_life_tells_what_was_done() -> None:
    """Whoever reads it sees whether anything was lost."""
    body = notice_text(notice("alive", activity=DONE, spool="/var/spool/shop"), ZONE)
    assert "Since       2026-11-15 03:53:07 +01:00, 7 d\n" in body
    assert "Happened    8,212 times\nTold        8,200 times, in 12 notices\nWaiting     12 times, for" in body
    assert "Lost        nothing\n" in body
    assert "tocsin status --spool /var/spool/shop\n" in body
    body = notice_text(notice("alive", activity=IDLE), ZONE)
    assert "Happened    nothing\nTold        nothing\nLost        3; “tocsin spool” says why\n" in body


def test_an_end_with_nothing_untold_says_so_in_one_mail_and_in_a_list() -> None:
    """Sinks that are told of every end hear of those too whose count they know."""
    ended = issue(count=37, untold=0)
    assert "Quiet since 03:52, 37 in all.\n" in notice_text(notice("quiet", ended), ZONE)
    assert "37×  7K3QDM" in notice_text(notice("over", ended), ZONE)


@pytest.mark.parametrize("reason", ["summary", "over", "digest"])
def test_lists_tell_message_request_and_error_id_of_each(reason: Reason) -> None:
    """A fault that was never told before is in the list with what identifies it, and without its traceback."""
    body = notice_text(notice(reason, issue(count=90, untold=37, episode_count=40), held_back=4), ZONE)
    assert "37×  7K3QDM  CurrencyError in orders.views.pay\n     orders.money.CurrencyError: no rate" in body
    assert "since 2026-11-22 03:41:07 +01:00, last at 03:52:07, 90 in all\n" in body
    assert "error id 7K3QDM-24F2, POST /orders/<int:id>/pay\n" in body
    assert "4 notices were held back by the hourly cap." in body.replace("\n", " ")
    assert "Traceback" not in body


def test_a_flood_of_faults_makes_no_flood_of_text() -> None:
    """Only so many are told in full and so many listed; the rest is counted."""
    body = notice_text(notice("new", *(issue(),) * 200), ZONE)
    assert body.count("Error id ") == DETAILED_ISSUES
    assert body.count("37×  ") == LISTED_ISSUES
    assert "and 150 more\n" in body


def test_issue_without_sample_is_told_all_the_same() -> None:
    """Where no event is left, the issue's own facts and the first half of its id do."""
    body = notice_text(notice("new", issue(None)), ZONE)
    assert "Where       orders.views.pay\n" in body
    assert "tocsin show 7K3QDM\n" in body


@pytest.mark.parametrize("reason", get_args(Reason))
@pytest.mark.parametrize("count", [0, 1, 3])
def test_hostile_text_stays_text(reason: Reason, count: int) -> None:
    """Every reason with any number of issues is told, encodable and without control characters."""
    body = notice_text(hostile_notice(reason, count), ZONE)
    assert body.encode("utf-8")
    assert all(character == "\n" or character.isprintable() for character in body)
    assert HOSTILE not in body


def test_own_lines_are_at_most_100_characters() -> None:
    """Prose and listings need no wrapping by the reader's program."""
    body = notice_text(notice("summary", *FOUR, held_back=1200), ZONE)
    assert max(map(len, body.splitlines())) <= 100


def test_times_are_local_to_the_system_without_a_zone() -> None:
    """An offset is always there, so a time can't be misread."""
    local = BROKE_AT.astimezone()
    assert f"{local:%Y-%m-%d %H:%M:%S}" in notice_text(notice("new", issue(TRACEBACK)))
