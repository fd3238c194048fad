"""The place that a SyntaxError names: its line as the parser saw it, and nothing foreign runs."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.capture.exceptions import describe
from tocsin.capture.frames import FrameCache
from tocsin.event import limits
from tocsin.event.masking.patterns import MASK
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import ExceptionInfo, Frame
from tocsin.event.wire import frame_fragment


def _raised(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


def _info(exc: BaseException, **options: Any) -> ExceptionInfo:
    return describe(exc, FrameCache(Scrubber(), **options))


def _place(exc: BaseException, **options: Any) -> Frame:
    place = _info(exc, **options).place
    assert place is not None
    frame_fragment(place)
    return place


def _marked(place: Frame) -> str | None:
    if place.column is None or place.end_column is None:
        return None
    return f"{place.source}\n"[place.column : place.end_column]


class Forbidden(BaseException):
    """Be raised where foreign code ran: no `except Exception` hides it."""


def _refuse(*_: object) -> Any:
    raise Forbidden


def test_error_in_an_imported_module_shows_its_line_and_what_is_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, line, the lines around, and the interpreter's caret (up to Python 3.12 it counts bytes of a file)."""
    file = tmp_path / "broken_orders.py"
    file.write_text("import os\n\nclass Order:\n    def f(self):\n        return f(2 3), 'é'\n\nRATE = 7\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    place = _place(_raised(lambda: importlib.import_module("broken_orders")))
    assert (place.file, place.line, place.module, place.function) == (str(file), 5, "", "")
    assert place.source == "        return f(2 3), 'é'"
    assert place.before == ("", "class Order:", "    def f(self):")
    assert place.after == ("", "RATE = 7", "")
    assert _marked(place) == "2 3"
    assert place.in_app


@pytest.mark.parametrize(
    ("parse", "file", "line", "source", "marked"),
    [
        (lambda: ast.parse("def f(:\n  pass"), "<unknown>", 1, "def f(:", ":"),
        (lambda: compile("x = 1\nif x\n  pass", "<string>", "exec"), "<string>", 2, "if x", "\n"),
        (lambda: compile("a = 1\nx = '''abc\nd\n", "no such.py", "exec"), "no such.py", 2, "x = '''abc", "'"),
        (lambda: compile("def f():\n    x = 1\n  y = 2\n", "a.py", "exec"), "a.py", 3, "  y = 2", "\n"),
        (lambda: compile("if 1:\n        x = 1\n\ty = 2\n", "a.py", "exec"), "a.py", 3, "\ty = 2", "\t"),
    ],
    ids=["ast.parse", "compile", "over several lines", "IndentationError", "TabError"],
)
def test_error_in_text_shows_the_line_it_was_found_in(
    parse: Callable[[], object], file: str, line: int, source: str, marked: str
) -> None:
    """Where there is no file, the line the parser saw; a caret behind the line points at its end."""
    place = _place(_raised(parse))
    assert (place.file, place.line, place.source, _marked(place)) == (file, line, source, marked)
    assert (place.before, place.after) == ((), ())


@pytest.mark.parametrize(
    ("details", "source", "marked"),
    [
        (("a.py", 3, 5, "  abc def\n", 3, 8), "  abc def", "c d"),
        (("a.py", 3, 99, "  abc def\n"), "  abc def", "\n"),
        (("a.py", 3, 0, "abc\n"), "abc", None),
        (("a.py", 3, -1, "abc\n", 3, -1), "abc", None),
        (("a.py", 3, None, "abc\n"), "abc", None),
        (("a.py", 3, 2, "abc\n", 3, 0), "abc", "b"),
        (("a.py", 3, 2, "abc\n", 3, 1), "abc", "b"),
        (("a.py", 3, 2, "abcd\nef\n", 4, 1), "abcd", "bcd"),
        (("a.py", 3, 2, None), "", None),
        ((None, 3, 2, "abc"), "abc", "b"),
        (("a.py", 0, 1, "abc"), "abc", "a"),
    ],
)
def test_offsets_count_from_one_and_may_lie_anywhere(details: tuple[Any, ...], source: str, marked: str | None) -> None:
    """Zero and less point at nothing, one past the end at the end, an end before the beginning at one character."""
    place = _place(SyntaxError("invalid syntax", details))
    assert (place.source, _marked(place)) == (source, marked)


def test_indent_of_the_file_is_shown_and_moves_the_caret(tmp_path: Path) -> None:
    """Code may have been cut out and dedented before it was parsed, as tools do."""
    file = tmp_path / "a.py"
    file.write_text("class A:\n    x = (1 2)\n", "utf-8")
    place = _place(SyntaxError("invalid syntax", (str(file), 2, 6, "x = (1 2)\n", 2, 9)))
    assert (place.source, _marked(place)) == ("    x = (1 2)", "1 2")
    assert place.before == ("class A:",)
    assert _marked(_place(SyntaxError("invalid syntax", (str(file), 2, 0, "x = (1 2)\n")))) is None


def test_file_that_was_changed_since_shows_what_was_parsed_alone(tmp_path: Path) -> None:
    """Lines around a line that is no longer there would mislead."""
    file = tmp_path / "a.py"
    file.write_text("a\nb\nc\n", "utf-8")
    place = _place(SyntaxError("invalid syntax", (str(file), 2, 1, "other(\n")))
    assert (place.source, place.before, place.after) == ("other(", (), ())


@pytest.mark.parametrize(
    "exc",
    [
        SyntaxError("raised by hand"),
        SyntaxError(),
        SyntaxError("negative", ("a.py", -4, 1, "x")),
        SyntaxError("no number", ("a.py", "four", 1, "x")),
        SyntaxError("nothing", (None, None, None, None)),
        SyntaxError("strange", (object(), 1, 1, object())),
        ValueError("another type"),
    ],
)
def test_exception_that_names_no_place_has_none(exc: BaseException) -> None:
    """Most have none; one that names half of it is told by its message alone."""
    assert _info(exc).place is None


def test_nothing_of_a_subclass_runs() -> None:
    """Properties, attribute access and texts derived from str are looked past, by the interpreter's own slots."""

    class Text(str):
        partition = rstrip = __getitem__ = __eq__ = __str__ = __len__ = _refuse
        __hash__ = str.__hash__

    class Hostile(SyntaxError):
        filename = lineno = offset = text = property(_refuse)  # type: ignore[assignment]
        __getattribute__ = _refuse

    exc = Hostile("invalid", (Text("a.py"), 3, 2, Text("abc\n")))
    place = _place(exc)
    assert (place.file, place.line, place.source, place.column) == ("a.py", 3, "abc", 1)
    assert type(place.file) is type(place.source) is str


def test_text_without_end_is_cut(tmp_path: Path) -> None:
    """A generated line of megabytes, with its fault far behind what is shown."""
    place = _place(SyntaxError("invalid", ("a" * 1_000_000, 1, 900_000, "x" * 1_000_000)))
    assert len(place.source) <= limits.SOURCE_LINE_CHARS
    assert len(place.file) <= limits.PATH_CHARS
    assert place.column is None


def test_line_is_masked_as_source() -> None:
    """The line that can't be parsed may be the one with the password."""
    place = _place(_raised(lambda: compile('password = "correct horse" 7\n', "settings.py", "exec")))
    assert "horse" not in frame_fragment(place)
    assert MASK[:7] in place.source


def test_installed_file_is_the_applications_where_its_package_is_named() -> None:
    """By `app_modules`, as frames are."""
    exc = SyntaxError("invalid", ("/venv/lib/python3.11/site-packages/shop/orders.py", 1, 1, "x ("))
    assert not _place(exc).in_app
    assert _place(exc, app_modules=["shop"]).in_app
    assert _place(exc).module == "shop.orders"
