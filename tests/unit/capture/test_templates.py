"""Frames of Jinja2's templates: told by what its compiled code holds, the same wherever an application is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tocsin.capture.exceptions import describe
from tocsin.capture.frames import FrameCache
from tocsin.capture.templates import module_in_file, operation, template_name
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Frame

PAGE = "<ul>\n{% for order in orders %}\n  <li>{{ order.share }}</li>\n{% endfor %}\n</ul>\n"


class Plain:
    """Be an object with attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


def _rewritten(file: str, line: int, name: str = "top-level template code") -> BaseException:
    """Raise as Jinja2 does while it renders: by code made for this one error."""
    code = compile("\n" * (line - 1) + "raise __jinja_exception__", file, "exec").replace(co_name=name)
    space = {"__name__": file, "__file__": file, "__jinja_exception__": ZeroDivisionError("division by zero")}
    try:
        exec(code, space, {})
    except ZeroDivisionError as exc:
        assert exc.__traceback__ is not None
        return exc.with_traceback(exc.__traceback__.tb_next)
    raise AssertionError("nothing was raised")


def _called(template: object, function: str = "macro", before: int = 10) -> BaseException:
    """Raise in code compiled of a template, which Python called."""
    space: dict[str, Any] = {"__jinja_template__": template}
    source = "\n" * before + f"def {function}():\n    1 / 0\n"
    exec(compile(source, "/srv/shop/templates/orders/macros.html", "exec"), space)
    try:
        space[function]()
    except ZeroDivisionError as exc:
        assert exc.__traceback__ is not None
        return exc.with_traceback(exc.__traceback__.tb_next)
    raise AssertionError("nothing was raised")


def _frame(exc: BaseException, cache: FrameCache | None = None) -> Frame:
    [frame] = describe(exc, FrameCache(Scrubber()) if cache is None else cache).frames
    return frame


def _page(folder: Path) -> str:
    file = folder / "shop" / "templates" / "orders" / "list.html"
    file.parent.mkdir(parents=True)
    file.write_text(PAGE, "utf-8")
    return str(file)


def test_frame_of_a_template_shows_its_line_with_the_tag_that_failed(tmp_path: Path) -> None:
    """Not with the columns of the code that Jinja2 made to raise the exception there."""
    file = _page(tmp_path)
    frame = _frame(_rewritten(file, 3, "block 'content'"))
    assert (frame.module, frame.function) == ("orders/list.html", "block 'content'")
    assert (frame.file, frame.line, frame.source) == (file, 3, "  <li>{{ order.share }}</li>")
    assert frame.source[frame.column : frame.end_column] == "{{ order.share }}"
    assert frame.before == ("<ul>", "{% for order in orders %}")
    assert frame.after == ("{% endfor %}", "</ul>", "")
    assert frame.operation == "{{ order.share }}"
    assert frame.in_app
    assert frame.fragment


def test_what_identifies_a_template_is_the_same_in_every_checkout(tmp_path: Path) -> None:
    """Neither module, nor function, nor operation has anything of the path."""
    frames = [_frame(_rewritten(_page(tmp_path / name), 3)) for name in ("releases/41", "releases/42")]
    assert len({frame.file for frame in frames}) == 2
    assert len({(frame.module, frame.function, frame.operation) for frame in frames}) == 1


def test_frames_of_templates_push_no_others_out(tmp_path: Path) -> None:
    """Each error has code of its own; the line it stands for is kept once."""
    file, cache = _page(tmp_path), FrameCache(Scrubber())
    frames = [_frame(_rewritten(file, 3), cache) for _ in range(20)]
    assert len({id(frame) for frame in frames}) == 1
    assert len(cache) == 0
    for line in range(1, limits.CACHED_TEMPLATE_LINES + 100):
        _frame(_rewritten(file, line), cache)
    assert len(cache._templates) == limits.CACHED_TEMPLATE_LINES


def test_macro_called_by_python_shows_the_templates_line() -> None:
    """Its frame runs compiled code, of whose lines the template knows which are whose."""
    file = "/srv/shop/templates/orders/macros.html"
    template = Plain(filename=file, name="orders/macros.html", _debug_info="1=4&2=8&3=12&5=40")
    frame = _frame(_called(template))
    assert (frame.module, frame.function, frame.file, frame.line) == ("orders/macros.html", "template", file, 3)
    assert _frame(_called(template, "root")).function == "top-level template code"
    assert _frame(_called(template, "block_content")).function == "block 'content'"


@pytest.mark.parametrize(
    "lines", ["", "nonsense", "1=2=3&4", "9999999999999=1", "²=1", "1=-4", None, 7, "1=" + "9" * 5_000]
)
def test_lines_that_a_template_does_not_know_are_its_first(lines: object) -> None:
    """A number from a table that isn't one is never taken for a line."""
    frame = _frame(_called(Plain(filename="/t/a.html", name="a.html", _debug_info=lines)))
    assert frame.line in (1, 999_999_999)


