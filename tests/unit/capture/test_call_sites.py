"""What a log call was written with, where logging is given a text that came formatted."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from logging.handlers import QueueHandler
from pathlib import Path
from types import ModuleType

import pytest

from tocsin.capture import records
from tocsin.capture.call_sites import CallSites
from tocsin.capture.piece import Piece
from tocsin.event import limits

SOURCE = """
import logging

log = logging.getLogger("sites")


def plain(x):
    log.error("order %s failed", x)

def formatted(x):
    log.error(f"order {x} of {x!r:>9} failed")

def joined(x):
    log.error("order " + str(x) + " failed")

def filled(x):
    log.error("order %s failed" % x)

def braces(x):
    log.error("order {} failed".format(x))

def wide(x):
    log.log(
        logging.ERROR,
        f"order {x} "
        f"failed",
    )

def named(x):
    log.error(msg=f"order {x} failed")

def twice(x):
    log.error(f"a {x}"); log.error(f"b {x}")

def variable(x):
    text = f"order {x} failed"
    log.error(text)

def tell(text):
    log.error(text)

def tell_on(level, text):
    return tell(text)

def told(x):
    tell(f"order {x} was told")

def told_on(x):
    tell_on(3, text="order %s" % x)

def told_plain(x):
    tell("no disk left")

class Shop:
    def tell(self, text):
        log.error(text)

    def told(self, x):
        self.tell(f"shop {x}")
"""


@pytest.fixture
def shop(tmp_path: Path) -> ModuleType:
    file = tmp_path / "shop.py"
    file.write_text(SOURCE, encoding="utf-8")
    module = ModuleType("shop")
    exec(compile(SOURCE, str(file), "exec"), vars(module))
    return module


def pieces(call: Callable[[], object]) -> list[Piece]:
    """Return what comes of the log calls within ``call``, read while they are under way."""
    found: list[Piece] = []
    sites = CallSites()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(sites.read(record, records.read(record)))

    logger, handler = logging.getLogger("sites"), Handler()
    logger.addHandler(handler)
    try:
        call()
        call()
    finally:
        logger.removeHandler(handler)
    return found


@pytest.mark.parametrize(
    ("function", "template"),
    [
        ("plain", "order %s failed"),
        ("formatted", "order {} of {} failed"),
        ("joined", "order {} failed"),
        ("filled", "order %s failed"),
        ("braces", "order {} failed"),
        ("wide", "order {} failed"),
        ("named", "order {} failed"),
    ],
)
def test_template_is_what_was_written(shop: ModuleType, function: str, template: str) -> None:
    """However it was put together."""
    first, second = pieces(lambda: getattr(shop, function)("amber"))
    assert first.template == second.template == template
    assert first.message != template
    assert not first.is_formatted


@pytest.mark.parametrize("function", ["twice", "variable"])
def test_what_can_not_be_told_stays_as_it_is(shop: ModuleType, function: str) -> None:
    """Two calls in a line, a text that was made elsewhere: the message itself is all there is."""
    for piece in pieces(lambda: getattr(shop, function)("amber")):
        assert piece.template == piece.message
        assert piece.is_formatted


@pytest.mark.parametrize(
    ("call", "template", "place"),
    [
        (lambda shop: shop.told("x"), "order {} was told", "shop.told"),
        (lambda shop: shop.told_on("x"), "order %s", "shop.told_on"),
        (lambda shop: shop.told_plain("x"), "no disk left", "shop.told_plain"),
        (lambda shop: shop.Shop().told("x"), "shop {}", "shop.Shop.told"),
    ],
)
def test_function_that_logs_what_it_is_given_is_no_place_of_a_fault(
    shop: ModuleType, call: Callable[[ModuleType], object], template: str, place: str
) -> None:
    """Its callers are, through as many of them as only hand it on."""
    vars(shop)["__name__"] = "shop"
    for piece in pieces(lambda: call(shop)):
        assert piece.template == template
        assert piece.location.rpartition(":")[0] == place


def test_record_that_comes_later_or_from_elsewhere_stays_as_it_is(shop: ModuleType) -> None:
    """A queue's listener reads it in another thread: nobody is on the stack."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue()
    logger, handler = logging.getLogger("sites"), QueueHandler(waiting)
    logger.addHandler(handler)
    try:
        shop.told("x")
    finally:
        logger.removeHandler(handler)
    record = waiting.get_nowait()
    piece = records.read(record)
    assert CallSites().read(record, piece) is piece


@pytest.mark.parametrize(
    ("file", "line"), [("/nowhere.py", 3), (None, 3), ("x" * 99_999, 1), (__file__, -1), (__file__, "3")]
)
def test_record_made_by_hand_is_no_failure(file: object, line: object) -> None:
    """It may have anything as its place."""
    record = logging.LogRecord("shop", logging.ERROR, file, line, "order 5", (), None)  # type: ignore[arg-type]
    piece = records.read(record)
    assert CallSites().read(record, piece) is piece


def test_calls_are_kept_within_bounds(shop: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least recently added goes."""
    monkeypatch.setattr(limits, "CACHED_CALL_SITES", 2)
    sites = CallSites()
    file = shop.plain.__code__.co_filename
    for line in range(1, 30):
        record = logging.LogRecord("shop", logging.ERROR, file, line, "order 5", (), None)
        sites.read(record, records.read(record))
    assert len(sites._known) <= 2
