"""The console: colours only for a terminal that wants them, and no text that a stream can't take."""

from __future__ import annotations

import io
import os

import pytest

from tocsin.cli.console import RED, Console
from tocsin.cli.words import size, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "is_coloured"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_terminal_is_coloured_unless_told_otherwise(environ: dict[str, str], is_coloured: bool) -> None:
    console = Console(environ, Terminal(), Terminal())
    assert (console.paint(RED, "x") == "\x1b[1;31mx\x1b[0m") is is_coloured


def test_pipe_gets_plain_text_of_any_width() -> None:
    console = Console({}, io.StringIO(), io.StringIO())
    assert (console.paint(RED, "x"), console.width) == ("x", 0)


@pytest.mark.parametrize(
    ("environ", "is_coloured"),
    [
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ({"FORCE_COLOR": ""}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_pipe_is_coloured_where_that_is_asked_for(environ: dict[str, str], is_coloured: bool) -> None:
    assert Console(environ, io.StringIO(), io.StringIO()).is_coloured is is_coloured


def test_pipe_that_nobody_reads_is_known_before_anything_is_written() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        console = Console({}, out, io.StringIO())
        assert not console.is_abandoned()
        os.close(reading)
        assert console.is_abandoned()
    assert not Console({}, io.StringIO(), io.StringIO()).is_abandoned()


def test_stream_that_can_not_take_a_letter_gets_its_escape() -> None:
    raw = io.BytesIO()
    console = Console({}, io.TextIOWrapper(raw, encoding="ascii"), io.StringIO())
    console.say("37 × é")
    console.flush()
    assert raw.getvalue() == b"37 \\xd7 \\xe9\n"


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (34_000, "34 kB"), (1_234_567, "1.2 MB")]
)
def test_sizes_are_rounded(count: int, shown: str) -> None:
    assert size(count) == shown


def test_columns_align_whatever_the_width_of_letters() -> None:
    assert table([["ID", "N", "X"], ["漢", "10", "y"]], right=(1,)) == ["ID   N  X", "漢  10  y"]