def test_hostile_template_is_only_looked_at() -> None:
    """Anybody may put anything under the name by which Jinja2's code is known."""

    def refuse(*_: object) -> Any:
        raise KeyboardInterrupt

    class Hostile:
        __slots__ = ()
        __getattribute__ = __eq__ = __bool__ = __str__ = refuse
        __hash__ = None  # type: ignore[assignment]

    frame = _frame(_called(Hostile()))
    assert (frame.module, frame.line) == ("orders/macros.html", 1)


def test_template_without_a_file_is_the_applications() -> None:
    """From a dict, a database, a text: nothing but its name and line are known."""
    frame = _frame(_rewritten("<template>", 2))
    assert (frame.module, frame.file, frame.line, frame.source) == ("<template>", "<template>", 2, "")
    assert frame.in_app
    assert _frame(_called(Plain(filename="<template>", name="db:order"))).module == "db:order"


def test_template_of_an_installed_package_is_a_librarys_unless_it_is_named() -> None:
    """By its package, as with modules."""
    exc = _rewritten("/venv/lib/python3.11/site-packages/shop/templates/orders/list.html", 2)
    assert not _frame(exc).in_app
    assert _frame(exc, FrameCache(Scrubber(), app_modules=["shop"])).in_app
    assert not _frame(exc, FrameCache(Scrubber(), app_modules=["sho"])).in_app


def test_other_code_is_no_template() -> None:
    """Such as that of a module which has no name."""
    try:
        exec(compile("1 / 0", "/srv/shop/templates/list.py", "exec"), {})
    except ZeroDivisionError as exc:
        assert describe(exc, FrameCache(Scrubber())).frames[-1].module != "list.py"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("/srv/shop/templates/orders/list.html", "orders/list.html"),
        ("/srv/templates/shop/templates/list.html", "list.html"),
        ("/srv/shop/jinja2/orders/list.html", "orders/list.html"),
        (r"C:\shop\templates\orders\list.html", "orders/list.html"),
        ("templates/orders/list.html", "orders/list.html"),
        ("/srv/shop/pages/list.html", "list.html"),
        ("/srv/mytemplates/list.html", "list.html"),
        ("list.html", "list.html"),
        ("<template>", "<template>"),
        ("", ""),
    ],
)
def test_template_is_named_by_its_path_among_the_templates(file: str, name: str) -> None:
    """Or by its file alone, where no folder says where they begin."""
    assert template_name(file) == name


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("  <li class='a'>{{  order.share }}</li>", "{{ order.share }}"),
        ("<a href='{{ url }}'>{% if a %}x{% endif %}", "{{ url }} {% if a %} {% endif %}"),
        ("   order.share(1,   2) }}", "order.share(1, 2) }}"),
        ("", ""),
        ("{{ " + "x" * 10_000, "{{ " + "x" * (limits.NAME_CHARS - 3)),
    ],
)
def test_operation_is_what_the_engine_does_on_the_line(source: str, told: str) -> None:
    """What stands around it is text for a browser, changed by whoever changes the page's looks."""
    assert operation(source) == told


def test_module_of_an_installed_file_is_dotted() -> None:
    """To be compared with `app_modules`."""
    assert module_in_file("/venv/lib/python3.11/site-packages/shop/templates/a.html") == "shop.templates.a.html"
    assert module_in_file(r"C:\venv\Lib\site-packages\shop\a.html") == "shop.a.html"
    assert module_in_file("/srv/shop/a.html") == ""


def test_syntax_error_without_a_file_is_shown_by_its_own_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jinja2's exception has the template's name and source; the frame made for it has neither."""
    monkeypatch.setitem(sys.modules, "jinja2", Plain())
    cls = type("TemplateSyntaxError", (Exception,), {"__module__": "jinja2.exceptions"})
    exc = type("TemplateAssertionError", (cls,), {"__module__": "jinja2.exceptions"})("unexpected")
    exc.__dict__.update(lineno=2, name="cut.html", filename=None, source="<p>\n{{ 1 + }}\n", translated=True)
    place = describe(exc, FrameCache(Scrubber())).place  # nothing was raised: there is no frame of it
    assert place is not None
    assert (place.module, place.file, place.line, place.in_app) == ("cut.html", "cut.html", 2, True)
    assert (place.before, place.source, place.operation) == (("<p>",), "{{ 1 + }}", "{{ 1 + }}")
    exc.with_traceback(_rewritten("<unknown>", 2, "template").__traceback__)
    info = describe(exc, FrameCache(Scrubber()))
    assert (info.frames, info.place) == ((place,), None)  # instead of the frame that stands for it
    for wrong in ({"lineno": "2"}, {"lineno": 0}, {"lineno": -1}):
        exc.__dict__.update(wrong)
        info = describe(exc, FrameCache(Scrubber()))
        assert (len(info.frames), info.place) == (1, None)
    other = ValueError("translated")
    other.__dict__.update(lineno=2, name="cut.html", translated=True)
    assert describe(other, FrameCache(Scrubber())).place is None
