"""What stands first: where it broke, the line, what it goes back to, what a group holds, what brought it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from broken_shop import ERROR, KEY_ERROR, PAY, RATE, TRACEBACK, ZONE, issue, notice
from golden_cases import CASES, notice_of_case
from tocsin.event.limits import CHAIN
from tocsin.event.model import ExceptionInfo, Frame
from tocsin.event.notice import Commit
from tocsin.render.chat import chat_lines
from tocsin.render.facts import culprit, release
from tocsin.render.notice_text import notice_text
from tocsin.render.spots import failing, spot_rows, spots
from tocsin.render.text import event_text

PLACE = Frame("", "", "shop/templates/cart.html", 7, "  {{ a.b }}", ("<p>",), ("</p>",), 7, 5, 8)


def rows_of(exception: ExceptionInfo) -> dict[str, str]:
    return dict(spot_rows(spots(replace(TRACEBACK, exception=exception))))


def test_the_line_that_failed_stands_below_its_place() -> None:
    """With its carets: often that is all one needs."""
    assert rows_of(KEY_ERROR) == {
        "Where": "orders.views.pay, shop/orders/views.py:87\n"
        "  charge(order.amount * rates[order.currency])\n"
        "                        ^^^^^^^^^^^^^^^^^^^^^"
    }


def test_what_was_only_logged_has_a_place_and_no_line() -> None:
    """Nothing is made up."""
    assert spot_rows(spots(ERROR)) == [("Where", "shop.stock.take:17")]
    assert spots(replace(ERROR, location="", logger="")) == []


def test_causes_are_told_down_to_the_root() -> None:
    """What it was raised from, and what was being handled, each by its own word; the root has its line."""
    root = ExceptionInfo("OSError", "gone\nfor good", (RATE,))
    middle = ExceptionInfo("shop.Away", "no rates", (PAY,), cause=root)
    rows = rows_of(ExceptionInfo("ValueError", "x", (PAY,), context=middle))
    assert list(rows) == ["Where", "Handling", "Caused by"]
    assert rows["Handling"] == "shop.Away: no rates\norders.views.pay, shop/orders/views.py:87"
    assert rows["Caused by"] == (
        "OSError: gone\norders.money.rate, shop/orders/money.py:12\n  raise CurrencyError(name)"
    )


@pytest.mark.parametrize(("links", "shown"), [(4, 4), (5, 5), (CHAIN, 5), (CHAIN + 9, 5)])
def test_of_a_long_chain_the_nearest_and_the_root_are_told(links: int, shown: int) -> None:
    """And how many lie between."""
    link = ExceptionInfo("Root", "")
    for number in range(links - 1):
        link = ExceptionInfo(f"Cause{number}", "", cause=link)
    found = spots(replace(TRACEBACK, exception=ExceptionInfo("E", "", (PAY,), cause=link)))[1:]
    assert len(found) == shown
    kept = min(links, CHAIN)
    assert [spot.text for spot in found if not spot.label] == ([f"… {kept - 4} more …"] if kept > 4 else [])
    assert found[-1].text == ("Root" if links <= CHAIN else f"Cause{links - CHAIN - 1}")


def test_members_of_a_group_are_told_by_kind_and_number() -> None:
    """Those of inner groups too; what is missing is counted."""
    refused = ExceptionInfo("OSError", "refused", (RATE,))
    inner = ExceptionInfo("ExceptionGroup", "inner", members=(refused, ExceptionInfo("KeyError", "'a'")))
    group = ExceptionInfo("ExceptionGroup", "several", (PAY,), members=(refused,) * 3 + (inner,), members_omitted=7)
    assert rows_of(group)["Members"].split("\n") == [
        "4 × OSError: refused at orders.money.rate, shop/orders/money.py:12",
        "KeyError: 'a'",
        "and 7 more, not kept",
    ]
    many = ExceptionInfo("ExceptionGroup", "", members=tuple(ExceptionInfo(f"E{n}", "") for n in range(8)))
    assert rows_of(many)["Members"].split("\n")[-1] == "and 2 kinds more"


def test_members_that_read_the_same_are_one_in_the_tree() -> None:
    """Told once with their numbers; their locals are those of the first."""
    one = ExceptionInfo("OSError", "refused", (replace(RATE, locals={"n": "1"}),))
    two = replace(one, frames=(replace(RATE, locals={"n": "2"}),))
    group = ExceptionInfo("ExceptionGroup", "", members=(one, two, ExceptionInfo("KeyError", "'a'"), one))
    tree = event_text(replace(TRACEBACK, exception=group), ZONE)
    assert "  +-+---------------- 1 to 2: 2 times the same ----------------\n" in tree
    assert "    +---------------- 3 ----------------\n" in tree
    assert "    +---------------- 4 ----------------\n" in tree
    assert tree.count("n = 1") == 2
    assert "n = 2" not in tree


def test_the_place_that_an_error_points_to_is_shown_in_place_of_the_code_that_came_upon_it() -> None:
    """A template's line is what is to be mended, not the call that renders it."""
    info = replace(KEY_ERROR, place=PLACE)
    rows = rows_of(info)
    assert rows["Where"] == "orders.views.pay, shop/orders/views.py:87"
    assert rows["Points to"] == "shop/templates/cart.html:7\n  {{ a.b }}\n     ^^^"
    assert failing(info) is PLACE
    assert failing(replace(info, place=replace(PLACE, before=(), after=()))) is PAY
    assert event_text(replace(TRACEBACK, exception=info), ZONE).endswith("  6  <p>\n> 7    {{ a.b }}\n  8  </p>\n")
    assert "points to shop/templates/cart.html:7\n" in chat_lines(
        notice("new", issue(replace(TRACEBACK, exception=info)))
    )


