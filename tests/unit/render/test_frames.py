"""Frames: the application's in full, a library's folded, the place an error points to, and their links."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broken_shop import LIBRARY, PAY, RATE, TRACEBACK, ZONE
from golden_cases import CASES
from tocsin.event.model import ExceptionInfo, Frame
from tocsin.render import harmless
from tocsin.render.facts import frame_name, in_file, source_lines
from tocsin.render.frames import pointed_line
from tocsin.render.styled import Line, carets, cropped, plain
from tocsin.render.terminal import event_terminal
from tocsin.render.text import event_text
from tocsin.render.traceback import traceback_lines

ADMIN = "/venv/lib/python3.11/site-packages/django/contrib/admin/templates/admin/base.html"
DEEP = tuple(replace(LIBRARY[0], module=f"{name}.x", line=n) for n, name in enumerate("abcdef"))


def lines_of(frames: tuple[Frame, ...], *, has_all: bool = False, **more: int) -> list[str]:
    return plain(traceback_lines(ExceptionInfo("E", "", frames, **more), has_all=has_all))


@pytest.mark.parametrize(
    ("frames", "folded"),
    [
        ((*LIBRARY, PAY), "  … 2 frames in flask"),
        ((replace(LIBRARY[0], repeats=9), PAY), "  … 9 frames in flask"),
        ((replace(LIBRARY[0], module="admin/base.html", file=ADMIN), PAY), "  … 1 frame in django"),
        ((replace(LIBRARY[0], module="base.html", file="/lib/base.html"), PAY), "  … 1 frame in base.html"),
        ((*DEEP[:4], PAY), "  … 4 frames in a, b, c, d"),
        ((*DEEP, PAY), "  … 6 frames in a, b, c, d …"),
        ((replace(LIBRARY[0], module=""), PAY), "  … 1 frame in app.py"),
        ((replace(LIBRARY[0], module="", file=""), PAY), "  … 1 frame in unnamed code"),
    ],
)
def test_library_frames_in_a_row_are_one_line(frames: tuple[Frame, ...], folded: str) -> None:
    """Which libraries is what there is to know of them."""
    shown = lines_of(frames)
    assert shown[1] == folded
    assert shown[2].startswith('  File "shop/orders/views.py"')


def test_all_frames_are_shown_to_who_asks_for_them() -> None:
    """With its source, each of them, and the link of each."""
    linked = replace(PAY, url="https://forge.example/views.py#L87")
    shown = lines_of((*LIBRARY, linked, *LIBRARY), has_all=True)
    assert sum(line.startswith('  File "/lib/flask/app.py"') for line in shown) == 4
    assert "    https://forge.example/views.py#L87" in shown
    assert not any("…" in line for line in shown)
    event = replace(TRACEBACK, exception=ExceptionInfo("E", "", (*LIBRARY, PAY)))
    for report in (
        event_text(event, ZONE, has_all=True),
        event_terminal(event, is_coloured=False, zone=ZONE, has_all=True),
    ):
        assert report.count('  File "/lib/flask/app.py"') == 2


@pytest.mark.parametrize(
    ("frames", "turns"),
    [
        ((PAY, *(RATE,) * 5), "  [The frame above repeated 3 more times]"),
        ((*(PAY, RATE) * 4, PAY), "  [The 2 frames above repeated 3 more times]"),
        ((*(PAY, *LIBRARY) * 4, RATE), "  [The 3 frames above repeated 3 more times]"),
        ((*(PAY, RATE) * 2, PAY), None),
        ((*LIBRARY * 6, PAY), None),
    ],
)
def test_frames_that_call_each_other_in_turn_are_told_once(frames: tuple[Frame, ...], turns: str | None) -> None:
    """A recursion through several functions fills no screen; the innermost frame is shown by itself."""
    shown = lines_of(frames)
    assert [line for line in shown if "repeated" in line] == ([turns] if turns else [])
    assert any(line.endswith(f"in {frames[-1].function}") for line in shown[-4:])


def test_of_the_kept_ends_each_is_folded_by_itself() -> None:
    """The number of frames that are missing stands where they are missing."""
    shown = lines_of((PAY, RATE) * 10, frames_omitted=926)
    at = shown.index("  [926 frames left out]")
    assert shown[at - 1] == "  [The 2 frames above repeated 4 more times]"
    assert "  [The 2 frames above repeated 3 more times]" in shown[at:]


def test_all_frames_of_a_recursion_are_shown_to_who_asks() -> None:
    """Each turn may have locals of its own."""
    assert sum("File" in line for line in lines_of((PAY, RATE) * 10, has_all=True)) == 20


@pytest.mark.parametrize(
    ("source", "column", "end_column", "marked"),
    [
        ("    if x", 8, 9, "    if x\n        ^"),  # past the end: something is missing there
        ("    if x", 8, None, "    if x\n        ^"),
        ("    f(]", 6, None, "    f(]\n      ^"),
        ("    x", None, None, "    x"),
        ("    print x", 4, 11, "    print x"),  # the whole line
        ("    print x", 10, 11, "    print x\n          ^"),
        ("    x", 2, 3, "    x"),
    ],
)
def test_a_place_that_an_error_names_is_pointed_at(
    source: str, column: int | None, end_column: int | None, marked: str
) -> None:
    """Of a SyntaxError there may be but one column, and that behind the last letter."""
    place = Frame("", "", "x.py", 3, source, column=column, end_column=end_column)
    shown = plain([pointed_line(place)])
    assert "\n".join(shown) == marked


def test_a_place_is_the_last_of_the_traceback_and_says_what_it_is() -> None:
    """It is no frame: nothing was running there."""
    place = Frame("", "", "cart.html", 7, "{% if %}")
    shown = plain(traceback_lines(ExceptionInfo("E", "m", (PAY,), place=place)))
    assert shown[-3:] == ['  File "cart.html", line 7, which the error points to', "    {% if %}", "E: m"]
    shown = plain(traceback_lines(ExceptionInfo("E", "m", (PAY,), place=replace(place, function="block body"))))
    assert '  File "cart.html", line 7, in block body, which the error points to' in shown


def test_frames_of_templates_are_named_by_template_and_block() -> None:
    """A dot between file and block would make one word of two."""
    frame = Frame("cart.html", "block 'body'", "shop/templates/cart.html", 7)
    assert frame_name(frame) == "cart.html block 'body'"
    assert in_file(frame) == "cart.html block 'body', shop/templates/cart.html:7"
    assert frame_name(replace(frame, function="top-level template code")) == "cart.html"
    assert in_file(replace(frame, function="")) == "shop/templates/cart.html:7"
    assert frame_name(PAY) == "orders.views.pay"
    assert frame_name(replace(PAY, module="")) == "pay"


@pytest.mark.parametrize("columns", [10, 20, 40, 59, 60, 61, 200])
@pytest.mark.parametrize("mark", [None, (0, 4), (30, 40), (50, 60), (4, 60), (59, 60)])
def test_a_cropped_line_shows_where_its_mark_begins(columns: int, mark: tuple[int, int] | None) -> None:
    """What is cut off is shown by an ellipsis, and the carets stay below what they mean."""
    text = "".join(chr(ord("A") + n % 26) for n in range(60))
    item = cropped(Line("source", text, mark=mark), columns)
    assert len(item.text) <= columns + 2
    assert item.text.strip("…") in text
    assert (item.text == text) == (columns >= 60)
    if mark is not None:
        assert item.mark is not None
        start, end = item.mark
        assert item.text[start:end] == text[mark[0] : mark[0] + end - start]
        assert end > start
        assert carets(item) == " " * start + "^" * (end - start)


def test_a_cropped_line_keeps_its_indent_and_fills_its_room() -> None:
    """What is marked stands near its end here: all that fits is shown, not a few words of it."""
    text = "  " + "abcdefghij" * 4
    item = cropped(Line("source", text, mark=(37, 40)), 32)
    assert item.text == "  …" + text[-30:]
    assert item.mark is not None
    assert item.text[slice(*item.mark)] == text[37:40]
    assert cropped(Line("source", " " * 30 + "abcdefghij", mark=(30, 40)), 32).text.endswith("abcdefghij")


def test_lines_with_carets_are_cropped_where_they_would_wrap() -> None:
    """A caret below another line's text would point at nothing."""
    shown = event_text(CASES["long-lines"], ZONE).splitlines()
    rows = [at for at, line in enumerate(shown) if line.strip() and not line.strip(" ^")]
    assert len(rows) == 2
    for at in rows:
        start, end = shown[at].index("^"), len(shown[at])
        assert shown[at - 1][start:end] == "order.discount.amount"
        assert end < 170


@pytest.mark.parametrize(
    ("text", "columns"),
    [("中文", 4), ("🎉x", 3), ("e\u0301", 1), ("❤\ufe0f", 1), ("a\u200db", 2), ("שלום", 4), ("ｱ", 1), ("Ａ", 2)],
)
def test_width_counts_what_a_terminal_shows(text: str, columns: int) -> None:
    """Selectors and joiners have no column of their own."""
    assert harmless.width(text) == columns


def test_lines_around_begin_and_end_with_something() -> None:
    """Blank lines say nothing; where nothing else surrounds the line, it stands alone already."""
    frame = replace(PAY, before=("", "  # rates", ""), after=("  ", ""))
    assert [(number, is_failing) for number, _, is_failing in source_lines(frame)] == [
        (85, False),
        (86, False),
        (87, True),
    ]
    assert source_lines(replace(frame, before=("",))) == []
    assert source_lines(replace(frame, source="")) == []
