"""The same occurrence seen by a second way is one event; a second occurrence of the same object is two."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

import tocsin
from tocsin.intake import mark as marks
from tocsin.intake.mark import mark, recall, strength
from tocsin.testing import captured_events


def marked(token: str, *ways: str) -> ValueError:
    exc = ValueError()
    mark(exc, "AAAAAA-2222", "v1:00", strength("error", 40), token, ways)
    return exc


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks.time, "monotonic", lambda: 1e12)


def test_a_second_way_in_finds_what_it_was_captured_as(monkeypatch: pytest.MonkeyPatch) -> None:
    exc = marked("request 1", "flask")
    later(monkeypatch)
    seen = recall(exc, "wsgi", "request 1")
    assert seen is not None
    assert (seen.error_id, seen.fingerprint) == ("AAAAAA-2222", "v1:00")


def test_the_same_way_again_is_a_new_occurrence() -> None:
    exc = marked("request 1", "log:a", "log:b")
    assert recall(exc, "log:a", "request 1") is None
    assert recall(exc, "log:b", "request 1") is None
    assert recall(exc, "log:c", "request 1")


def test_an_exception_of_a_module_raised_in_another_request_is_a_new_occurrence() -> None:
    assert recall(marked("request 1", "wsgi"), "flask", "request 2") is None


def test_where_one_sighting_is_outside_of_requests_the_time_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    in_pool, in_request = marked("", "log"), marked("request 1", "log")
    assert recall(in_pool, "wsgi", "request 1")
    assert recall(in_request, "excepthook", "")
    assert recall(marked("", "log"), "excepthook", "")
    later(monkeypatch)
    assert recall(in_pool, "wsgi", "request 1") is None
    assert recall(in_request, "excepthook", "") is None


def test_a_copied_environ_is_the_same_request_only_in_the_same_thread() -> None:
    exc = marked("request 1", "inner")
    assert recall(exc, "outer", None)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(recall(exc, "outer", None)))
    thread.start()
    thread.join()
    assert found == [None]


def test_an_uncaught_exception_is_more_than_a_logged_one() -> None:
    assert strength("traceback", 40) > strength("error", 50) > strength("error", 40) > strength("warning", 40)


def test_a_class_that_guards_its_attributes_is_marked_past_its_guard() -> None:
    class Guarded(Exception):
        def __setattr__(self, name: str, value: object) -> None:
            raise RuntimeError("hands off")

        def __getattribute__(self, name: str) -> object:
            raise RuntimeError("hands off")

    exc = Guarded()
    mark(exc, "AAAAAA-2222", "v1:00", 0, "t", ("a",))
    assert recall(exc, "b", "t") is not None


@pytest.mark.parametrize("foreign", [None, 7, (), ("a", "b"), (1, 2, 3, 4, 5, 6, 7), "text", (1, "", 0, "t", (), 0, 0)])
def test_a_foreign_mark_is_no_mark(foreign: object) -> None:
    exc = ValueError()
    exc.__tocsin__ = foreign  # type: ignore[attr-defined]
    assert recall(exc, "b", "t") is None


def test_a_dict_of_the_applications_own_is_written_past() -> None:
    """An exception may have been given one, whose methods are foreign code."""

    class Refusing(dict):
        def __setitem__(self, name: object, value: object) -> None:
            raise RuntimeError(name)

    exc = ValueError("x")
    exc.__dict__ = Refusing()
    mark(exc, "AAAAAA-2222", "v1:0", 1, "", ("logging",))
    seen = recall(exc, "wsgi", "")
    assert seen is not None and seen.error_id == "AAAAAA-2222"


def _raised(text: str) -> ValueError:
    try:
        raise ValueError(text)
    except ValueError as exc:
        return exc


@pytest.mark.parametrize("shape", ["one", "two", "nested"])
def test_a_group_of_what_was_told_in_the_same_request_is_no_further_event(shape: str) -> None:
    """A task logs what it raises, and its task group raises it again: one event each, shown as nobody caught it."""
    logger = logging.getLogger("shop")
    seen: list[int] = []

    def app(environ: Any, start_response: Any) -> Any:
        members = [_raised("one"), *([] if shape == "one" else [_raised("two")])]
        for number, member in enumerate(members):
            logger.error(f"task {'ab'[number]} failed", exc_info=member)
        seen.append(len(events))
        group = ExceptionGroup("tasks", members)
        raise ExceptionGroup("outer", [group]) if shape == "nested" else group

    handler = tocsin.LogHandler()
    logger.addHandler(handler)
    with captured_events() as events:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.url_scheme": "http"}
        list(events.reporter.wsgi(app)(environ, lambda status, headers: None))
        ids = {event.error_id for event in events}
        assert len(ids) == seen[0] == (1 if shape == "one" else 2)


def test_a_group_with_a_member_that_was_not_told_is_an_event() -> None:
    logger = logging.getLogger("shop")
    told = _raised("told")

    def app(environ: Any, start_response: Any) -> Any:
        logger.error("failed", exc_info=told)
        raise ExceptionGroup("tasks", [told, _raised("not told")])

    logger.addHandler(tocsin.LogHandler())
    with captured_events() as events:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.url_scheme": "http"}
        list(events.reporter.wsgi(app)(environ, lambda status, headers: None))
        assert len({event.error_id for event in events}) == 2
