"""Django's templates in production: the line of each that takes part, read from nodes, and nothing foreign runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tocsin.capture.exceptions import describe
from tocsin.capture.frames import FrameCache
from tocsin.capture.locals import LocalsReader
from tocsin.capture.nodes import rendered_line
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import ExceptionInfo, Frame
from tocsin.event.wire import frame_fragment


def _raised(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


def _info(exc: BaseException) -> ExceptionInfo:
    return describe(exc, FrameCache(Scrubber()))


def _lines(exc: BaseException) -> list[Frame]:
    """Return the frames that stand for lines of templates, outermost first."""
    return [frame for frame in _info(exc).frames if frame.function == "template"]


def _line(exc: BaseException) -> Frame:
    return _lines(exc)[-1]


def _marked(place: Frame) -> str | None:
    return None if place.column is None else place.source[place.column : place.end_column]


class Forbidden(BaseException):
    """Be raised where foreign code ran: no `except Exception` hides it."""


def _refuse(*_: object) -> Any:
    raise Forbidden


_BASE = """
class Node:
    def render_annotated(self, context):
        return self.render(context)

class Template:
    def __init__(self, origin, source, nodes=()):
        self.origin, self.source, self.nodes = origin, source, nodes

    def _render(self, context):
        return [node.render_annotated(context) for node in self.nodes]

    def compile_nodelist(self, fault):
        raise fault
