"""Every form of a report of every kind of event, kept as files for people to read and compared byte for byte.

``TOCSIN_UPDATE_GOLDEN=1 python -m pytest tests/unit/render/test_golden.py`` writes them anew; look at what changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from golden_cases import CASES, ZONE, notice_of_case
from tocsin.event.model import Event
from tocsin.render import ticket
from tocsin.render.chat import chat_lines
from tocsin.render.markup import Markup
from tocsin.render.notice_html import notice_html
from tocsin.render.notice_json import notice_members
from tocsin.render.notice_text import notice_text
from tocsin.render.subject import subject
from tocsin.render.terminal import event_terminal
from tocsin.render.text import event_text

GOLDEN: Final = Path(__file__).parents[2] / "golden"
IS_UPDATE: Final = bool(os.environ.get("TOCSIN_UPDATE_GOLDEN"))


def _ticket(event: Event, markup: Markup) -> str:
    notice = notice_of_case(event)
    keys = {"keyword": "tb_" + "a" * 32, "mark": "tn_" + "b" * 32}
    return ticket.body(notice, notice.issues[0], markup, **keys, chars=30_000, zone=ZONE)


def _coloured(event: Event) -> str:
    """Return the coloured report with ``␛`` for the escape, so that a viewer shows the file as it is."""
    return event_terminal(event, is_coloured=True, zone=ZONE).replace("\x1b", "␛")


FORMS: Final[dict[str, Callable[[Event], str]]] = {
    "text.txt": lambda event: event_text(event, ZONE),
    "all.txt": lambda event: event_terminal(event, is_coloured=False, zone=ZONE, has_all=True),
    "coloured.txt": _coloured,
    "mail.txt": lambda event: notice_text(notice_of_case(event), ZONE),
    "mail.html": lambda event: notice_html(notice_of_case(event), ZONE),
    "wiki": partial(_ticket, markup="wiki"),
    "md": partial(_ticket, markup="markdown"),
    "textile": partial(_ticket, markup="textile"),
    "jira": partial(_ticket, markup="jira"),
    "json": lambda event: json.dumps(notice_members(notice_of_case(event), ZONE), indent=1) + "\n",
    "chat.txt": lambda event: f"{subject(notice_of_case(event), ZONE)}\n{chat_lines(notice_of_case(event), ZONE)}\n",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES)
def test_report_is_as_it_was_read_and_found_good(case: str, form: str) -> None:
    """A change of any report is seen, in the form in which people get it."""
    file = GOLDEN / f"{case}.{form}"
    shown = FORMS[form](CASES[case])
    if IS_UPDATE:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(shown.encode())
    # A checkout on Windows may have ended the lines anew.
    assert shown == file.read_bytes().replace(b"\r\n", b"\n").decode()


def test_every_golden_file_is_of_a_case_and_a_form() -> None:
    """Nothing is left over that nobody compares."""
    assert {file.name for file in GOLDEN.iterdir()} == {f"{case}.{form}" for case in CASES for form in FORMS}


@pytest.mark.parametrize("case", CASES)
def test_a_mail_is_shown_in_full(case: str) -> None:
    """Gmail clips what is longer than 102 kB; encoded for the way, HTML takes up to a third more."""
    assert len(FORMS["mail.html"](CASES[case]).encode()) < 60_000


@pytest.mark.parametrize(("page", "case", "form"), [("mail", "chain", "mail.txt"), ("trac", "plain", "wiki")])
def test_pages_show_what_there_is(page: str, case: str, form: str) -> None:
    """A page's example is a golden file, shortened where it has an ellipsis."""
    text = (GOLDEN.parents[1] / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```text\n")[1:]]
    (example,) = (block for block in blocks if "\nWhere  " in block)
    golden = iter((GOLDEN / f"{case}.{form}").read_text(encoding="utf-8").splitlines())
    for line in filter(None, example.splitlines()):
        assert line == "…" or line.startswith("Subject: ") or line in golden, line  # in order: it goes on reading
