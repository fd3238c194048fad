"""`sensitive()`: what it marks is hidden in every frame of a traceback, and a call costs nothing."""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import Callable
from typing import Any

import pytest

import tocsin
from tocsin.capture import marked
from tocsin.capture.locals import LocalsReader
from tocsin.event.masking.scrub import Scrubber


@pytest.fixture(autouse=True)
def _veils(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marked, "VEILS", marked.VEILS)


def shown(act: Callable[[], Any]) -> dict[str, dict[str, str]]:
    """Return the variables of each frame that a report of what ``act`` raises shows, by function."""
    try:
        act()
    except ValueError as fault:
        entry = fault.__traceback__
    else:
        raise AssertionError("nothing was raised")
    stops = []
    following = entry
    while following is not None:
        stops.append((following.tb_frame, following.tb_lasti, True))
        following = following.tb_next
    reader = LocalsReader(Scrubber())
    found = reader.read(stops, reader.room(), entry)
    return {stop[0].f_code.co_name: each or {} for stop, each in zip(stops, found, strict=True)}


def around(function: Any) -> Any:
    """Decorate as applications do."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@tocsin.sensitive("card", "pin")
def pay(card: str, amount: int) -> None:
    pin = "4711"
    charge(card, amount, {"pin": pin})


def charge(card: str, amount: int, form: dict[str, str]) -> None:
    raise ValueError(amount)


def test_marked_variables_are_hidden_in_all_frames() -> None:
    """In containers too; the others are shown."""
    found = shown(lambda: pay("4000", 3))
    assert found["pay"] == {"card": "[masked]", "amount": "3", "pin": "[masked]"}
    assert found["charge"]["card"] == "[masked]"
    assert found["charge"]["amount"] == "3"
    assert "4711" not in str(found)
    assert "4000" not in str(found)


def test_decorators_around_it_and_below_it_count_for_nothing() -> None:
    """What `functools.wraps` marks is gone through, and the arguments that wrappers hold are hidden."""

    @tocsin.sensitive("card")
    @around
    @around
    def outer(card: str) -> None:
        raise ValueError

    @around
    @tocsin.sensitive("card")
    def inner(card: str) -> None:
        raise ValueError

    for function in (outer, inner):
        found = shown(lambda function=function: function("4000"))  # type: ignore[misc]
        assert found["wrapper"]["args"] == "[masked]"
        assert "4000" not in str(found)


@pytest.mark.parametrize("bare", [tocsin.sensitive, tocsin.sensitive()])
def test_without_names_all_of_it_and_what_it_calls_is_hidden(bare: Any) -> None:
    """As Django's decorator does."""

    @bare
    def whole(card: str) -> None:
        deeper = card + "x"
        charge(deeper, 1, {})

    found = shown(lambda: whole("4000"))
    assert set(found["whole"].values()) | set(found["charge"].values()) == {"[masked]", "{}"} - (
        {"{}"} if found["charge"]["form"] != "{}" else set()
    )
    assert "4000" not in str(found)


def test_coroutines_generators_methods_and_properties_are_marked_too() -> None:
    """By their code, which each frame of them has."""

    class Till:
        @tocsin.sensitive("card")
        async def pay(self, card: str) -> None:
            await asyncio.sleep(0)
            raise ValueError

        @tocsin.sensitive("card")
        @classmethod
        def of(cls, card: str) -> None:
            raise ValueError

        @tocsin.sensitive("card")
        def cards(self, card: str) -> Any:
            yield 1
            raise ValueError

        @tocsin.sensitive("card")
        @property
        def last(self) -> None:
            card = "4000"
            raise ValueError(len(card))

    acts: list[Callable[[], Any]] = [
        lambda: asyncio.run(Till().pay("4000")),
        lambda: Till.of("4000"),
        lambda: list(Till().cards("4000")),
        lambda: Till().last,
    ]
    for act in acts:
        found = shown(act)
        assert "4000" not in str(found)
        assert any("[masked]" in each.values() for each in found.values())


def test_the_function_is_left_as_it_is() -> None:
    """No wrapper, so no frame and no cost; two marks on one function add up."""

    def plain(a: str, b: str) -> None:
        raise ValueError

    assert tocsin.sensitive("a")(tocsin.sensitive("b")(plain)) is plain
    assert shown(lambda: plain("4000", "4000"))["plain"] == {"a": "[masked]", "b": "[masked]"}


def test_what_is_no_function_is_refused() -> None:
    """At once, where it is written."""
    with pytest.raises(TypeError, match="not type"):
        tocsin.sensitive("a")(dict)
    with pytest.raises(TypeError, match="names of variables"):
        tocsin.sensitive("a b")


def test_a_function_that_is_gone_leaves_nothing() -> None:
    """Code that is made again and again fills no table."""
    before = len(marked._marked)
    for number in range(50):
        space: dict[str, Any] = {"sensitive": tocsin.sensitive}
        exec(f"@sensitive('a')\ndef f(a):\n    return {number}", space)
        del space
    gc.collect()
    assert len(marked._marked) <= before + 1


def test_without_names_what_decorators_hold_of_a_call_is_hidden_too() -> None:
    """They have the same values, one frame further out."""

    @tocsin.sensitive()
    @around
    def pay(card: str) -> None:
        raise ValueError("declined")

    found = shown(lambda: pay("4711"))
    assert found["wrapper"]["args"] == found["wrapper"]["kwargs"] == "[masked]"
    assert "4711" not in str(found)


def test_what_a_statement_is_given_is_hidden_of_a_drivers_frame() -> None:
    """As it is in a message's ``[parameters: …]``."""

    def execute(statement: str, parameters: tuple[object, ...]) -> None:
        raise ValueError(statement)

    assert shown(lambda: execute("SELECT ?", ("swordfish",)))["execute"] == {
        "statement": "'SELECT ?'",
        "parameters": "[masked: parameters]",
    }
