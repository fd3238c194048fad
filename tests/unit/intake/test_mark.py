"""The same occurrence seen by a second way is one event; a second occurrence of the same object is two."""

from __future__ import annotations

import pytest

from tocsin.intake import mark as marks
from tocsin.intake.mark import mark, recall


def test_a_second_way_in_finds_the_first_error_id() -> None:
    exc = ValueError()
    mark(exc, "AAAAAA-2222", "request 1", "flask")
    assert recall(exc, "request 1", "wsgi", is_request=True) == "AAAAAA-2222"


def test_the_same_way_again_is_a_new_occurrence() -> None:
    exc = ValueError()
    mark(exc, "AAAAAA-2222", "request 1", "log:a")
    assert recall(exc, "request 1", "log:b", is_request=True)
    assert recall(exc, "request 1", "log:a", is_request=True) is None
    assert recall(exc, "request 1", "log:b", is_request=True) is None


def test_an_exception_of_a_module_raised_in_another_request_is_a_new_occurrence() -> None:
    exc = ValueError()
    mark(exc, "AAAAAA-2222", "request 1", "wsgi")
    assert recall(exc, "request 2", "flask", is_request=True) is None


def test_outside_of_requests_the_mark_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    exc = ValueError()
    mark(exc, "AAAAAA-2222", "thread 1", "log")
    assert recall(exc, "thread 1", "excepthook", is_request=False)
    monkeypatch.setattr(marks.time, "monotonic", lambda: 1e12)
    assert recall(exc, "thread 1", "other", is_request=False) is None


def test_a_class_that_guards_its_attributes_is_marked_past_its_guard() -> None:
    class Guarded(Exception):
        def __setattr__(self, name: str, value: object) -> None:
            raise RuntimeError("hands off")

        def __getattribute__(self, name: str) -> object:
            raise RuntimeError("hands off")

    exc = Guarded()
    mark(exc, "AAAAAA-2222", "t", "a")
    assert recall(exc, "t", "b", is_request=True) == "AAAAAA-2222"


@pytest.mark.parametrize("foreign", [None, 7, (), ("a", "b"), (1, 2, 3, 4), "text"])
def test_a_foreign_mark_is_no_mark(foreign: object) -> None:
    exc = ValueError()
    exc.__tocsin__ = foreign  # type: ignore[attr-defined]
    assert recall(exc, "t", "b", is_request=True) is None
