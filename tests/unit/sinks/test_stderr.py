"""The stderr sink: readable lines, harmless to a terminal, and never an exception."""

from __future__ import annotations

import errno
import io
import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.event import wire
from tocsin.event.model import Event, ExceptionInfo, Frame, Request
from tocsin.sinks.base import Accepted, Entry, EntrySink, Origin, Refused, SinkContext, Unavailable
from tocsin.sinks.stderr import StderrSink

EVENT = Event(
    kind="traceback",
    level="ERROR",
    levelno=40,
    timestamp=datetime(2026, 11, 22, 3, 41, 7, 5, tzinfo=UTC),
    application="shop",
    message="pay failed",
    exception=ExceptionInfo(
        type="ValueError",
        message="no\x1b[2Jcart\nat all",
        frames=(Frame("shop.views", "pay", "shop/views.py", 12, source="raise ValueError"),),
    ),
    request=Request("POST", "/pay"),
    error_id="7K3QDM-24F2",
    fingerprint="v1:0",
)


def entry(event: Event | None = EVENT, occurrences: int = 1, **members: Any) -> Entry:
    line = wire.encode(event) if event else json.dumps(members).encode()
    return Entry(Origin("p1", 1, offset=1), "traceback", 40, "v1:abc", occurrences, line)


def shown(*entries: Entry, form: str = "line") -> str:
    stream = io.StringIO()
    sink = StderrSink(form, lambda: stream)
    assert isinstance(sink, EntrySink)
    assert sink.deliver(entries) == Accepted("stderr")
    return stream.getvalue()


def test_an_event_is_one_line_that_can_do_nothing_to_a_terminal():
    """When, how bad, which id, what, where, on which request."""
    assert shown(entry()) == (
        "2026-11-22T03:41:07Z ERROR shop 7K3QDM-24F2 ValueError: no\\x1b[2Jcart"
        " in shop.views.pay, shop/views.py:12 on POST /pay\n"
    )


def test_counts_and_losses_are_lines_too():
    """They are no whole events, and say how many they stand for."""
    counted = entry(None, 37, timestamp="2026-11-22T03:41:07.000005Z", level="ERROR", exception={"type": "ValueError"})
    assert shown(counted) == "2026-11-22T03:41:07Z ERROR v1:abc ValueError ×37\n"
    assert shown(entry(None, 2, reason="disk full")) == "ERROR v1:abc disk full ×2\n"
    assert shown(entry(EVENT, 3)).endswith(" ×3\n")


@pytest.mark.parametrize("line", [b"", b"[]", b"\xff", b"5"])
def test_a_line_that_is_no_event_is_shown_by_what_the_entry_knows(line: bytes):
    """Nothing raises."""
    broken = Entry(Origin("p1", 1, offset=1), "warning", 30, "v1:abc", 1, line)
    assert shown(broken) == "WARNING v1:abc warning\n"


def test_text_shows_the_traceback():
    """For containers whose log is all there is."""
    text = shown(entry(), form="text")
    assert 'File "shop/views.py", line 12, in pay' in text
    assert "7K3QDM-24F2" in text
    assert "\x1b" not in text


class Broken(io.StringIO):
    """Raise on write what it was made with."""

    def __init__(self, fault: Exception) -> None:
        super().__init__()
        self.fault = fault

    def write(self, text: str) -> int:
        raise self.fault


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), Refused),
        (OSError(errno.EBADF, os.strerror(errno.EBADF)), Refused),
        (OSError(errno.ENOSPC, "No space left on device"), Unavailable),
        (BlockingIOError(errno.EAGAIN, "again", 5), Unavailable),
        (ValueError("I/O operation on closed file"), Refused),
        (RuntimeError("embedded"), Refused),
    ],
)
def test_a_broken_stderr_is_an_outcome(fault: Exception, expected: type):
    """Never an exception: this is the last resort of everything else."""
    assert isinstance(StderrSink("line", lambda: Broken(fault)).deliver([entry()]), expected)


def test_a_missing_or_closed_stderr_is_refused():
    """Services without a console have none."""
    closed = io.StringIO()
    closed.close()
    assert isinstance(StderrSink("line", lambda: None).deliver([entry()]), Refused)
    assert isinstance(StderrSink("line", lambda: closed).deliver([entry()]), Refused)


def test_it_writes_to_the_processes_own_stderr_not_to_a_replacement(
    monkeypatch: pytest.MonkeyPatch,
):
    """Celery's replacement makes log records of what is written, which would come back as events."""
    own, replaced = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.__stderr__", own)
    monkeypatch.setattr("sys.stderr", replaced)
    sink = StderrSink.from_options(
        {"format": "line", **StderrSink.options_from_url("stderr:")}, SinkContext("shop", "", "")
    )
    sink.deliver([entry()])
    sink.close()
    assert replaced.getvalue() == ""
    assert own.getvalue().count("\n") == 1
    assert sink.identity == "stderr:"
