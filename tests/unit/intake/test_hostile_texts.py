"""Texts of monstrous size and of any characters, wherever one can reach a report: bounded, and plain JSON."""

from __future__ import annotations

import json
import logging
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

import seeds
import tocsin
from tocsin.event import limits, wire
from tocsin.reporter import Reporter
from witness import bodies

pytestmark = pytest.mark.usefixtures("watchdog")
_HUGE = 100_000_000
_ROOM_BYTES = 6_000_000  # what a report of anything may take for a moment


@pytest.fixture
def reporter(tmp_path: Path) -> Iterator[Reporter]:
    made = tocsin.setup(
        {"application": "shop", "spool": str(tmp_path / "spool"), "delivery": "process", "locals": True}
    )
    yield made
    made.close()


def _record(message: Any, *args: Any, **parts: Any) -> logging.LogRecord:
    record = logging.LogRecord("shop", logging.ERROR, "/srv/shop.py", 7, message, (), None, "pay")
    record.args = args
    record.__dict__.update(parts)
    return record


class Text(str):
    """Be derived from str, as markup is."""

    __slots__ = ()


def _at(name: str, text: str) -> BaseException:
    """Return an exception raised in code of this name and file."""
    code = compile("def f():\n    local = 1\n    raise ValueError", text if name == "file" else "shop.py", "exec")
    space: dict[str, Any] = {"__name__": text if name == "module" else "shop.code"}
    exec(code, space)
    function = space["f"]
    if name == "function":
        function.__code__ = function.__code__.replace(co_name=text, co_qualname=text)
    try:
        function()
    except ValueError as exc:
        return exc
    raise AssertionError


def _noted(text: str) -> BaseException:
    exc = ValueError("noted")
    exc.__notes__ = [text] * 50
    return exc


def _local(text: str) -> BaseException:
    table = {text: text, "list": [text] * 1_000}
    try:
        raise ValueError(len(table))
    except ValueError as exc:
        return exc


def _request(key: str) -> Callable[[Reporter, str], object]:
    def take(reporter: Reporter, text: str) -> object:
        environ: dict[str, Any] = {}
        setup_testing_defaults(environ)
        environ[key] = text
        return reporter.intake.exception(ValueError("x"), via="test", environ=environ)

    return take


WAYS: dict[str, Callable[[Reporter, str], object]] = {
    "message": lambda reporter, text: reporter.report(ValueError(text)),
    "key": lambda reporter, text: reporter.report(KeyError(text)),
    "arguments": lambda reporter, text: reporter.report(ValueError(text, [text], {text: text})),
    "derived text": lambda reporter, text: reporter.report(ValueError(Text(text))),
    "bytes": lambda reporter, text: reporter.report(ValueError(text.encode("utf-8", "replace"))),
    "file name": lambda reporter, text: reporter.report(FileNotFoundError(2, "gone", text)),
    "import": lambda reporter, text: reporter.report(ImportError(text)),
    "syntax": lambda reporter, text: reporter.report(SyntaxError(text, (text, 1, 1, text))),
    "decoding": lambda reporter, text: reporter.report(UnicodeEncodeError("ascii", text, 0, 1, text)),
    "group": lambda reporter, text: reporter.report(ExceptionGroup(text, [ValueError(text)])),
    "notes": lambda reporter, text: reporter.report(_noted(text)),
    "local": lambda reporter, text: reporter.report(_local(text)),
    "class": lambda reporter, text: reporter.report(type("E", (ValueError,), {"__module__": text})("x")),
    "module": lambda reporter, text: reporter.report(_at("module", text)),
    "file": lambda reporter, text: reporter.report(_at("file", text.replace("\0", " "))),
    "function": lambda reporter, text: reporter.report(_at("function", text)),
    "by hand": lambda reporter, text: reporter.report(message=text),
    "fingerprint": lambda reporter, text: reporter.report(message="x", fingerprint=text),
    "field": lambda reporter, text: reporter.report(message="x", field=text, table={text: [text]}),
    "derived field": lambda reporter, text: reporter.report(message="x", field=Text(text)),
    "name of a field": lambda reporter, text: reporter.report(message="x", **{text: 1}),
    "record": lambda reporter, text: reporter.intake.record(_record(text)),
    "derived record": lambda reporter, text: reporter.intake.record(_record(Text(text))),
    "record's argument": lambda reporter, text: reporter.intake.record(_record("%s %r", text, Text(text))),
    "record's extra": lambda reporter, text: reporter.intake.record(_record("x", order=text, **{text: 1})),
    "logger": lambda reporter, text: reporter.intake.record(_record("x", name=text)),
    "place of the call": lambda reporter, text: reporter.intake.record(_record("x", funcName=text, module=text)),
    "thread": lambda reporter, text: _in_thread(reporter, text),
    **{
        key: _request(key)
        for key in (
            *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_HOST", "HTTP_REFERER", "REMOTE_ADDR"),
            *("HTTP_USER_AGENT", "CONTENT_TYPE", "wsgi.url_scheme", "tocsin.route", "tocsin.endpoint", "HTTP_ACCEPT"),
        )
    },
}