def test_a_mail_tells_what_where_since_when_release_and_request_in_this_order() -> None:
    """The order of whoever has to mend it."""
    text = notice_text(notice_of_case(CASES["chain"]), ZONE)
    parts = ("AttributeError in", "37 times so far", "has no attribute 'code'", "Where ", "Handling ", "Caused by ",
             "Since ", "How often ", "Release     1.4.2, commit 3f2a1b9c04d7\n", "First in ", "Introduced ", "Request ",
             "Tags ", "Fields ", "Host ", "Lead-up", "Traceback", "See it")  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert text[: places[6]].count("\n") < 25  # what it is and its root cause are on the first screen


@pytest.mark.parametrize(
    ("commit", "shown"),
    [
        (Commit("3f2a1b9c04d7e6f5", datetime(2026, 11, 19, 9, 12, tzinfo=UTC), "Take rates\nx", "https://x/3f"),
         "Introduced  commit 3f2a1b9c04d7, 2026-11-19 10:12:00 +01:00: Take rates\\nx\n            https://x/3f\n"),
        (Commit("3f2a"), "Introduced  commit 3f2a\n"),
        (None, ""),
    ],
)  # fmt: skip
def test_the_commit_that_brought_the_line_is_told(commit: Commit | None, shown: str) -> None:
    """When, and what it was for; of what is known."""
    text = notice_text(notice("new", issue(introduced=commit)), ZONE)
    assert ("Introduced" in text) == bool(shown)
    assert shown in text
    assert "Introduced" not in notice_text(notice("quiet", issue(introduced=commit)), ZONE)


@pytest.mark.parametrize(
    ("named", "commit", "shown"),
    [
        ("1.4.2", "3f2a1b9c04d7e6f5", "1.4.2, commit 3f2a1b9c04d7"),
        ("1.4.2", "", "1.4.2"),
        ("", "3f2a1b9c04d7e6f5", "commit 3f2a1b9c04d7"),
        ("3f2a1b9c04d7", "3f2a1b9c04d7e6f5", "commit 3f2a1b9c04d7"),
        ("shop-3f2a1b9c04d7", "3f2a1b9c04d7e6f5", "shop-3f2a1b9c04d7"),
        ("", "", ""),
    ],
)
def test_release_and_commit_are_told_once_each(named: str, commit: str, shown: str) -> None:
    """A release that is the commit is not told twice."""
    assert release(replace(TRACEBACK, release=named, commit=commit)) == shown


def test_where_a_library_raised_anew_the_application_s_frame_is_that_of_the_cause() -> None:
    """Django raises the error of a template anew, where no frame of the template's is left."""
    library = Frame(
        "django.template.backends.django", "reraise", "/lib/django.py", 130, "raise new from exc", in_app=False
    )
    template = Frame("cart.html", "template", "shop/templates/cart.html", 2, "{% include 'x.html' %}")
    cause = ExceptionInfo("TemplateDoesNotExist", "x.html", (library, template, library))
    exception = ExceptionInfo("TemplateDoesNotExist", "x.html", (library,), cause=cause)
    assert rows_of(exception)["Where"] == "cart.html, shop/templates/cart.html:2\n  {% include 'x.html' %}"
    assert culprit(replace(TRACEBACK, exception=exception)) == "cart.html"
    assert failing(exception) == template
    bare = replace(exception, cause=replace(cause, frames=(library,)))
    assert failing(bare) == library
    assert rows_of(ExceptionInfo("E", "x", (PAY,), cause=bare))["Caused by"].count("/lib/django.py:130") == 1


@pytest.mark.parametrize(
    ("logger", "location", "shown"),
    [
        ("shop.views", "views.pay:8", "shop.views.pay:8"),
        ("shop", "shop.pay:8", "shop.pay:8"),
        ("audit", "views.pay:8", "views.pay:8"),
        ("acme.shop", "shop.views.pay:8", "shop.views.pay:8"),
        ("shop.reviews", "views.pay:8", "views.pay:8"),
        ("shop.views", "", "shop.views"),
    ],
)
def test_a_record_s_module_is_told_in_full_where_its_logger_has_that_name(
    logger: str, location: str, shown: str
) -> None:
    """A record has but the last part, and a project of Django's has many a ``views``."""
    event = replace(ERROR, logger=logger, location=location, request=None)
    assert dict(spot_rows(spots(event))) == {"Where": shown}
    assert culprit(event) == shown.removesuffix(":8")
