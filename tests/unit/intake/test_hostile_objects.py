"""Objects that note and refuse whatever is asked of them, wherever one can reach a report: nothing is."""

from __future__ import annotations

import logging
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

import tocsin
from tocsin.event.environ import COUNTED, ENDPOINT, ERROR_ID, ROUTE, TOKEN
from tocsin.event.model import Event, Request
from tocsin.handlers import LogHandler
from tocsin.reporter import Reporter
from witness import Refused, asked, events, hostile, objects, safely

pytestmark = pytest.mark.usefixtures("watchdog")

Way = Callable[[Reporter, Any], object]


@pytest.fixture(params=["plain", "locals"])
def reporter(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Reporter]:
    made = tocsin.setup(
        {
            "application": "shop",
            "spool": str(tmp_path / "spool"),
            "delivery": "process",
            "locals": request.param == "locals",
            "ignore": ["shop.errors.Harmless", "shop.quiet"],
            "loggers": {"shop": "WARNING"},
            "client_address": "full",
            "trust_proxy_headers": True,
        }
    )
    yield made
    made.close()


def _raised(exc: Any) -> BaseException:
    try:
        raise exc
    except BaseException as caught:
        return caught


def _with(exc: BaseException, **parts: Any) -> BaseException:
    for name, value in parts.items():
        BaseException.__setattr__(exc, name, value)
    return exc


def _group(one: Any) -> BaseException:
    return ExceptionGroup("several", [ValueError("x"), one if _is_exception(one) else KeyError(one)])


def _is_exception(one: Any) -> bool:
    return issubclass(type(one), BaseException)


def _any_exception(one: Any) -> BaseException:
    return one if _is_exception(one) else ValueError(one)


def _notes(one: Any) -> BaseException:
    exc = ValueError("noted")
    exc.__notes__ = one
    return exc


def _dict_of_its_own(one: Any) -> BaseException:
    exc = ValueError("x")
    exc.__dict__ = hostile(bases=(dict,)) if type(type(one)) is not type and issubclass(type(one), dict) else {"a": one}
    return exc


def _in_globals(one: Any, name: str) -> BaseException:
    space = {"__name__": "shop.code", "__builtins__": __builtins__, name: one}
    function = types.FunctionType(compile("1 / 0", "shop.py", "exec"), space)
    try:
        function()
    except ZeroDivisionError as exc:
        return exc
    raise AssertionError


def _module_of_class(one: Any) -> BaseException:
    return type("Odd", (ValueError,), {"__module__": one})("x")  # type: ignore[no-any-return]


EXCEPTIONS: dict[str, Callable[[Any], BaseException]] = {
    "argument": lambda one: ValueError(one),
    "several arguments": lambda one: ValueError("a", one, [one], {"k": one}, (one,)),
    "key error": lambda one: KeyError(one),
    "os error": lambda one: OSError(2, one, one, None, one),
    "number of an os error": lambda one: _with(OSError(1, "text"), errno=one),
    "import error": lambda one: ImportError(one),
    "syntax error": lambda one: SyntaxError(one, (one, 1, 1, one)),
    "stop": lambda one: StopIteration(one),
    "exit": lambda one: SystemExit(one),
    "attribute error": lambda one: AttributeError("x", name="y", obj=one),
    "itself": _any_exception,
    "cause": lambda one: _with(ValueError("x"), __cause__=_any_exception(one)),
    "context": lambda one: _with(ValueError("x"), __context__=_any_exception(one)),
    "group": _group,
    "notes": _notes,
    "list of notes": lambda one: _notes([one, "a", one]),
    "attribute": lambda one: _with(ValueError("x"), detail=one, __tocsin__=one),
    "dict of attributes": _dict_of_its_own,
    "name of a module": lambda one: _in_globals(one, "__name__"),
    "loader of a module": lambda one: _in_globals(one, "__loader__"),
    "spec of a module": lambda one: _in_globals(one, "__spec__"),
    "module of a class": _module_of_class,
}


@pytest.mark.parametrize("place", EXCEPTIONS)
def test_an_exception_holds_hostile_objects(reporter: Reporter, place: str) -> None:
    """Whatever it was made with, hangs from or leads to, there is one report and nobody was asked."""
    for name, one in objects().items():
        exc = _raised(EXCEPTIONS[place](one))
        before = len(events(reporter))
        asked.clear()
        error_id = reporter.report(exc, fingerprint=f"{place} {name}")
        assert asked == [], (place, name)
        assert error_id, (place, name)
        assert len(events(reporter)) == before + 1
    assert reporter.stats()["tallies"] == {}


@pytest.mark.parametrize("place", EXCEPTIONS)
def test_a_fault_of_hostile_objects_has_an_identity(reporter: Reporter, place: str) -> None:
    """The key, the fingerprint and a second occurrence, which is only looked up, ask nothing either."""
    for name, one in objects().items():
        made = EXCEPTIONS[place](one)
        asked.clear()
        for _ in range(8):
            exc = _raised(made)
            assert reporter.report(exc), (place, name)
            del exc
        assert asked == [], (place, name)
    assert reporter.stats()["tallies"] == {}


