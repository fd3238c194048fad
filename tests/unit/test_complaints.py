"""Our own failures are told once in full, then kept back, without secrets, and never raise."""

from __future__ import annotations

import io
import logging
import os
import sys

import pytest

from tocsin import complaints
from tocsin.complaints import complain


def fault() -> Exception:
    try:
        try:
            raise LookupError("of the application: postgresql://shop:TOPSECRET@db")
        except LookupError:
            raise RuntimeError("ours, with password=hunter2")  # noqa: B904 - a chain, as in an except block
    except RuntimeError as exc:
        return exc


@pytest.mark.complaints
def test_the_first_complaint_is_told_in_full_and_the_rest_are_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(complaints.time, "monotonic", lambda: now)
    for _ in range(5):
        complain("sort", "it failed", fault())
    now += 61
    complain("sort", "it failed", fault())
    said = capsys.readouterr().err
    assert said.count("Traceback") == 1
    assert "it failed (4 more like this kept back)" in said


@pytest.mark.complaints
def test_a_complaint_shows_neither_secrets_nor_the_applications_exception(capsys: pytest.CaptureFixture[str]) -> None:
    complain("sort", "it failed with token=abcdef123", fault())
    said = capsys.readouterr().err
    assert "RuntimeError" in said
    for word in ("TOPSECRET", "hunter2", "abcdef123", "LookupError: of the application"):
        assert word not in said


def test_a_complaint_reaches_the_internal_logger(caplog: pytest.LogCaptureFixture) -> None:
    complain("sort", "it failed")
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("tocsin.internal", "it failed")]


def test_a_broken_handler_or_stderr_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise RuntimeError("foreign")

    handler = Broken()
    logging.getLogger("tocsin.internal").addHandler(handler)
    try:
        complain("sort", "it failed")
        monkeypatch.setattr(sys, "stderr", None)
        complain("other", "it failed")
    finally:
        logging.getLogger("tocsin.internal").removeHandler(handler)


def test_a_stderr_that_raises_whatever_it_likes_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hostile:
        def write(self, text: str) -> None:
            raise RuntimeError("reentrant call")

    monkeypatch.setattr(sys, "stderr", Hostile())
    complain("sort", "it failed")


def test_sorts_are_bounded() -> None:
    for number in range(1_000):
        complain(f"sort {number}", "it failed")
    assert len(complaints._last_told) <= 256


@pytest.mark.skipif(os.name != "posix", reason="for POSIX systems")
def test_a_stderr_that_nobody_reads_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is its buffer's lock, which a fork may have left held."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        for _ in range(40):
            complaints.say("x" * 4_000)
        said = os.read(reader, 1_000_000)
        assert said.startswith(b"tocsin: xxx")
        complaints.say("room again")
        assert os.read(reader, 1_000_000) == b"tocsin: room again\n"
    os.close(reader)


def test_a_stderr_that_is_none_of_the_kernels_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text stream over memory has no descriptor to write to at once."""
    held = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(held))
    complaints.say("heard")
    assert held.getvalue() == b"tocsin: heard\n"
