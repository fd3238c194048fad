"""`watch` and `context` as decorators: of all that a class or a library may have to decorate."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import tocsin
from tocsin.capture.present import PRESENT
from tocsin.event import limits
from tocsin.event.errors import ConfigError
from tocsin.reporter import Reporter

Decorator = Callable[[Any], Any]


@pytest.fixture
def reporter(tmp_path: Path) -> Reporter:
    return tocsin.setup({"application": "shop", "spool": str(tmp_path / "spool"), "delivery": "process"})


@pytest.fixture(params=["watch", "context"])
def decorate(request: pytest.FixtureRequest) -> Decorator:
    return tocsin.watch("part", step=1) if request.param == "watch" else tocsin.context(step=1)


def present() -> Any:
    return PRESENT.get().fields.get("step")


class Waiting:
    """Called, it gives a coroutine."""

    async def __call__(self) -> Any:
        await asyncio.sleep(0)
        return present()


def test_methods_of_every_sort_are_called_as_before(reporter: Reporter, decorate: Decorator) -> None:
    class Cart:
        @decorate
        def plain(self, number: int) -> Any:
            return type(self), number, present()

        @decorate
        @classmethod
        def outside_class(cls, number: int) -> Any:
            return cls, number, present()

        @classmethod
        @decorate
        def inside_class(cls, number: int) -> Any:
            return cls, number, present()

        @decorate
        @staticmethod
        def outside_static(number: int) -> Any:
            return Cart, number, present()

        @staticmethod
        @decorate
        def inside_static(number: int) -> Any:
            return Cart, number, present()

    cart = Cart()
    for method in (cart.plain, cart.outside_class, cart.inside_class, cart.outside_static, cart.inside_static):
        assert method(3) == (Cart, 3, 1), method
    for method in (Cart.outside_class, Cart.inside_class, Cart.outside_static, Cart.inside_static):
        assert method(3) == (Cart, 3, 1), method


def test_what_gives_a_coroutine_is_within_for_as_long_as_that_runs(reporter: Reporter, decorate: Decorator) -> None:
    for function in (Waiting(), Waiting().__call__, partial(Waiting().__call__)):
        assert asyncio.run(decorate(function)()) == 1


def test_what_a_coroutine_of_an_object_raises_is_reported(reporter: Reporter) -> None:
    class Failing:
        async def __call__(self) -> None:
            await asyncio.sleep(0)
            raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        asyncio.run(tocsin.watch("part")(Failing())())
    assert reporter.stats()["captured"] == 1


@pytest.mark.parametrize("what", [property(lambda self: 1), 5, "name"])
def test_what_is_no_function_is_refused_where_it_is_decorated(what: Any, decorate: Decorator) -> None:
    with pytest.raises(ConfigError, match=type(what).__name__):
        decorate(what)


def test_a_shared_context_left_elsewhere_time_and_again_keeps_no_more_than_some(reporter: Reporter) -> None:
    """A generator is closed in whatever context the collector, or a framework, runs in."""
    shared = tocsin.context(step=1)

    def items() -> Iterator[int]:
        with shared:
            yield 1

    for _ in range(3 * limits.LATE_CONTEXTS):
        generator = items()
        contextvars.Context().run(next, generator)
        contextvars.Context().run(generator.close)  # type: ignore[attr-defined]
    assert len(shared._tokens) <= limits.LATE_CONTEXTS
    assert present() is None
    with shared:
        assert present() == 1
    assert present() is None
