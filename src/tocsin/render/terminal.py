"""An event goes in; its report for a terminal leaves, coloured if asked for."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import replace
from datetime import tzinfo
from typing import Final

from tocsin.event.model import Event
from tocsin.render import harmless
from tocsin.render.facts import facts, occasion, source_lines, what
from tocsin.render.lead_up import lead_up_text
from tocsin.render.spots import Spot, failing, spots
from tocsin.render.styled import PLAIN_COLUMNS, Line, carets, cropped
from tocsin.render.traceback import trace_lines

__all__ = ["event_line", "event_terminal"]

# Only the basic colours and no background: the user's own palette decides what is readable.
_BOLD_RED: Final = "1;31"
_RED: Final = "31"
_MARKED: Final = "31;4"  # underlined as well: where letters run from right to left carets stand below others
_YELLOW: Final = "33"
_CYAN: Final = "36"
_BOLD: Final = "1"
_DIM: Final = "2"
_STYLES: Final = {
    "heading": _DIM,
    "folded": _DIM,
    "frame": _CYAN,
    "error": _BOLD_RED,
    "note": _YELLOW,
    "detail": _DIM,
    "source": "",
}
# Links are told as text. An escape sequence for them (OSC 8) would put text of an event within a sequence, no terminal
# says whether it knows it, and where one does not, or a pager cuts it, it is litter; most find a URL by themselves.
_LABEL_COLUMNS: Final = 9
_LEAST_COLUMNS: Final = 40


def event_terminal(
    event: Event, *, is_coloured: bool, width: int = 100, zone: tzinfo | None = None, has_all: bool = False
) -> str:
    """Return the report of one event, ending in a newline.

    Facts are wrapped to ``width`` columns; code is never wrapped, so that it can be copied. Whether colours are
    wanted (a terminal, no ``NO_COLOR``) is the caller's to know. The event itself can't colour anything. With
    ``has_all`` no frame is folded, and each frame's link is told.
    """
    paint = _Paint(is_coloured)
    head = f"{paint(_level_style(event), harmless.line(event.level))} {paint(_BOLD, what(event))}"
    if event.error_id:
        head += f" {paint(_DIM, '(' + harmless.line(event.error_id) + ')')}"
    width = max(width, _LEAST_COLUMNS)
    lines = [head]
    for spot in spots(event):
        lines.extend(_spot(spot, paint, width))
    lines += [*_facts(event, paint, width, zone), *_lead_up(event, paint)]
    if event.exception is not None:
        traceback = trace_lines(event, has_all=has_all)
        lines += [""] if traceback else []
        for item in traceback:
            shown = item if has_all or item.mark is None else cropped(item, max(width, PLAIN_COLUMNS))
            lines.extend(_trace_line(shown, paint))
        lines.extend(_around(event, paint))
    return "\n".join(lines) + "\n"


def event_line(event: Event, *, is_coloured: bool, width: int = 100, zone: tzinfo | None = None) -> str:
    """Return one event in one line of at most ``width`` columns: time, level, error id, what, request or task."""
    paint = _Paint(is_coloured)
    time, level = f"{event.timestamp.astimezone(zone):%H:%M:%S}", harmless.line(event.level, 8)
    error_id = harmless.line(event.error_id or "-")
    doing = occasion(event)
    asked = harmless.shorten(f" · {doing}", 60) if doing else ""
    room = max(width, _LEAST_COLUMNS) - len(time) - len(level) - len(error_id) - 3
    rest = harmless.shorten(what(event) + asked, room)
    return f"{paint(_DIM, time)} {paint(_level_style(event), level)} {paint(_CYAN, error_id)} {rest}"


class _Paint:
    """Wrap text in a colour, or leave it."""

    def __init__(self, is_coloured: bool) -> None:
        self._is_coloured = is_coloured

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._is_coloured and style and text else text


def _level_style(event: Event) -> str:
    return _BOLD_RED if event.levelno >= 40 else _YELLOW


def _spot(spot: Spot, paint: _Paint, width: int) -> Iterator[str]:
    yield from _fact(spot.label, spot.text, paint, width)
    below = " " * (_LABEL_COLUMNS + 3)
    if spot.line is not None:
        yield from _source_line(replace(spot.line, margin=below), paint)
    if spot.url:
        yield below + paint(_DIM, spot.url)


def _facts(event: Event, paint: _Paint, width: int, zone: tzinfo | None) -> Iterator[str]:
    for label, value in facts(event, zone):
        yield from _fact(label, value, paint, width)


def _fact(label: str, value: str, paint: _Paint, width: int) -> Iterator[str]:
    shown = f"{label:<{_LABEL_COLUMNS}}"
    for row in value.split("\n"):
        # Words are kept whole: a cut URL can't be clicked.
        room = width - _LABEL_COLUMNS - 3
        for text in textwrap.wrap(row, room, break_long_words=False, break_on_hyphens=False):
            yield f"  {paint(_DIM, shown)} {text}"
            shown = " " * _LABEL_COLUMNS


def _lead_up(event: Event, paint: _Paint) -> Iterator[str]:
    for block in lead_up_text(event):
        heading, _, *lines = block.split("\n")
        yield from ("", paint(_DIM, heading), *lines)


def _trace_line(item: Line, paint: _Paint) -> Iterator[str]:
    if item.style == "source":
        yield from _source_line(item, paint)
    else:
        yield paint(_STYLES[item.style], (item.margin + item.text).rstrip())


def _source_line(item: Line, paint: _Paint) -> Iterator[str]:
    """Yield a line of source and its carets; coloured, its marked range can be told without them."""
    if item.mark is None:
        yield (item.margin + item.text).rstrip()
        return
    start, end = item.mark
    text = f"{item.margin}{item.text[:start]}{paint(_MARKED, item.text[start:end])}{item.text[end:]}"
    yield text.rstrip()
    yield item.margin + paint(_RED, carets(item))


def _around(event: Event, paint: _Paint) -> Iterator[str]:
    frame = failing(event.exception)
    around = source_lines(frame) if frame is not None else []
    if frame is None or not around:
        return
    yield from ("", paint(_DIM, f"{harmless.line(frame.file)}, around line {frame.line}:"))
    columns = len(str(around[-1][0]))
    for number, text, is_failing in around:
        row = f"{'>' if is_failing else ' '} {number:>{columns}}  {text}".rstrip()
        yield paint(_BOLD if is_failing else "", row)
