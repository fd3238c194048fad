"""Exceptions that are no report: told by their class once, or by the instance where the class doesn't decide."""

from __future__ import annotations

import pytest

from tocsin.config.ignore import Ignore
from tocsin.event import limits
from tocsin.intake.left_out import LeftOut


class Gone(Exception):
    """Be ignored by the tests' settings."""


class GoneFurther(Gone):
    """Be ignored because its base is."""


def test_a_class_is_asked_about_once() -> None:
    """Also one that is to be reported, which is what a storm is made of."""
    asked: list[type] = []

    class Noting(Ignore):
        __slots__ = ()

        def covers_exception(self, exc: BaseException) -> bool:
            asked.append(type(exc))
            return super().covers_exception(exc)

    left_out = LeftOut(Noting([f"{__name__}.Gone"]))
    for _ in range(3):
        assert left_out.reason(Gone()) == left_out.reason(GoneFurther()) == "ignored"
        assert left_out.reason(ValueError()) is None
    assert asked == [Gone, GoneFurther, ValueError]


def test_an_os_error_is_judged_each_time() -> None:
    """Two of one class: the client's connection, and the database's."""
    left_out = LeftOut(Ignore([]))
    assert left_out.reason(OSError("write error")) == "disconnects"
    assert left_out.reason(OSError("disk quota exceeded")) is None
    assert left_out.reason(OSError("write error")) == "disconnects"


def test_the_memory_is_bounded_and_a_class_that_died_is_not_taken_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SORTED_CLASSES", 4)
    left_out = LeftOut(Ignore([f"{__name__}.Ignored"]))
    for number in range(100):
        name = "Ignored" if number % 2 else "Reported"
        cls = type(name, (Exception,), {})
        assert left_out.reason(cls()) == ("ignored" if number % 2 else None)
        del cls
    assert len(left_out._known) <= 4
