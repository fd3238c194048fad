"""The frames of one exception go in; their lines leave: the application's in full, a library's folded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from tocsin.event.model import Frame
from tocsin.render import harmless
from tocsin.render.links import safe_url
from tocsin.render.styled import Line

__all__ = ["frame_lines", "named_place", "pointed_line", "source_line"]

_ALL_LIBRARY_KEPT: Final = 8  # where no frame is the application's own, so many innermost ones are shown
_LIBRARIES: Final = 4  # named in a folded line
_CYCLE: Final = 6  # frames that call each other in turn
_CYCLES: Final = 3  # so many of their turns are told as one
_HIDDEN: Final = 64  # frames that a folded line stands for, in forms that unfold it
_PACKAGES: Final = re.compile(r"/(?:site|dist)-packages/")


def frame_lines(frames: Sequence[Frame], omitted: int, *, has_all: bool = False) -> Iterator[Line]:
    """Yield the lines of one exception's frames, outermost first; ``omitted`` are missing between the kept ends.

    The innermost frame of all is always shown: it is where the exception was raised. With ``has_all`` nothing is
    folded, and each frame's link is told.
    """
    # The kept ends of a deep stack are its outer and its inner half.
    half = (len(frames) + 1) // 2 if omitted else len(frames)
    yield from _run(frames[:half], is_innermost=not omitted, has_all=has_all)
    if omitted:
        yield Line("folded", f"  [{omitted:,} frames left out]")
        yield from _run(frames[half:], is_innermost=True, has_all=has_all)


def source_line(frame: Frame, indent: str = "    ") -> Line:
    """Return the failing line behind ``indent`` in place of its own, and which part of it PEP 657 points at."""
    source = frame.source.rstrip().replace("\n", " ")
    own_indent = len(source) - len(source.lstrip())
    text = indent + harmless.line(source[own_indent:])
    if frame.column is None or frame.end_column is None:
        return Line("source", text)
    is_one_line = frame.end_line is None or frame.end_line <= frame.line
    start = max(frame.column, own_indent)
    end = min(frame.end_column, len(source)) if is_one_line else len(source)
    if start >= end or (start, end) == (own_indent, len(source)):
        return Line("source", text)  # nothing, or the whole line: no caret says more than none
    return Line("source", text, mark=_mark(source, own_indent, start, end, len(indent)))


def named_place(place: Frame) -> Iterator[Line]:
    """Yield the place that an exception itself names, as Python shows a SyntaxError's, and that it is one."""
    function = f"in {harmless.line(place.function)}, " if place.function else ""
    yield _heading(place, f"{function}which the error points to")
    if place.source.strip():
        yield pointed_line(place)


def pointed_line(place: Frame, indent: str = "    ") -> Line:
    """Return the line of a named place: of a SyntaxError one column may be all there is, even past the line's end."""
    shown = source_line(place, indent)
    source = place.source.rstrip().replace("\n", " ")
    own_indent = len(source) - len(source.lstrip())
    if shown.mark is not None or place.column is None or place.column < own_indent:
        return shown
    if place.end_column is not None and place.end_column > place.column + 1 and place.column < len(source):
        return shown  # the whole line
    start = min(place.column, len(source))
    mark = _mark(source, own_indent, start, start + 1, len(indent))
    return Line("source", shown.text, mark=(mark[0], max(mark[1], mark[0] + 1)))


def _mark(source: str, own_indent: int, start: int, end: int, indent: int) -> tuple[int, int]:
    before, inside = harmless.line(source[own_indent:start]), harmless.line(source[start:end])
    return indent + len(before), indent + len(before) + len(inside)