REPORTS: dict[str, Way] = {
    "in the exception's place": lambda reporter, one: reporter.report(one),
    "message": lambda reporter, one: reporter.report(message=one),
    "level": lambda reporter, one: reporter.report(message="x", level=one),
    "fingerprint": lambda reporter, one: reporter.report(message="x", fingerprint=one),
    "field": lambda reporter, one: reporter.report(message="x", field=one),
    "sensitive field": lambda reporter, one: reporter.report(message="x", password=one),
    "nested field": lambda reporter, one: reporter.report(message="x", field={"a": [one, (one,)], "password": one}),
    "error_id": lambda reporter, one: reporter.report(message="x", error_id=one),
}


@pytest.mark.parametrize("place", REPORTS)
def test_a_report_by_hand_is_given_hostile_objects(reporter: Reporter, place: str) -> None:
    """Each argument may be anything."""
    for name, one in objects().items():
        before = len(events(reporter))
        asked.clear()
        result = REPORTS[place](reporter, one)
        assert asked == [], (place, name)
        if len(events(reporter)) == before:
            assert result, (place, name)  # known already: counted
    assert reporter.stats()["tallies"] == {}


def test_keys_of_fields_are_hostile(reporter: Reporter) -> None:
    """A dict's keys were hashed by whoever made it; here they are not looked at."""

    class Key:
        def __hash__(self) -> int:
            return 5

        def __getattribute__(self, name: str) -> Any:
            asked.append(name)
            raise Refused(name)

        __eq__ = __str__ = __repr__ = __bool__ = __getattribute__  # type: ignore[assignment]

    class Text(str):
        __slots__ = ()

        def __getattribute__(self, name: str) -> Any:
            asked.append(name)
            raise Refused(name)

        __str__ = __repr__ = lower = __len__ = __getitem__ = replace = __getattribute__  # type: ignore[assignment]

    asked.clear()
    assert reporter.report(message="x", table={Key(): 1, Text("password"): "hunter2", Text("b"): 2})
    record = _record("x %(a)s")
    record.args = {Key(): 1, "a": 2}
    assert reporter.intake.record(record)
    assert asked == []
    assert "hunter2" not in str(events(reporter))


def _record(message: Any = "could not pay", **parts: Any) -> logging.LogRecord:
    record = logging.LogRecord("shop", logging.ERROR, "/srv/shop.py", 7, message, (), None, "pay")
    record.__dict__.update(parts)
    return record


RECORDS: dict[str, Callable[[Any], logging.LogRecord]] = {
    "message": lambda one: _record(one),
    "argument": lambda one: _record("%s", args=(one,)),
    "argument by repr": lambda one: _record("%r %s", args=(one, [one])),
    "number": lambda one: _record("%d %5.2f", args=(one, one)),
    "named argument": lambda one: _record("%(a)s %(password)s", args={"a": one, "password": one}),
    "too many arguments": lambda one: _record("%s", args=(one, one)),
    "arguments": lambda one: _record("%s", args=one),
    "extra": lambda one: _record(order=one, password=one, table={"k": one}),
    "status": lambda one: _record(status_code=one),
    "request": lambda one: _record(request=one),
    "error id": lambda one: _record(error_id=one),
    "fingerprint": lambda one: _record(tocsin_fingerprint=one),
    "mark": lambda one: _record(tocsin_skip=one),
    "function": lambda one: _record(funcName=one),
    "module": lambda one: _record(module=one),
    "line": lambda one: _record(lineno=one),
    "level name": lambda one: _record(levelname=one),
    "level": lambda one: _record(levelno=one),
    "logger": lambda one: _record(name=one),
    "exception": lambda one: _record(exc_info=one),
    "exception of three": lambda one: _record(exc_info=(ValueError, one, None)),
    "text of the exception": lambda one: _record(exc_text=one, stack_info=one),
}


@pytest.mark.parametrize("place", RECORDS)
def test_a_record_of_logging_holds_hostile_objects(reporter: Reporter, place: str) -> None:
    """`logging` would format them; tocsin does not."""
    handler = LogHandler()
    for name, one in objects().items():
        record = RECORDS[place](one)
        asked.clear()
        handler.handle(record)
        assert asked == [], (place, name)
    if place != "level":  # what is no number is below any level
        assert reporter.stats()["captured"] + reporter.stats()["counted"] >= len(objects()) - 6
    assert reporter.stats()["tallies"] == {}


