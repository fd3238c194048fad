"""Exceptions of monstrous shape: one report each, within the bounds of any other."""

from __future__ import annotations

import json
import logging
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tocsin
from tocsin.event import limits, wire
from tocsin.event.model import Event, ExceptionInfo
from tocsin.handlers import LogHandler
from tocsin.reporter import Reporter
from witness import bodies

pytestmark = pytest.mark.usefixtures("watchdog")
PACKAGE = str(Path(tocsin.__file__).parent)
_HUGE = 100_000_000
_ROOM_BYTES = 6_000_000  # what a report of anything may take for a moment


@pytest.fixture
def reporter(tmp_path: Path) -> Iterator[Reporter]:
    made = tocsin.setup(
        {"application": "shop", "spool": str(tmp_path / "spool"), "delivery": "process", "locals": True}
    )
    yield made
    made.close()


def only(reporter: Reporter) -> Event:
    """Return the one event of the spool, which is within its bounds."""
    (body,) = bodies(reporter)
    assert len(body) <= limits.EVENT_BYTES
    json.loads(body)
    assert reporter.stats()["tallies"] == {}
    return wire.decode(body)


def _described(info: ExceptionInfo | None) -> int:
    if info is None:
        return 0
    return 1 + _described(info.cause) + _described(info.context) + sum(map(_described, info.members))


# -- shapes ------------------------------------------------------------------------------------------------


def _frames(number: int, *, distinct: bool) -> types.TracebackType:
    """Return a traceback of so many entries, made by hand: no stack is that deep."""
    try:
        raise ValueError
    except ValueError as exc:
        assert exc.__traceback__ is not None
        frame, instructions = exc.__traceback__.tb_frame, len(exc.__traceback__.tb_frame.f_code.co_code) // 2
    entry = None
    for at in range(number):
        lasti = 2 * (at % instructions) if distinct else 0
        entry = types.TracebackType(entry, frame, lasti, at % 1_000 + 1)
    assert entry is not None
    return entry


@pytest.mark.parametrize("distinct", [True, False])
def test_a_traceback_of_a_hundred_thousand_frames(reporter: Reporter, distinct: bool) -> None:
    """Both ends are told, and how much lies between."""
    exc = ValueError("deep").with_traceback(_frames(100_000, distinct=distinct))
    assert reporter.report(exc)
    info = only(reporter).exception
    assert info is not None
    assert len(info.frames) <= limits.FRAMES
    assert sum(frame.repeats for frame in info.frames) + info.frames_omitted == 100_000


def test_a_recursion_of_a_hundred_thousand_calls(reporter: Reporter) -> None:
    """A raised recursion limit in a thread with a large stack: the real thing."""
    found: list[str] = []

    def dive(depth: int, local: object) -> None:
        if depth:
            dive(depth - 1, [local])
        raise LookupError("bottom")

    def work() -> None:
        try:
            dive(100_000, None)
        except LookupError as exc:
            found.append(reporter.report(exc))
            while exc.__traceback__ is not None:  # taken apart: freeing it at once would recurse in C
                exc.__traceback__ = exc.__traceback__.tb_next

    limit, size = sys.getrecursionlimit(), threading.stack_size(512 * 1_048_576)
    sys.setrecursionlimit(200_000)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
    assert found[0]
    info = only(reporter).exception
    assert info is not None
    assert sum(frame.repeats for frame in info.frames) + info.frames_omitted == 100_002


@pytest.mark.complaints
@pytest.mark.parametrize("way", ["report", "handler"])
def test_a_report_at_the_end_of_the_stack(reporter: Reporter, way: str) -> None:
    """With any number of calls left, none included, reporting raises nothing; the fault is told once there is room."""
    escaped: dict[str, str] = {}
    handler, record = LogHandler(), _record("deep")

    def dive() -> None:
        try:
            dive()
        except RecursionError as exc:
            try:
                if way == "report":
                    reporter.report(exc)
                else:
                    record.exc_info = (RecursionError, exc, None)
                    handler.handle(record)
            except RecursionError as other:
                entry = other.__traceback__
                while entry is not None:  # without a call, as there is none left
                    code, entry = entry.tb_frame.f_code, entry.tb_next
                    if code.co_filename.startswith(PACKAGE):  # else it was not even called
                        escaped[code.co_name] = code.co_filename
            raise

    with pytest.raises(RecursionError):
        dive()
    assert escaped == {}
    assert bodies(reporter)


def _record(message: Any, *args: Any, **parts: Any) -> logging.LogRecord:
    record = logging.LogRecord("shop", logging.ERROR, "/srv/shop.py", 7, message, (), None, "pay")
    record.args = args
    record.__dict__.update(parts)
    return record


def _chain(number: int, link: str) -> BaseException:
    first = ValueError(0)
    exc: BaseException = first
    for at in range(1, number):
        other = ValueError(at)
        setattr(other, link, exc)
        exc = other
    return exc


def _unchain(exc: BaseException | None) -> None:
    """Take a long chain apart from its head: freed at once it would recurse in C."""
    while exc is not None:
        following = exc.__cause__ or exc.__context__
        exc.__cause__ = exc.__context__ = None
        exc = following


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_a_chain_of_a_hundred_thousand_exceptions(reporter: Reporter, link: str) -> None:
    """As many links as fit are told."""
    exc = _chain(100_000, link)
    assert reporter.report(exc)
    assert _described(only(reporter).exception) <= limits.CHAIN
    _unchain(exc)


def test_chains_and_groups_that_lead_back_to_themselves(reporter: Reporter) -> None:
    """Each exception is told once, whichever way leads to it again."""
    one, two = ValueError(1), KeyError(2)
    group = ExceptionGroup("g", [one, two])
    one.__cause__, two.__context__, group.__cause__ = group, one, two
    one.__context__ = one
    for exc in (one, two, group):
        assert reporter.report(exc)
    for body in bodies(reporter):
        assert _described(wire.decode(body).exception) <= 3


def test_a_group_nested_a_thousand_deep(reporter: Reporter) -> None:
    """The outer ones are told."""
    exc: BaseException = ValueError("leaf")
    for _ in range(1_000):
        exc = BaseExceptionGroup("g", [exc, OSError(5, "io"), ConnectionResetError("x")])
    assert reporter.report(exc)
    assert _described(only(reporter).exception) <= limits.EXCEPTIONS


def test_a_group_of_a_hundred_thousand_members(reporter: Reporter) -> None:
    """The first ones are told, and how many there are."""
    assert reporter.report(ExceptionGroup("g", [ConnectionResetError(n) for n in range(100_000)]))
    info = only(reporter).exception
    assert info is not None
    assert len(info.members) + info.members_omitted == 100_000
    assert "100000 sub-exceptions" in info.message


def test_groups_that_share_their_members(reporter: Reporter) -> None:
    """Two to the power of sixty ways lead to one leaf, a client that went away: all ways would have to be gone."""
    exc: BaseException = type("ClientDisconnect", (Exception,), {"__module__": "starlette.requests"})("leaf")
    for _ in range(60):
        exc = BaseExceptionGroup("g", [exc, exc])
    assert reporter.report(exc)
    assert _described(only(reporter).exception) <= limits.EXCEPTIONS
