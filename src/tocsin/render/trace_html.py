"""An event goes in; its traceback leaves as HTML: what PEP 657 points at underlined, a library's frames folded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from tocsin.event.model import Event
from tocsin.render import harmless
from tocsin.render.facts import source_lines
from tocsin.render.spots import Spot, failing
from tocsin.render.styled import Line
from tocsin.render.traceback import trace_lines

__all__ = ["anchor", "spot_html", "trace_html"]

_RULE: Final = re.compile(r"-{16,}")  # of a group's tree; a telephone would break it


def trace_html(event: Event, *, is_brief: bool = False) -> Iterator[str]:
    """Yield a block with the traceback and one with the lines around the one that failed.

    Folded frames are ``<details>``, which most mail readers unfold at a click; those that know no such element show
    what is in it, a short line per frame. Where ``is_brief`` only their number is told.
    """
    if event.exception is None:
        return
    traceback = trace_lines(event)
    if traceback:
        yield '<div class="trace">' + "".join(_parts(traceback, is_brief=is_brief)) + "</div>"
    frame = failing(event.exception)
    around = source_lines(frame) if frame is not None else []
    if frame is not None and around:
        yield f'<p class="dim">{escape(harmless.line(frame.file))}, around line {frame.line}:</p>'
        columns = len(str(around[-1][0]))
        lines = (_source(f"{number:>{columns}}  {text}", is_failing=hit) for number, text, hit in around)
        yield "<pre>" + "\n".join(lines) + "</pre>"


def spot_html(spot: Spot) -> str:
    """Return a spot as a definition: its words, linked where the line can be seen, and the line itself."""
    *above, last = spot.text.split("\n")
    words = "\n".join([*map(escape, above), anchor(escape(last), spot.url)])
    if spot.line is None:
        return f"<dt>{escape(spot.label)}</dt><dd>{words}</dd>"
    return f"<dt>{escape(spot.label)}</dt><dd>{words}<br><code>{_marked(spot.line).strip()}</code></dd>"


def anchor(inner: str, url: str) -> str:
    """Return markup linked to ``url``, which is empty or of `safe_url`."""
    return f'<a href="{escape(url)}">{inner}</a>' if url else inner


def _parts(lines: Sequence[Line], *, is_brief: bool) -> Iterator[str]:
    """Yield runs of lines as preformatted text, parted by what can be unfolded."""
    run: list[str] = []
    for item in lines:
        if not item.hidden or is_brief:
            run.append(_line(item))
            continue
        yield from _pre(run)
        run = []
        hidden = "\n".join(escape(item.margin + text) for text in item.hidden)
        summary = escape(f"{item.margin}{item.text.strip()}")
        yield f'<details><summary>{summary}</summary><pre class="folded">{hidden}</pre></details>'
    yield from _pre(run)


def _pre(run: Sequence[str]) -> Iterator[str]:
    if run:
        yield "<pre>" + "\n".join(run) + "</pre>"


def _source(text: str, *, is_failing: bool) -> str:
    return f"<strong>{escape(text)}</strong>" if is_failing else escape(text)


def _line(item: Line) -> str:
    """Return one line of a traceback, without carets: they would part from their line where it wraps."""
    text = _marked(item)
    if item.url:
        start, end = item.linked
        linked = anchor(escape(item.text[start:end]), item.url)
        text = f"{escape(item.text[:start])}{linked}{escape(item.text[end:])}"
    if item.style == "heading":
        text = _RULE.sub("----", text)
    if item.style in ("error", "folded", "heading", "frame") and item.text:
        text = f'<span class="{item.style}">{text}</span>'
    return escape(item.margin) + text


def _marked(item: Line) -> str:
    if item.mark is None:
        return escape(item.text)
    start, end = item.mark
    inside = escape(item.text[start:end]) or "&nbsp;"  # past the end of the line, where something is missing
    return f"{escape(item.text[:start])}<u>{inside}</u>{escape(item.text[end:])}"