def _in_thread(reporter: Reporter, text: str) -> str:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(reporter.report(message="x")), name=text)
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_text_of_a_hundred_megabytes(reporter: Reporter, way: str) -> None:
    """It is cut before anything is made of it: no copy of it is held at any moment."""
    reporter.report(message="first")  # what the first report of a process takes is no part of it
    WAYS[way](reporter, "warm up")
    text = "password=hunter2 " + "x" * _HUGE
    made: list[bytes] = []
    run = WAYS[way]
    if way in ("bytes", "derived text", "derived field", "derived record", "record's argument"):
        run = _prepared(way, text)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        run(reporter, text)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < _ROOM_BYTES
    made = bodies(reporter)
    assert len(made) >= 2
    assert max(map(len, made)) <= limits.EVENT_BYTES
    assert not any(b"hunter2" in body for body in made) or way in ("function", "file", "module")


def _prepared(way: str, text: str) -> Callable[[Reporter, str], object]:
    """Return the way with what it makes of the text made before: the copy is the application's."""
    if way == "bytes":
        raw = text.encode()
        return lambda reporter, _: reporter.report(ValueError(raw))
    derived = Text(text)
    return {
        "derived text": lambda reporter, _: reporter.report(ValueError(derived)),
        "derived field": lambda reporter, _: reporter.report(message="x", field=derived),
        "derived record": lambda reporter, _: reporter.intake.record(_record(derived)),
        "record's argument": lambda reporter, _: reporter.intake.record(_record("%s %r", derived, derived)),
    }[way]


PIECES = (
    *("\ud800", "\udfff", "\udc80", "\0", "\x1b[31m", "\x1b]0;t\x07", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff"),
    *("\r\n", "\n", "\r", "\x85", "\u2028", "\u2029", "é", "漢", "👩🏽\u200d🚀", "e\u0301", "\ufffe", "\U0010ffff"),
    *(
        "%s",
        "%n",
        "{}",
        "{0.x}",
        "$",
        "password=",
        "hunter2",
        "://u:hunter2@h",
        '"',
        "'",
        "\\",
        "<",
        ">",
        "&",
        "\t",
        " ",
    ),
    *("x" * 300, "=?u?q?"),
)


@pytest.mark.parametrize("way", WAYS)
def test_any_characters(reporter: Reporter, way: str) -> None:
    """Every event is ASCII JSON without a raw control character, whatever texts it is made of (drawn at random)."""
    dice = seeds.dice()
    for _ in range(15):
        text = "".join(dice.choices(PIECES, k=dice.randrange(1, 40)))
        WAYS[way](reporter, text)
    assert reporter.stats()["tallies"] == {}
    made = bodies(reporter)
    assert made
    for body in made:
        assert body.isascii()
        assert all(byte >= 32 for byte in body)
        event = wire.decode(body)
        assert json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8")  # no lone surrogate is left
        assert wire.encode(event) == body
