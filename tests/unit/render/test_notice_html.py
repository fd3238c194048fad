"""The HTML part: whole, escaped, without anything remote."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import get_args

import pytest

from broken_shop import BROKE_AT, ERROR, KEY_ERROR, TRACEBACK, ZONE, hostile_notice, issue, notice
from golden_cases import BROUGHT, CASES, FORGE, notice_of_case
from tocsin.event.limits import DETAILED_ISSUES, LISTED_ISSUES, MAIL_HTML_BYTES
from tocsin.event.notice import Activity, Reason
from tocsin.render.notice_html import notice_html

VOID = {"meta", "br"}


class Checker(HTMLParser):
    """Collect tags and attributes, and fail where an element is left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(document: str) -> Checker:
    checker = Checker()
    checker.feed(document)
    checker.close()
    assert checker.open == []
    return checker


@pytest.mark.parametrize("reason", get_args(Reason))
@pytest.mark.parametrize("count", [0, 1, 3])
def test_document_is_whole_and_hostile_text_is_escaped(reason: Reason, count: int) -> None:
    """No element or attribute comes from an event."""
    document = notice_html(hostile_notice(reason, count), ZONE)
    found = checked(document)
    assert document.encode("utf-8")
    assert found.tags.isdisjoint({"script", "img", "link", "iframe", "form"})
    assert found.attributes <= {"lang", "charset", "name", "content", "class", "href"}
    assert all(re.fullmatch(r"https://forge\.example/[A-Za-z0-9/.:?#=&+_~%,;-]+", url) for url in found.links)
    assert bool(found.links) == (bool(count) and reason not in ("summary", "over", "digest"))


def test_nothing_remote_is_named() -> None:
    """A mail that loads something tells strangers that it was read."""
    document = notice_html(notice("new", issue()), ZONE)
    assert not re.search(r"(src|href)\s*=|url\(|@import", document.partition("<body>")[0])
    assert not re.search(r"<[^>]+(src|href|style)=", document)


def test_first_lines_say_what_where_and_how_often() -> None:
    """What a telephone shows first is what matters."""
    body = notice_html(notice("new", issue()), ZONE).partition("<body>")[2]
    text = re.sub(r"<[^>]+>", " ", body)
    assert text.index("CurrencyError in orders.views.pay") < text.index("37 times so far") < 150
    parts = ("no rate for", "shop/orders/money.py:12", "KeyError: 'CHF'".replace("'", "&#x27;"), "Since", "Traceback")
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)


def test_what_pep_657_points_at_is_underlined() -> None:
    """Carets would part from their line where it wraps."""
    event = notice_html(notice("new", issue(TRACEBACK)), ZONE)
    assert "    charge(order.amount * <u>rates[order.currency]</u>)\n" in event
    assert "^^^" not in event


def test_what_is_underlined_is_escaped_too() -> None:
    """Code that makes HTML is code like any other."""
    frame = replace(KEY_ERROR.frames[-1], source="    a = '<b>' + <i>", column=8, end_column=13, before=("<u>",))
    event = replace(TRACEBACK, exception=replace(KEY_ERROR, frames=(frame,)))
    document = notice_html(notice("new", issue(event)), ZONE)
    assert document.count("a = <u>&#x27;&lt;b&gt;&#x27;</u> + &lt;i&gt;") == 2
    checked(document)


def test_source_around_marks_the_failing_line() -> None:
    """The failing line stands out among its neighbours."""
    document = notice_html(notice("new", issue(replace(TRACEBACK, exception=KEY_ERROR))), ZONE)
    assert "<strong>87      charge(order.amount * rates[order.currency])</strong>" in document


def test_long_lists_end_with_what_is_left_out() -> None:
    """The rest is counted."""
    document = notice_html(notice("summary", *(issue(),) * (LISTED_ISSUES + 7)), ZONE)
    assert document.count("<li>") == LISTED_ISSUES
    assert "and 7 more</li>" in document


def test_error_id_stands_below_the_headline_and_only_there() -> None:
    """What a customer on the telephone reads out is looked for first."""
    body = notice_html(notice("new", issue()), ZONE).partition("<body>")[2]
    assert body.index("<h1>") < body.index("<code>7K3QDM-24F2</code>") < body.index("37 times so far")
    assert "<dt>Error id" not in body


def test_error_ids_of_several_stand_below_their_headlines() -> None:
    """Each has its own."""
    body = notice_html(notice("new", issue(), issue(ERROR)), ZONE).partition("</ul>")[2]
    assert body.index("<h2>") < body.index("7K3QDM-24F2") < body.rindex("<h2>") < body.index("EE3QDM-24F2")


@pytest.mark.parametrize(
    ("reason", "lost", "tone"),
    [("new", 0, "alarm"), ("update", 0, "going"), ("quiet", 0, "calm"), ("alive", 0, "calm"), ("alive", 1, "alarm")],
)
def test_colour_tells_whether_to_hurry(reason: Reason, lost: int, tone: str) -> None:
    """A sign of life that tells of losses is no good news."""
    done = Activity(BROKE_AT, 0, 0, 0, 0, lost) if reason == "alive" else None
    assert f'<main class="{tone}">' in notice_html(notice(reason, issue(), activity=done), ZONE)


def test_lines_are_linked_where_the_forge_has_them() -> None:
    """The line that failed, the root cause's, each frame's of the traceback, and the commit."""
    document = notice_html(notice_of_case(CASES["chain"]), ZONE)
    links = checked(document).links
    assert [url.rpartition("/")[2] for url in links] == [
        "views.py#L91", "http.py#L31", BROUGHT.id, "http.py#L31", "rates.py#L12", "views.py#L87", "views.py#L91",
    ]  # fmt: skip
    assert f'<a href="{FORGE}shop/rates.py#L12">File &quot;shop/rates.py&quot;, line 12</a>, in load' in document


def test_folded_frames_can_be_unfolded() -> None:
    """Readers without `details` show them, a line each."""
    document = notice_html(notice_of_case(CASES["plain"]), ZONE)
    _, _, inside = document.partition("<details><summary>… 3 frames in flask</summary>")
    assert inside.partition("</details>")[0].count("flask/app.py:") == 3
    assert not re.search(r"<pre[^>]*>(?:(?!</pre>).)*<details", document, re.DOTALL)


@pytest.mark.parametrize("count", [1, 8, 50])
def test_a_document_is_no_longer_than_mail_readers_show(count: int) -> None:
    """Library frames go first, then the tracebacks of the last faults; each fault is told all the same."""
    event = CASES["sixty-frames"]
    assert event.exception is not None
    frames = tuple(replace(frame, locals={"value": "x" * 900}) for frame in event.exception.frames)
    wordy = replace(event, exception=replace(event.exception, frames=frames))
    document = notice_html(notice("new", *(issue(wordy),) * count), ZONE)
    checked(document)
    assert len(document.encode()) <= MAIL_HTML_BYTES
    assert document.count("<dt>See it") == min(count, DETAILED_ISSUES)
    assert ("Lead-up and traceback are left out here" in document) == (count > 1)
    assert "layer9.py" in document


def test_a_long_list_claims_no_tracebacks_in_the_text() -> None:
    """Where nothing is told in full nothing is left out."""
    assert "left out here" not in notice_html(notice("update", *(issue(),) * 8), ZONE)