"""


class Plain:
    """Be an object with attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Be Django's module, as far as it is looked at."""
    module = ModuleType("django.template.base")
    exec(compile(_BASE, "/venv/lib/python3.11/site-packages/django/template/base.py", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "django.template.base", module)
    return module


def _node(base: ModuleType, origin: Any, line: Any, contents: Any, fault: BaseException | None = None) -> Any:
    def render(self: Any, context: Any) -> Any:
        if fault is not None:
            raise fault
        return 1 / 0

    node = type("VariableNode", (base.Node,), {"render": render})()
    node.__dict__.update(token=Plain(lineno=line, contents=contents), origin=origin)
    return node


PAGE = "<p>\n{% for order in orders %}\n  <b>{{ order.share }}</b>\n{% endfor %}\n</p>\n"


def _rendering(base: ModuleType, name: str = "orders/list.html", line: Any = 3, **origin: Any) -> BaseException:
    at = Plain(name=f"/srv/shop/templates/{name}", template_name=name, **origin)
    template = base.Template(at, PAGE)
    template.nodes = [_node(base, at, line, "order.share")]
    return _raised(lambda: template._render({}))


def test_rendered_tag_is_a_frame(base: ModuleType) -> None:
    """Of a template error in production: name, file and line, the tag marked, the template's lines around."""
    place = _line(_rendering(base))
    assert (place.module, place.function) == ("orders/list.html", "template")
    assert (place.file, place.line) == ("/srv/shop/templates/orders/list.html", 3)
    assert _marked(place) == "{{ order.share }}"
    assert place.before == ("<p>", "{% for order in orders %}")
    assert place.after == ("{% endfor %}", "</p>", "")
    assert place.operation == "order.share"
    assert place.in_app


def test_each_template_on_the_way_is_a_line_of_its_own(base: ModuleType) -> None:
    """A block of a page is rendered within the page that it extends: the frames around it are another template's."""
    own, other = (
        Plain(name="/t/own.html", template_name="own.html"),
        Plain(name="/t/base.html", template_name="base.html"),
    )
    block = _node(base, own, 2, "order.share")
    parent = base.Template(other, "<html>\n{% block %}\n", [_node(base, other, 2, "block")])
    parent.nodes[0].__class__.render = lambda self, context: block.render_annotated(context)
    child = base.Template(own, "{% extends %}\n{{ order.share }}\n", [_node(base, own, 1, "extends")])
    child.nodes[0].__class__.render = lambda self, context: parent._render(context)
    exc = _raised(lambda: child._render({}))
    assert [(frame.module, frame.line, frame.source) for frame in _lines(exc)] == [
        ("own.html", 1, "{% extends %}"),
        ("base.html", 2, "{% block %}"),
        ("own.html", 2, "{{ order.share }}"),
    ]
    assert rendered_line(exc) == ("/t/own.html", 2)


def test_tags_within_tags_of_one_template_are_one_line(base: ModuleType) -> None:
    """The innermost: a loop and a condition around it are seen in the lines above it."""
    at = Plain(name="/t/a.html", template_name="a.html")
    inner = _node(base, at, 3, "order.share")
    loop = _node(base, at, 2, "for order in orders")
    loop.__class__.render = lambda self, context: inner.render_annotated(context)
    exc = _raised(lambda: base.Template(at, PAGE, [loop])._render({}))
    assert [frame.line for frame in _lines(exc)] == [3]
    assert [frame.function for frame in _info(exc).frames].count("Node.render_annotated") == 1  # the loop's


def test_function_that_a_tag_called_stays_inside_of_it(base: ModuleType) -> None:
    """What failed is the function: the template is on the way to it; variables are still each frame's own."""
    at = Plain(name="/t/a.html", template_name="a.html")

    def share(count: int) -> float:
        return 1 / count

    node = _node(base, at, 3, "order.share")
    node.__class__.render = lambda self, context: share(0)
    exc = _raised(lambda: base.Template(at, PAGE, [node])._render({}))
    frames = describe(exc, FrameCache(Scrubber(), locals=LocalsReader(Scrubber()))).frames
    own = [frame for frame in frames if frame.in_app][-3:]
    assert [frame.function.rpartition(".")[2] for frame in own] == ["template", "<lambda>", "share"]
    assert own[0].locals is None
    assert own[2].locals == {"count": "0"}


def test_lines_of_files_are_kept_and_others_are_not(base: ModuleType) -> None:
    """Texts that are templates for once have one name, and other lines each time."""
    cache = FrameCache(Scrubber())
    for name, share in (("/t/a.html", True), ("<unknown source>", False)):
        at = Plain(name=name, template_name=None)
        for word in ("first", "second"):
            source = f"<p>\n{word} {{{{ order.share }}}}"
            exc = _raised(
                lambda at=at, source=source: base.Template(at, source, [_node(base, at, 2, "order.share")])._render({})
            )
            [frame] = [frame for frame in describe(exc, cache).frames if frame.function == "template"]
        assert frame.source.startswith("first" if share else "second")


def test_tag_that_could_not_be_compiled_is_a_frame(base: ModuleType) -> None:
    """The exception has the token, the template that was compiled knows where it is from."""
    fault = ValueError("Invalid filter: 'nofilter'")
    fault.token = Plain(lineno=3, contents="order.share")  # type: ignore[attr-defined]
    template = base.Template(Plain(name="/t/a.html", template_name="a.html"), PAGE)
    place = _line(_raised(lambda: template.compile_nodelist(fault)))
    assert (place.module, place.line, _marked(place)) == ("a.html", 3, "{{ order.share }}")


def test_file_gives_the_lines_where_no_frame_does(base: ModuleType, tmp_path: Path) -> None:
    """An inclusion may be rendered by a node without the template's own frames."""
    file = tmp_path / "templates" / "part.html"
    file.parent.mkdir()
    file.write_text(PAGE, "utf-8")
    node = _node(base, Plain(name=str(file), template_name=None), 3, "order.share")
    place = _line(_raised(lambda: node.render_annotated({})))
    assert (place.module, place.source) == ("part.html", "  <b>{{ order.share }}</b>")


@pytest.mark.parametrize("line", [0, -1, None, "3", 1 << 40, True])
def test_node_without_a_line_is_left_as_it_is(base: ModuleType, line: object) -> None:
    """Nodes that an application makes by hand have no token; nor do those of a template engine in disguise."""
    assert _lines(_rendering(base, line=line)) == []


def test_template_in_an_installed_package_is_a_librarys(base: ModuleType) -> None:
    """Such as those of Django's admin; one that came from no file is the application's."""
    installed = _rendering(
        base, "../../venv/lib/python3.11/site-packages/django/contrib/admin/templates/admin/base.html"
    )
    assert not _line(installed).in_app
    text = Plain(name="<unknown source>", template_name=None)
    place = _line(_raised(lambda: base.Template(text, PAGE, [_node(base, text, 3, "order.share")])._render({})))
    assert (place.module, place.file, place.in_app) == ("<unknown source>", "<unknown source>", True)
    assert place.source == "  <b>{{ order.share }}</b>"


def test_hostile_nodes_are_only_looked_at(base: ModuleType) -> None:
    """No attribute is asked for, no text of theirs is compared; what isn't there is not made up."""

    class Hostile:
        __slots__ = ("__dict__",)
        __getattribute__ = __eq__ = __bool__ = __str__ = _refuse
        __hash__ = None  # type: ignore[assignment]

    class Dict(dict[str, Any]):
        get = __getitem__ = __contains__ = _refuse

    origin = Hostile()
    object.__setattr__(origin, "name", Hostile())
    node = _node(base, origin, 3, Hostile())
    place = _line(_raised(lambda: node.render_annotated({})))
    assert (place.file, place.module, place.line, place.source) == ("<template>", "<template>", 3, "")
    with_dict = _node(base, Plain(name="a"), 3, "x")
    with_dict.__dict__ = Dict(token=Plain(lineno=3), origin=Plain(name="/t/a.html"))
    assert _line(_raised(lambda: with_dict.render_annotated({}))).file == "/t/a.html"


@pytest.mark.parametrize("tag", ['connect password="correct-horse-8"', 'authenticate("bob", "correct-horse-8")'])
def test_secret_in_a_template_is_masked(base: ModuleType, tag: str) -> None:
    """In the line, in those around it, and in what is recognised by."""
    at = Plain(name="/t/a.html", template_name="a.html")
    source = f'{{% login password="correct-horse-7" %}}\n{{% {tag} %}}\n'
    place = _line(_raised(lambda: base.Template(at, source, [_node(base, at, 2, tag)])._render({})))
    assert "horse" not in frame_fragment(place)
    assert place.operation


def test_without_django_nothing_is_looked_for() -> None:
    """A function may be called as Django's is."""
    space: dict[str, Any] = {"__name__": "shop"}
    exec(_BASE, space)
    node = space["Node"]()
    assert _lines(_raised(lambda: node.render_annotated({}))) == []
    assert rendered_line(_raised(lambda: node.render_annotated({}))) is None


def test_where_a_missing_template_was_looked_for_is_noted() -> None:
    """Django's exception holds it, and its message is the template's name alone."""
    cls = type("TemplateDoesNotExist", (Exception,), {"__module__": "django.template.exceptions"})
    exc, inner = cls("a.html"), cls("a.html")
    inner.tried = [(Plain(name="/srv/a.html"), "Source does not exist"), "no pair", (Plain(), 7)]
    exc.tried, exc.chain = [], [inner, "no exception"]
    assert _info(exc).notes == ("tried /srv/a.html: Source does not exist", "tried : ", "tried : ")
    exc.tried = [(Plain(name="x" * 10_000), "y" * 10_000)] * 1_000
    notes = _info(exc).notes
    assert len(notes) == limits.NOTES
    assert all(len(note) <= limits.NOTE_CHARS for note in notes)
    other = ValueError("a.html")
    other.tried = [(Plain(name="/srv/a.html"), "Source does not exist")]  # type: ignore[attr-defined]
    assert _info(other).notes == ()