def _run(frames: Sequence[Frame], *, is_innermost: bool, has_all: bool) -> Iterator[Line]:
    if has_all:
        for frame in frames:
            yield from _frame(frame, has_url=True)
        return
    shown = 1 if is_innermost else 0
    if not any(frame.in_app for frame in frames):
        shown = min(_ALL_LIBRARY_KEPT, len(frames))
    cut = len(frames) - shown
    for turn, times in _turns(frames[:cut]):
        yield from _stretches(turn)
        if times > 1:
            above = f"The {len(turn)} frames above" if len(turn) > 1 else "The frame above"
            yield Line("folded", f"  [{above} repeated {times - 1:,} more times]")
    for frame in frames[cut:]:
        yield from _frame(frame)


def _stretches(frames: Sequence[Frame]) -> Iterator[Line]:
    for in_app, stretch in groupby(frames, key=lambda frame: frame.in_app):
        run = list(stretch)
        if not in_app:
            yield _folded(run)
            continue
        for frame in run:
            yield from _frame(frame)


def _turns(frames: Sequence[Frame]) -> Iterator[tuple[Sequence[Frame], int]]:
    """Yield stretches of frames and how many times in a row each is there: functions may call each other in turn."""
    places = [(frame.file, frame.line, frame.function) for frame in frames]
    start = at = 0
    while at < len(frames):
        size, times = _cycle(places, at)
        if times == 1 or not any(frame.in_app for frame in frames[at : at + size]):
            at += 1
            continue
        if start < at:
            yield frames[start:at], 1
        yield frames[at : at + size], times
        start = at = at + size * times
    if start < at:
        yield frames[start:at], 1


def _cycle(places: Sequence[tuple[str, int, str]], at: int) -> tuple[int, int]:
    """Return the length of the shortest cycle that begins at ``at``, and how many times it is there."""
    for size in range(1, _CYCLE + 1):
        times = 1
        while places[at : at + size] == places[at + size * times : at + size * (times + 1)]:
            times += 1
        if times >= _CYCLES:
            return size, times
    return 1, 1


def _folded(run: Sequence[Frame]) -> Line:
    """Return one line for a stretch of a library's frames: ``… 7 frames in flask, werkzeug``."""
    total = sum(max(frame.repeats, 1) for frame in run)
    names = list(dict.fromkeys(_library(frame) for frame in run))
    listed = ", ".join(names[:_LIBRARIES]) + (" …" if len(names) > _LIBRARIES else "")
    hidden = [_hidden(frame) for frame in run[:_HIDDEN]]
    if len(run) > _HIDDEN:
        hidden.append(f"    and {len(run) - _HIDDEN:,} more")
    text = f"  … {total:,} frame{'s' if total > 1 else ''} in {listed}"
    return Line("folded", text, hidden=tuple(hidden))


def _library(frame: Frame) -> str:
    path = frame.file.replace("\\", "/")
    name = frame.module.partition(".")[0] or path.rpartition("/")[2] or "unnamed code"
    if frame.module and path.endswith(frame.module):  # a template, whose module is its file
        name = _PACKAGES.split(path)[-1].partition("/")[0] if _PACKAGES.search(path) else frame.module
    return harmless.line(name, 36)


def _hidden(frame: Frame) -> str:
    return harmless.line(f"    {frame.file}:{frame.line} {frame.function}", 160)


def _frame(frame: Frame, *, has_url: bool = False) -> Iterator[Line]:
    heading = _heading(frame, f"in {harmless.line(frame.function)}")
    yield heading
    if frame.source.strip():
        yield source_line(frame)
    if has_url and heading.url:
        yield Line("detail", f"    {heading.url}")
    for name, value in (frame.locals or {}).items():
        yield Line("detail", f"      {harmless.line(name)} = {harmless.line(value)}")
    if frame.repeats > 1:
        more = frame.repeats - 1
        yield Line("folded", f"  [Previous line repeated {more:,} more time{'s' if more > 1 else ''}]")


def _heading(frame: Frame, after: str) -> Line:
    where = f'  File "{harmless.line(frame.file)}", line {frame.line}'
    return Line("frame", f"{where}, {after}", url=safe_url(frame.url), linked=(2, len(where)))
