"""Texts of tickets: whatever an event holds stays within its code block, in every tracker's markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event.limits import TICKET_EPISODES
from tocsin.event.model import ExceptionInfo
from tocsin.render import ticket
from tocsin.render.markup import Markup, code, row, word
from tocsin.testing.contract import notice_of
from tocsin.testing.hostile import HOSTILE, ordinary_event

MARKUPS: tuple[Markup, ...] = get_args(Markup)
KEYWORD, MARK = "tb_" + "a" * 32, "tn_" + "b" * 32
# fmt: off
PIECES = st.sampled_from([
    "{{{", "}}}", "#!html", "```", "````", "~~~", "<pre>", "</pre>", "</PRE >", "< /pre>", "<redpre#0>", "<notextile>",
    "{noformat}", "{code}", "{ noformat }", "[~admin]", "/close", "@everyone", "fixes #3", "[[Image(x)]]", "||", "|",
    "\n", "\r\n", "\r", " ", "\t", "\x00", "\u2028", "\u202e", "é", "tb_" + "c" * 32, "tn_" + "c" * 32,
])
# fmt: on


def _wiki_is_whole(lines: list[str], first: str, last: str) -> bool:
    fence = re.compile(r"\s*\{\{\{(?:\s*$|\s*#!)")  # what Trac's parser takes for the beginning of a block
    inner = all(line.strip() != "}}}" and not fence.match(line) for line in lines)
    return (first, last) == ("{{{", "}}}") and inner and not lines[0].lstrip().startswith("#!")


def _markdown_is_whole(lines: list[str], first: str, last: str) -> bool:
    commands = any(line.startswith("/") for line in lines)
    return first == f"{last}text" and set(last) == {"`"} and not any(last in line for line in lines) and not commands


def _textile_is_whole(lines: list[str], first: str, last: str) -> bool:
    tag = re.compile(r"<[/!]?(pre|code|notextile|redpre|kbd|script)", re.IGNORECASE)
    return (first, last) == ("<pre>", "</pre>") and not any(tag.search(line) for line in lines)


def _jira_is_whole(lines: list[str], first: str, last: str) -> bool:
    inner = "\n".join(lines)
    return first == last == "{noformat}" and "{noformat" not in inner and "[~" not in inner


WHOLE: dict[Markup, Callable[[list[str], str, str], bool]] = {
    "wiki": _wiki_is_whole,
    "markdown": _markdown_is_whole,
    "textile": _textile_is_whole,
    "jira": _jira_is_whole,
}


@pytest.mark.parametrize("markup", MARKUPS)
@given(pieces=st.lists(PIECES | st.text(max_size=8), max_size=20))
def test_nothing_ends_a_code_block(markup: Markup, pieces: list[str]) -> None:
    """Law: whatever the text, its block has one beginning and one end, and none of our own keys within."""
    block = code("".join(pieces), markup)
    first, *lines, last = block.split("\n")
    assert WHOLE[markup](lines, first, last)
    assert not re.search(r"\bt[bn]_[0-9a-f]{32}", block)
    block.encode("utf-8")


@pytest.mark.parametrize("markup", MARKUPS)
@given(text=st.text(max_size=60))
def test_a_word_is_plain(markup: Markup, text: str) -> None:
    """Law: of any text, a word keeps only what means nothing in any markup, and is one cell of a table."""
    inner = word(text, markup)
    assert re.fullmatch(r"((`|@|\{\{)[A-Za-z0-9.:_+?-]+(`|@|\}\}))?", inner)
    assert "|" not in inner


@pytest.mark.parametrize("markup", MARKUPS)
@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_every_hostile_event_becomes_a_ticket(markup: Markup, case: object) -> None:
    """Title in one line, description within its bound, both keys of ours once."""
    event = case.make("x")  # type: ignore[attr-defined]
    notice = notice_of("new", event)
    (issue,) = notice.issues
    title = ticket.title(notice, issue)
    text = ticket.body(notice, issue, markup, keyword=KEYWORD, mark=MARK, chars=20_000)
    assert len(title) <= 120
    assert len(title.splitlines()) == 1
    assert len(text) <= 20_000
    assert event.error_id in text
    assert (text.count(KEYWORD), text.count(MARK)) == (1, 1)
    assert text.endswith(f"{word(KEYWORD, markup)} {word(MARK, markup)}")


def test_a_title_calls_nobody_and_refers_to_nothing() -> None:
    """Titles have no code; what trackers take for mentions and references is parted."""
    event = replace(ordinary_event(), exception=None, template="%s", message="x", kind="error", fingerprint="v1:0")
    notice = notice_of("new", replace(event, error_id="7K3QDM-24F2"))
    issue = replace(notice.issues[0], title="@everyone fixes #3 !4 ~bug $1", culprit="shop.orders")
    assert ticket.title(notice, issue) == "[shop] “@ everyone fixes # 3 ! 4 ~ bug $ 1” in shop.orders (7K3QDM)"


def test_a_title_shows_a_template_as_it_is() -> None:
    """Placeholders are no references, which have a number or a longer name; most titles of logged errors have some."""
    notice = notice_of("new", ordinary_event())
    issue = replace(notice.issues[0], kind="error", title="%s of %d, %-5s %(name)s, not %12 %backlog", culprit="shop")
    assert "%s of %d, %-5s %(name)s, not % 12 % backlog" in ticket.title(notice, issue)


def test_what_is_too_long_is_cut_in_its_midst() -> None:
    """The beginning and the end of a long block stay, and it says what is missing."""
    message = "\n".join(f"line {number}" for number in range(5_000))
    event = replace(ordinary_event(), exception=ExceptionInfo("E", message), fingerprint="v1:0", error_id="7K3QDM-24F2")
    notice = notice_of("new", event)
    text = ticket.body(notice, notice.issues[0], "wiki", keyword=KEYWORD, mark=MARK, chars=5_000)
    assert len(text) <= 5_000
    assert "Traceback" in text or "E: line 0" in text
    assert "line 4999" in text
    assert "lines are left out here; tocsin show has them" in text


@pytest.mark.parametrize("markup", MARKUPS)
def test_the_table_keeps_its_first_and_its_latest_rows(markup: Markup) -> None:
    """However often a fault comes back, the table has so many rows, and people's own words around it stay."""
    event = HOSTILE[0].make("x")
    notice = notice_of("new", event)
    (issue,) = notice.issues
    text = ticket.body(notice, issue, markup, keyword=KEYWORD, mark=MARK, chars=20_000)
    text = f"My own words.\r\n\r\n{text}".replace("\n", "\r\n").replace("\r\r", "\r")
    for day in range(1, 40):
        at = issue.episode_started + timedelta(days=day)
        later = replace(issue, episode_started=at, last_seen=at, episode_count=day)
        changed = ticket.with_episode(text, later, markup, chars=20_000)
        assert changed is not None
        assert ticket.with_episode(changed, later, markup, chars=20_000) is None
        text = changed
    rows = [line for line in text.split("\n") if line.startswith("|") and "2026-" in line]
    assert len(rows) == TICKET_EPISODES
    assert "2026-03-29 01:59:59" in rows[0]
    assert "2026-05-07" in rows[-1]
    assert text.startswith("My own words.\n")
    assert "\r" not in text


def test_a_description_that_people_rewrote_is_left_alone() -> None:
    """No table, or one that would make the text too long: nothing is changed."""
    (issue,) = notice_of("new", HOSTILE[0].make("x")).issues
    assert ticket.with_episode("", issue, "wiki", chars=20_000) is None
    assert ticket.with_episode("Only words", issue, "wiki", chars=20_000) is None
    heading = row(("Since (UTC)", "Last", "Times", "Release"), "wiki", is_heading=True)
    assert ticket.with_episode(heading, issue, "wiki", chars=20) is None
    changed = ticket.with_episode(f"a\n{heading}\nb", issue, "wiki", chars=20_000)
    assert changed is not None
    assert changed.split("\n")[0::3] == ["a", "b"]
