"""The setting `ignore`: one list for exception classes and loggers."""

from __future__ import annotations

import pytest

from tocsin.config.ignore import Ignore


class Base(Exception):
    pass


class Derived(Base):
    pass


def test_a_class_is_ignored_with_its_subclasses():
    """The path is the defining module's."""
    rules = Ignore([f"{__name__}.Base"])
    assert rules.covers_exception(Derived())
    assert not rules.covers_exception(KeyError())
    assert not Ignore([f"{__name__}.Derived"]).covers_exception(Base())


@pytest.mark.parametrize("name", ["LookupError", "builtins.LookupError"])
def test_builtins_stand_with_or_without_their_module(name: str):
    """Who writes KeyError means KeyError."""
    assert Ignore([name]).covers_exception(KeyError())


def test_a_logger_is_ignored_with_those_below_it():
    """By whole parts of the name."""
    rules = Ignore(["noisy.logger"])
    assert rules.covers_logger("noisy.logger")
    assert rules.covers_logger("noisy.logger.child")
    assert not rules.covers_logger("noisy.loggers")
    assert not rules.covers_logger("noisy")
    assert not Ignore([]).covers_logger("noisy")
