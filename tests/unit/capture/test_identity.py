"""`tocsin.fingerprint(exc)`: the same for the same fault, by nothing but the exception."""

from __future__ import annotations

import re

import pytest

import tocsin
from tocsin.testing import captured_events


def broken(text: str) -> int:
    return {"a": 1}[text]


def caught(text: str) -> BaseException:
    with pytest.raises(KeyError) as raised:
        broken(text)
    return raised.value


def test_is_the_same_for_the_same_fault_and_another_for_another() -> None:
    """Whatever the message says."""
    one, other = tocsin.fingerprint(caught("x")), tocsin.fingerprint(caught("y"))
    assert re.fullmatch("v2:[0-9a-f]{32}", one)
    assert one == other
    with pytest.raises(KeyError) as raised:
        {}["z"]
    assert tocsin.fingerprint(raised.value) != one


def test_is_what_a_report_of_it_has() -> None:
    """So a test can say which issue it belongs to."""
    exc = caught("x")
    with captured_events() as events:
        tocsin.report(exc)
    assert [event.fingerprint for event in events] == [tocsin.fingerprint(exc)]


def test_modules_of_the_application_may_be_named() -> None:
    """As in the setting."""
    with pytest.raises(ValueError, match="Expecting") as raised:
        import json

        json.loads("{")
    assert tocsin.fingerprint(raised.value, app_modules=["json"]) != tocsin.fingerprint(raised.value)


def test_an_exception_that_was_never_raised_has_one() -> None:
    """By its type."""
    assert tocsin.fingerprint(KeyError("a")) == tocsin.fingerprint(KeyError("b")) != tocsin.fingerprint(ValueError("a"))


def test_what_is_no_exception_is_refused_by_name() -> None:
    """A class is none."""
    with pytest.raises(TypeError, match="takes an exception, not str"):
        tocsin.fingerprint("x")  # type: ignore[arg-type]
