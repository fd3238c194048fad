"""An exception goes in; the lines of its traceback leave, styled, in the order and look of Python's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, Literal, TypeAlias

from tocsin.event.limits import CHAIN, GROUP_DEPTH
from tocsin.event.model import ExceptionInfo, Frame
from tocsin.render import harmless

__all__ = ["Line", "Style", "plain", "traceback_lines"]

Style: TypeAlias = Literal["heading", "frame", "source", "folded", "detail", "error", "note"]

_CAUSE: Final = "The above exception was the direct cause of the following exception:"
_CONTEXT: Final = "During handling of the above exception, another exception occurred:"
_ALL_LIBRARY_KEPT: Final = 8  # where no frame is the application's own, so many innermost ones are shown


@dataclass(frozen=True, slots=True)
class Line:
    """Hold one harmless line: a ``margin`` (a group's tree), the text, and the marked range within the text.

    ``mark`` is what PEP 657 points at; text and terminal draw carets below it, HTML underlines it.
    """

    style: Style
    text: str
    margin: str = ""
    mark: tuple[int, int] | None = None


def traceback_lines(exception: ExceptionInfo) -> list[Line]:
    """Return the lines of the whole chain, the first cause first, as Python prints it."""
    return list(_chain(exception, 0))


def plain(lines: Sequence[Line]) -> list[str]:
    """Return the lines as text, with a line of carets below each marked range."""
    out = []
    for item in lines:
        out.append((item.margin + item.text).rstrip())
        if item.mark is not None:
            start, end = item.mark
            blank = " " * harmless.width(item.text[:start])
            out.append(item.margin + blank + "^" * max(harmless.width(item.text[start:end]), 1))
    return out


def _chain(exception: ExceptionInfo, depth: int) -> Iterator[Line]:
    """Yield one exception after its causes; ``depth`` is how many groups it lies in."""
    margin = _margin(depth)
    links: list[tuple[ExceptionInfo, str]] = []
    link: ExceptionInfo | None = exception
    joint = ""
    while link is not None and len(links) < CHAIN:
        links.append((link, joint))
        link, joint = (link.cause, _CAUSE) if link.cause is not None else (link.context, _CONTEXT)
    if link is not None:
        yield Line("folded", "[earlier causes left out]", margin)
    for item, after in reversed(links):
        yield from _group(item, depth) if item.members else _single(item, margin)
        if after:
            yield from (Line("heading", text, margin) for text in ("", after, ""))


def _margin(depth: int) -> str:
    return "  " * depth + "| " if depth else ""


def _single(exception: ExceptionInfo, margin: str) -> Iterator[Line]:
    if exception.frames:
        yield Line("heading", "Traceback (most recent call last):", margin)
    for item in (*_frames(exception), *_words(exception)):
        yield replace(item, margin=margin)


def _group(exception: ExceptionInfo, depth: int) -> Iterator[Line]:
    """Yield a group as the tree that Python draws: its own lines, then each member behind a margin."""
    stem = "  " * max(depth, 1)
    if exception.frames:
        heading = "Exception Group Traceback (most recent call last):"
        yield Line("heading", heading, stem + ("| " if depth else "+ "))
    for item in (*_frames(exception), *_words(exception)):
        yield replace(item, margin=stem + "| ")
    if depth >= GROUP_DEPTH:
        yield Line("folded", "[deeper groups left out]", stem + "| ")
        return
    for number, member in enumerate(exception.members, 1):
        corner = "+-+" if number == 1 else "  +"
        yield Line("heading", f"{corner}---------------- {number} ----------------", stem)
        yield from _chain(member, max(depth, 1) + 1)
    if exception.members_omitted:
        yield Line("folded", f"[{exception.members_omitted:,} more left out]", stem + "  | ")
    yield Line("heading", "  +------------------------------------", stem)


def _words(exception: ExceptionInfo) -> Iterator[Line]:
    """Yield the exception's own lines: type and message, then its notes."""
    name = harmless.line(exception.type)
    message = harmless.block(exception.message)
    for text in (f"{name}: {message}" if message else name).split("\n"):
        yield Line("error", text)
    for note in exception.notes:
        for text in harmless.block(note).split("\n"):
            yield Line("note", text)


def _frames(exception: ExceptionInfo) -> Iterator[Line]:
    frames = exception.frames
    # The kept ends of a deep stack are its outer and its inner half.
    half = (len(frames) + 1) // 2 if exception.frames_omitted else len(frames)
    yield from _run(frames[:half], is_innermost=not exception.frames_omitted)
    if exception.frames_omitted:
        yield Line("folded", f"  [{exception.frames_omitted:,} frames left out]")
        yield from _run(frames[half:], is_innermost=True)


def _run(frames: Sequence[Frame], *, is_innermost: bool) -> Iterator[Line]:
    """Yield frames in order, each stretch of library frames folded into one line.

    The innermost frame of all is always shown: it is where the exception was raised.
    """
    shown = 1 if is_innermost else 0
    if not any(frame.in_app for frame in frames):
        shown = min(_ALL_LIBRARY_KEPT, len(frames))
    cut = len(frames) - shown
    for in_app, stretch in groupby(frames[:cut], key=lambda frame: frame.in_app):
        run = list(stretch)
        if in_app:
            for frame in run:
                yield from _frame(frame)
        else:
            yield _folded(run)
    for frame in frames[cut:]:
        yield from _frame(frame)


def _folded(run: Sequence[Frame]) -> Line:
    total = sum(max(frame.repeats, 1) for frame in run)
    names = [harmless.line(f"{frame.module}.{frame.function}", 36) for frame in (run[0], run[-1])]
    through = names[0] if len(run) == 1 else " … ".join(names)
    return Line("folded", f"  [{total:,} library frame{'s' if total > 1 else ''}: {through}]")


def _frame(frame: Frame) -> Iterator[Line]:
    where = f'  File "{harmless.line(frame.file)}", line {frame.line}, in {harmless.line(frame.function)}'
    yield Line("frame", where)
    if frame.source.strip():
        yield _source(frame)
    for name, value in (frame.locals or {}).items():
        yield Line("detail", f"      {harmless.line(name)} = {harmless.line(value)}")
    if frame.repeats > 1:
        more = frame.repeats - 1
        yield Line("folded", f"  [Previous line repeated {more:,} more time{'s' if more > 1 else ''}]")


def _source(frame: Frame) -> Line:
    """Return the failing line without its indent, and which part of it PEP 657 points at."""
    source = frame.source.rstrip().replace("\n", " ")
    indent = len(source) - len(source.lstrip())
    text = "    " + harmless.line(source[indent:])
    if frame.column is None or frame.end_column is None:
        return Line("source", text)
    is_one_line = frame.end_line is None or frame.end_line <= frame.line
    start = max(frame.column, indent)
    end = min(frame.end_column, len(source)) if is_one_line else len(source)
    if start >= end or (start, end) == (indent, len(source)):
        return Line("source", text)  # nothing, or the whole line: no caret says more than none
    before, inside = harmless.line(source[indent:start]), harmless.line(source[start:end])
    return Line("source", text, mark=(4 + len(before), 4 + len(before) + len(inside)))
