"""Errors in templates, and in modules that can't be parsed, as the event file of a running application has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SHARED = {
    "base.html": "<html>\n{% block content %}{% endblock %}\n</html>\n",
    "missing.html": "<p>\n{% include 'nowhere.html' %}\n</p>\n",
    "outer.html": "<p>\n{% include 'parts/basket.html' %}\n</p>\n",
    "badpart.html": "<p>\n{% include 'syntax.html' %}\n</p>\n",
}
JINJA = {
    **SHARED,
    "page.html": (
        "{% extends 'base.html' %}\n{% from 'orders/macros.html' import total %}\n{% block content %}\n<ul>\n"
        "{% for order in orders %}\n  <li>{{ total(order) }}</li>\n{% endfor %}\n</ul>\n{% endblock %}\n"
    ),
    "orders/macros.html": "{% macro total(order) %}\n  <b>{{ order.share() }}</b>\n{% endmacro %}\n",
    "parts/basket.html": "<b>\n  {{ basket.total }}\n</b>\n",
    "syntax.html": "<p>\n{% if orders %}\n{{ a + }}\n{% endif %}\n",
    "filter.html": "<p>\n{{ a|nofilter }}\n",
}
DJANGO = {
    **SHARED,
    "page.html": (
        "{% extends 'base.html' %}\n{% block content %}\n<ul>\n\n"
        "{% for order in orders %}\n  <li>{{ order.share }}</li>\n{% endfor %}\n</ul>\n{% endblock %}\n"
    ),
    "parts/basket.html": "<b>\n  {{ orders.0.share }}\n</b>\n",
    "syntax.html": "<p>\n{% if orders %}\n{{ a|nofilter }}\n{% endif %}\n",
    "unclosed.html": "<p>\n{% if orders %}\n{{ a }}\n",
}
BROKEN = "def total(order):\n    return sum(order.sums\n\nRATE = 7\n"


def write(folder: Path, templates: Mapping[str, str]) -> None:
    for name, text in templates.items():
        file = folder / "shop" / "templates" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    (folder / "broken.py").write_text(BROKEN, "utf-8")


def run(engine: str, folder: Path, *paths: str) -> list[dict[str, Any]]:
    """Have an application in a process of its own answer requests for these paths; return the events, in order."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN", "DJANGO"))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", str(HERE / "templated_site.py"), engine, str(folder), *paths],
        capture_output=True, text=True, env=environ, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events: list[dict[str, Any]] = json.loads(done.stdout)
    assert [event["request"]["path"] for event in events] == list(paths), done.stderr
    return events


