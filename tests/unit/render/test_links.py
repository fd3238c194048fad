"""Links: nothing of an event's URL becomes markup, and nothing but http and https is linked, in any form."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broken_shop import RATE, TRACEBACK, ZONE, issue, notice
from tocsin.event.model import ExceptionInfo
from tocsin.event.notice import Commit
from tocsin.render.chat import chat_lines, inert
from tocsin.render.links import safe_url
from tocsin.render.markup import Markup, link
from tocsin.render.notice_html import notice_html
from tocsin.render.notice_text import notice_text
from tocsin.render.terminal import event_terminal
from tocsin.render.ticket import body

URL = "https://git.example.org:8443/shop/blob/3f2a/shop/orders/money.py#L12"
# fmt: off
PIECES = st.sampled_from([
    '"', "'", "<", ">", ")", "]", "|", " ", "\n", "\\", "`", "{", "}", "%", "%41", "__", "~~", "@", "..", "//",
    "?a=b&c", "#L1", "é", "\u202e", "\x1b[31m", "\ud800", "*", "(", "[[",
])
# fmt: on


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, URL),
        ("http://127.0.0.1:3000/x?a=b&c=d;e#L3", "http://127.0.0.1:3000/x?a=b&c=d;e#L3"),
        ("https://git.sr.ht/~ada/shop/tree/3f2a/item/a.py", "https://git.sr.ht/~ada/shop/tree/3f2a/item/a.py"),
        ("https://x/a/__init__.py#L3", "https://x/a/_%5Finit_%5F.py#L3"),
        ("https://x/my file (1).py", "https://x/my%20file%20%281%29.py"),
        ("https://x/a%2Fb%zz", "https://x/a%2Fb%25zz"),
        ("https://x/r@main/[a]|`<b>\"'\n\\", "https://x/r%40main/%5Ba%5D%7C%60%3Cb%3E%22%27%0A%5C"),
        ("https://x", "https://x/"),
        ("https://x/é", "https://x/%C3%A9"),
        ("https://github.com@evil.example/x", ""),
        ("https://ada:secret@git.example.org/x", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("ftp://x/y", ""),
        ("//x/y", ""),
        (" https://x/y", ""),
        ("https://x\n.evil/y", ""),
        ("https:///y", ""),
        ("https://x/" + "y" * 2_000, ""),
        ("", ""),
    ],
)
def test_a_safe_url_is_the_same_link_in_letters_that_mean_nothing(url: str, shown: str) -> None:
    """Files have all kinds of names; a URL that is none of a forge's is no link at all."""
    assert safe_url(url) == shown


@given(pieces=st.lists(PIECES | st.text(max_size=4), max_size=12))
def test_nothing_in_a_url_is_markup(pieces: list[str]) -> None:
    """Law: a safe URL is its own, and holds nothing that ends or makes a link, emphasis or a mention anywhere."""
    shown = safe_url("https://forge.example/" + "".join(pieces))
    assert safe_url(shown) == shown
    assert re.fullmatch(r"https://forge\.example/[A-Za-z0-9/.:?#=&+_~%,;-]*", shown)
    assert inert(shown) == shown
    assert not re.search(r"%(?![0-9A-F]{2})", shown, re.IGNORECASE)


@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        ("wiki", f"[{URL} the line]"),
        ("markdown", f"[the line]({URL})"),
        ("textile", f'"the line":{URL}'),
        ("jira", f"[the line|{URL}]"),
    ],
)
def test_each_markup_has_its_link(markup: Markup, shown: str) -> None:
    """Of our own words and a URL without anything special in it."""
    assert link("the line", URL, markup) == shown
    assert link("the line", "javascript:alert(1)", markup) == ""
    odd = link("the line", URL + '"<b> )]|\n.', markup)
    encoded = URL + "%22%3Cb%3E%20%29%5D%7C%0A"
    assert odd == shown.replace(URL, encoded if markup == "textile" else encoded + ".")


@pytest.mark.parametrize("markup", get_args(Markup))
def test_a_ticket_links_the_line_the_root_cause_and_the_commit(markup: Markup) -> None:
    """Outside of its code blocks, where links work; and only those that are safe."""
    cause = ExceptionInfo("KeyError", "'CHF'", (replace(RATE, line=7, url=URL.replace("L12", "L7")),))
    raised = ExceptionInfo("ValueError", "x", (replace(RATE, url=URL),), cause=cause)
    commit = Commit("3f2a", None, "x", "https://git.example.org/commit/3f2a")
    told = notice("new", issue(replace(TRACEBACK, exception=raised), introduced=commit))
    text = body(told, told.issues[0], markup, keyword="tb_1", mark="tn_1", chars=30_000)
    (line,) = (line for line in text.splitlines() if line.startswith("Source: "))
    assert [url in line for url in (URL, URL.replace("L12", "L7"), commit.url)] == [True] * 3
    for words in ("the line that failed", "the line of the root cause", "the commit that brought the line"):
        assert words in line
    bad = replace(told.issues[0], introduced=None, sample=replace(TRACEBACK, exception=replace(raised, cause=None,
                  frames=(replace(RATE, url="javascript:alert(1)"),))))  # fmt: skip
    text = body(told, bad, markup, keyword="tb_1", mark="tn_1", chars=30_000)
    assert "Source: " not in text
    assert "javascript" not in text


def test_what_is_no_link_of_a_forge_is_told_nowhere() -> None:
    """Neither in HTML nor as text that a reader would make a link of."""
    raised = ExceptionInfo("ValueError", "x", (replace(RATE, url="javascript:alert(1)"),))
    event = replace(TRACEBACK, exception=raised)
    told = notice("new", issue(event, introduced=Commit("3f2a", None, "", "data:text/html,x")))
    for shown in (
        notice_html(told, ZONE),
        notice_text(told, ZONE),
        event_terminal(event, is_coloured=False, has_all=True),
        chat_lines(told, ZONE),
    ):
        assert "javascript" not in shown
        assert "data:" not in shown
        assert "<a " not in shown


def test_a_text_tells_the_link_of_the_line_once() -> None:
    """It is long; each frame's stands in `tocsin show --all`."""
    event = replace(TRACEBACK, exception=ExceptionInfo("ValueError", "x", (replace(RATE, url=URL),)))
    assert notice_text(notice("new", issue(event)), ZONE).count(URL) == 1
    assert event_terminal(event, is_coloured=False).count(URL) == 1
    assert event_terminal(event, is_coloured=False, has_all=True).count(URL) == 2
    assert chat_lines(notice("new", issue(event)), ZONE).count(URL) == 1