ENVIRON = (
    *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "HTTP_HOST"),
    *("CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_USER_AGENT", "HTTP_REFERER", "HTTP_ACCEPT", "REMOTE_ADDR"),
    *("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "wsgi.url_scheme", "wsgi.input", "wsgi.errors", "wsgi.file_wrapper"),
    *("werkzeug.request", "django.request", ERROR_ID, TOKEN, ROUTE, ENDPOINT, COUNTED, "tocsin.fresh"),
)


@pytest.mark.parametrize("key", ENVIRON)
def test_a_request_holds_hostile_objects(reporter: Reporter, key: str) -> None:
    """An environ is any dict, and its values are the server's and the middlewares'. The visitor gets the page."""
    answers: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        answers.append(status)

    def broken(environ: dict[str, Any], start: Any) -> Any:
        raise hostile("broken", bases=(ValueError,))

    def refusing(environ: dict[str, Any], start: Any) -> Any:
        start("400 Bad Request", [])
        return [b""]

    for name, one in objects().items():
        for app in (broken, refusing):
            environ: dict[str, Any] = {}
            setup_testing_defaults(environ)
            environ[key] = one
            asked.clear()
            body, escaped = safely(_answer, reporter.wsgi(app), environ, start_response)
            assert not escaped, (key, name)
            assert asked == [], (key, name)
            assert b"The server met an error" in body or app is refusing or (key, name) == ("REQUEST_METHOD", "str"), (
                name
            )
        assert answers[-2:] == ["500 Internal Server Error", "400 Bad Request"], (key, name)
    assert reporter.stats()["tallies"] == {}


def _answer(app: Any, environ: dict[str, Any], start_response: Any) -> bytes:
    return b"".join(app(environ, start_response))


def test_an_exception_in_a_thread_is_reported_by_what_is_handled(reporter: Reporter) -> None:
    """`report()` without arguments takes the exception being handled, in any thread."""
    found: list[str] = []

    def work() -> None:
        local = hostile()  # noqa: F841 - what locals would show
        try:
            raise hostile("broken", bases=(ValueError,))
        except ValueError:
            found.append(reporter.report())

    asked.clear()
    thread = threading.Thread(target=work, name="worker \x1b[31m\u202e\ud800")
    thread.start()
    thread.join()
    assert found[0]
    assert asked == []
    assert len(events(reporter)) == 1


@pytest.mark.complaints
def test_a_capture_that_fails_tells_of_hostile_exceptions_too(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least report has type and place, taken past whatever the class defines."""
    monkeypatch.setattr("tocsin.intake.compose.describe", lambda *_: 1 / 0)
    asked.clear()
    assert reporter.report(_raised(hostile("x", bases=(ValueError,))))
    (event,) = events(reporter)
    assert event.exception is not None
    assert (event.exception.type, len(event.exception.frames)) == ("shop.models.Hostile", 1)
    assert asked == []


HOOKS: dict[str, Callable[[Any], Callable[[Event], Any]]] = {
    "raises": lambda one: lambda event: _raise(one if _is_exception(one) else ValueError(one)),
    "returns": lambda one: lambda event: one,
    "sets a field": lambda one: lambda event: replace(event, fields={"a": one, "b": [one]}),
    "sets a message": lambda one: lambda event: replace(event, message=one),
    "sets a name": lambda one: lambda event: replace(event, logger=one, thread=one, level=one),
    "sets headers": lambda one: lambda event: replace(event, request=Request("GET", "/", headers={"Accept": one})),
}


def _raise(exc: BaseException) -> None:
    raise exc


@pytest.mark.complaints
@pytest.mark.parametrize("kind", HOOKS)
def test_a_hook_raises_or_returns_hostile_objects(tmp_path: Path, kind: str) -> None:
    """`before_spool` is the application's own; what it makes is not asked, and the event is not lost."""
    for number, (name, one) in enumerate(objects().items()):
        hook = HOOKS[kind](one)
        settings = {"application": "shop", "spool": str(tmp_path / f"spool{number}"), "delivery": "process"}
        reporter = tocsin.setup(settings, before_spool=hook)
        try:
            asked.clear()
            error_id, escaped = safely(reporter.report, message="x")
            assert not escaped, (kind, name)
            assert asked == [], (kind, name)
            assert error_id
            assert len(events(reporter)) == 1, (kind, name)
        finally:
            reporter.close()


def test_the_witness_sees_what_is_asked() -> None:
    """The oracle itself: an object, its class and its metaclass note what is asked of them."""
    asked.clear()
    one = hostile()
    asking = (lambda it: it == 1, lambda it: it.x, lambda it: isinstance(it, int))
    for ask in (repr, str, len, bool, hash, iter, format, *asking):
        with pytest.raises(Refused):
            ask(one)
    for ask in (lambda cls: cls in (int, str), lambda cls: cls in {int, str}, lambda cls: cls.__name__):
        with pytest.raises(Refused):
            ask(type(one))
    assert len(asked) == 13
    assert sum(name.startswith("meta ") for name in asked) == 3