def frames_of(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the frames that stand for lines of templates, outermost first; where there are none, the cause's."""
    info = event["exception"]
    while not (shown := [frame for frame in info["frames"] if not frame["file"].endswith(".py")]) and "cause" in info:
        info = info["cause"]
    return [frame for frame in shown if not frame["file"].startswith("<frozen")]


def templates_of(event: dict[str, Any]) -> list[tuple[str, str, int, str]]:
    """Return what an event tells of templates: name, function, line, and the part that is marked."""
    return [told(frame) for frame in frames_of(event)]


def told(place: Mapping[str, Any]) -> tuple[str, str, int, str]:
    marked = place["source"][place["column"] : place["end_column"]] if "column" in place else ""
    return place["module"], place["function"], place["line"], marked


# -- Flask with Jinja2 -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flask_events(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    pytest.importorskip("flask", reason="no Flask; pip install flask")
    folder = tmp_path_factory.mktemp("flask")
    write(folder, JINJA)
    names = ("page", "outer", "missing", "syntax", "filter", "badpart", "macro-alone", "kept", "cut")
    events = run("flask", folder, *(f"/{name}.html" for name in names), "/module/broken")
    return folder, dict(zip((*names, "module"), events, strict=True))


def test_each_template_that_takes_part_is_a_frame(flask_events: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    """Extending, blocks, loops and macros: the template's line and the tag on it, by the template's own name."""
    folder, events = flask_events
    page = events["page"]
    assert templates_of(page) == [
        ("page.html", "top-level template code", 2, "{% from 'orders/macros.html' import total %}"),
        ("base.html", "top-level template code", 2, ""),  # two tags: which of them is not known
        ("page.html", "block 'content'", 6, "{{ total(order) }}"),
        ("orders/macros.html", "template", 2, "{{ order.share() }}"),
    ]
    block = next(frame for frame in page["exception"]["frames"] if frame["function"] == "block 'content'")
    assert block["file"] == str(folder / "shop/templates/page.html")
    assert block["before"] == ["{% block content %}", "<ul>", "{% for order in orders %}"]
    assert block["in_app"]
    assert "place" not in page["exception"]


@pytest.mark.parametrize(
    ("name", "kind", "innermost"),
    [
        ("outer", "UndefinedError", ("parts/basket.html", "top-level template code", 2, "{{ basket.total }}")),
        ("missing", "TemplateNotFound", ("missing.html", "top-level template code", 2, "{% include 'nowhere.html' %}")),
        ("syntax", "TemplateSyntaxError", ("syntax.html", "template", 3, "{{ a + }}")),
        ("badpart", "TemplateSyntaxError", ("syntax.html", "template", 3, "{{ a + }}")),
        ("filter", "TemplateAssertionError", ("filter.html", "template", 2, "{{ a|nofilter }}")),
        ("macro-alone", "ZeroDivisionError", ("orders/macros.html", "template", 2, "{{ order.share() }}")),
        ("kept", "ZeroDivisionError", ("<template>", "top-level template code", 2, "")),
    ],
)
def test_innermost_template_shows_the_line_that_failed(
    flask_events: tuple[Path, dict[str, dict[str, Any]]], name: str, kind: str, innermost: tuple[str, str, int, str]
) -> None:
    """Whatever Jinja2 raises, at rendering and at compiling, and from a macro that Python calls."""
    event = flask_events[1][name]
    assert event["exception"]["type"].rpartition(".")[2] == kind
    assert templates_of(event)[-1] == innermost
    assert "place" not in event["exception"]


def test_syntax_error_of_a_template_without_a_file_shows_its_line(
    flask_events: tuple[Path, dict[str, dict[str, Any]]],
) -> None:
    """From a dict of templates: what Jinja2's frame doesn't know, its exception does."""
    frame = frames_of(flask_events[1]["cut"])[-1]
    assert told(frame) == ("cut.html", "template", 2, "")
    assert (frame["source"], frame["before"]) == ("{{ 1 +", ["<p>"])
    assert "place" not in flask_events[1]["cut"]["exception"]


def test_module_that_cannot_be_parsed_is_the_place(flask_events: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    """Its file and line are in no frame: it never ran."""
    folder, events = flask_events
    place = events["module"]["exception"]["place"]
    assert (place["file"], place["line"], place["function"]) == (str(folder / "broken.py"), 2, "")
    assert place["source"][place["column"] : place["end_column"]] == "("
    assert (place["before"], place["after"]) == (["def total(order):"], ["", "RATE = 7", ""])
    assert place["in_app"]


def test_another_folder_makes_the_same_fingerprints(
    flask_events: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    """A release in a folder of its own has no new faults; nor have lines above the one that failed."""
    write(tmp_path / "releases/42", {**JINJA, "parts/basket.html": "<!-- new -->\n" + JINJA["parts/basket.html"]})
    names = ("page", "outer", "filter")
    again = run("flask", tmp_path / "releases/42", *(f"/{name}.html" for name in names))
    assert [event["fingerprint"] for event in again] == [flask_events[1][name]["fingerprint"] for name in names]
    assert templates_of(again[1])[-1][2] == 3


# -- Django -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def django_events(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    pytest.importorskip("django", reason="no Django; pip install Django")
    folder = tmp_path_factory.mktemp("django")
    write(folder, DJANGO)
    names = ("page", "outer", "missing", "syntax", "badpart", "unclosed", "text", "unwritten")
    return folder, dict(zip(names, run("django", folder, *(f"/{name}.html" for name in names)), strict=True))


@pytest.mark.parametrize(
    ("name", "kind", "lines"),
    [
        (
            "page",
            "ZeroDivisionError",
            [
                ("page.html", "template", 1, "{% extends 'base.html' %}"),
                ("base.html", "template", 2, "{% block content %}"),
                ("page.html", "template", 6, "{{ order.share }}"),
            ],
        ),
        (
            "outer",
            "ZeroDivisionError",
            [
                ("outer.html", "template", 2, "{% include 'parts/basket.html' %}"),
                ("parts/basket.html", "template", 2, "{{ orders.0.share }}"),
            ],
        ),
        ("missing", "TemplateDoesNotExist", [("missing.html", "template", 2, "{% include 'nowhere.html' %}")]),
        ("syntax", "TemplateSyntaxError", [("syntax.html", "template", 3, "{{ a|nofilter }}")]),
        (
            "badpart",
            "TemplateSyntaxError",
            [
                ("badpart.html", "template", 2, "{% include 'syntax.html' %}"),
                ("syntax.html", "template", 3, "{{ a|nofilter }}"),
            ],
        ),
        ("unclosed", "TemplateSyntaxError", [("unclosed.html", "template", 2, "{% if orders %}")]),
        ("text", "ZeroDivisionError", [("<unknown source>", "template", 2, "{{ order.share }}")]),
    ],
)
def test_templates_are_frames_in_production(
    django_events: tuple[Path, dict[str, dict[str, Any]]],
    name: str,
    kind: str,
    lines: list[tuple[str, str, int, str]],
) -> None:
    """With DEBUG off Django's exceptions know nothing of the template; the traceback's nodes do."""
    event = django_events[1][name]
    assert event["exception"]["type"].rpartition(".")[2] == kind
    assert templates_of(event) == lines


def test_lines_of_the_template_are_around_it(django_events: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    """Of the template that the tag is written in, which another one includes or extends; also of one without a file."""
    folder, events = django_events
    frame = frames_of(events["page"])[-1]
    assert frame["file"] == str(folder / "shop/templates/page.html")
    assert frame["before"] == ["<ul>", "", "{% for order in orders %}"]
    assert frame["after"] == ["{% endfor %}", "</ul>", "{% endblock %}"]
    assert frame["in_app"]
    assert frames_of(events["outer"])[-1]["before"] == ["<b>"]
    text = frames_of(events["text"])[-1]
    assert text["before"] == ["<p>"]
    assert text["source"] == "{% for order in orders %}{{ order.share }}{% endfor %}"
    assert text["in_app"]


def test_two_templates_behind_one_view_are_two_faults(
    django_events: tuple[Path, dict[str, dict[str, Any]]],
) -> None:
    """Their frames are all Django's but for the templates themselves."""
    _, events = django_events
    assert events["syntax"]["fingerprint"] != events["unclosed"]["fingerprint"]
    assert events["syntax"]["fingerprint"] == events["badpart"]["fingerprint"]  # it is mended in one place


def test_missing_template_says_where_it_was_looked_for(django_events: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    """One line for each place that was tried: at the first time, for then Django remembers that it does not exist."""
    folder, events = django_events
    assert events["unwritten"]["exception"]["notes"] == [
        f"tried {folder}/shop/templates/unwritten.html: Source does not exist"
    ]
