"""An event or an exception goes in; the lines of its traceback leave, styled, in the order and look of Python's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from tocsin.event.limits import CHAIN, GROUP_DEPTH
from tocsin.event.model import Event, ExceptionInfo
from tocsin.render import harmless
from tocsin.render.facts import what
from tocsin.render.frames import frame_lines, named_place
from tocsin.render.styled import Line, plain

__all__ = ["Line", "plain", "trace_lines", "traceback_lines"]

_CAUSE: Final = "The above exception was the direct cause of the following exception:"
_CONTEXT: Final = "During handling of the above exception, another exception occurred:"


def trace_lines(event: Event, *, has_all: bool = False) -> list[Line]:
    """Return the lines of an event's traceback; none where they only say again what every report begins with.

    That is so of what no frame is left of: a process that vanished.
    """
    if event.exception is None:
        return []
    lines = traceback_lines(event.exception, has_all=has_all)
    return [] if [line.text for line in lines] == [what(event)] else lines


def traceback_lines(exception: ExceptionInfo, *, has_all: bool = False) -> list[Line]:
    """Return the lines of the whole chain, the first cause first, as Python prints it.

    Whoever reads on a terminal sees the end, and whoever reads a mail the beginning: what stands above the traceback
    (`render.spots`) names both the error that came out and its root cause. With ``has_all`` no frame is folded.
    """
    return list(_chain(exception, 0, has_all=has_all))


def _chain(exception: ExceptionInfo, depth: int, *, has_all: bool) -> Iterator[Line]:
    """Yield one exception after its causes; ``depth`` is how many groups it lies in."""
    margin = "  " * depth + "| " if depth else ""
    links: list[tuple[ExceptionInfo, str]] = []
    link: ExceptionInfo | None = exception
    joint = ""
    while link is not None and len(links) < CHAIN:
        links.append((link, joint))
        link, joint = (link.cause, _CAUSE) if link.cause is not None else (link.context, _CONTEXT)
    if link is not None:
        yield Line("folded", "[earlier causes left out]", margin)
    for item, after in reversed(links):
        yield from _group(item, depth, has_all=has_all) if item.members else _single(item, margin, has_all=has_all)
        if after:
            yield from (Line("heading", text, margin) for text in ("", after, ""))


def _single(exception: ExceptionInfo, margin: str, *, has_all: bool) -> Iterator[Line]:
    if exception.frames:
        yield Line("heading", "Traceback (most recent call last):", margin)
    for item in _own(exception, has_all=has_all):
        yield replace(item, margin=margin)


def _group(exception: ExceptionInfo, depth: int, *, has_all: bool) -> Iterator[Line]:
    """Yield a group as the tree that Python draws: its own lines, then each member behind a margin."""
    stem = "  " * max(depth, 1)
    if exception.frames:
        heading = "Exception Group Traceback (most recent call last):"
        yield Line("heading", heading, stem + ("| " if depth else "+ "))
    for item in _own(exception, has_all=has_all):
        yield replace(item, margin=stem + "| ")
    if depth >= GROUP_DEPTH:
        yield Line("folded", "[deeper groups left out]", stem + "| ")
        return
    corner = "+-+"
    for numbers, lines in _members(exception.members, max(depth, 1) + 1, has_all=has_all):
        yield Line("heading", f"{corner}---------------- {numbers} ----------------", stem)
        yield from lines
        corner = "  +"
    if exception.members_omitted:
        yield Line("folded", f"[{exception.members_omitted:,} more left out]", stem + "  | ")
    yield Line("heading", "  +------------------------------------", stem)


def _members(members: Sequence[ExceptionInfo], depth: int, *, has_all: bool) -> Iterator[tuple[str, list[Line]]]:
    """Yield the numbers and the lines of a group's members; those in a row that read the same are told once."""
    told = [list(_chain(member, depth, has_all=has_all)) for member in members]
    for _, same in groupby(enumerate(told, 1), key=lambda item: _without_details(item[1])):
        run = list(same)
        yield _numbers(run[0][0], run[-1][0]), run[0][1]


def _numbers(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} to {last}: {last - first + 1} times the same"


def _without_details(lines: Sequence[Line]) -> list[str]:
    return [line.text for line in lines if line.style != "detail"]


def _own(exception: ExceptionInfo, *, has_all: bool) -> Iterator[Line]:
    """Yield the exception's own lines: frames, the place that it names, type and message, notes."""
    yield from frame_lines(exception.frames, exception.frames_omitted, has_all=has_all)
    if exception.place is not None:
        yield from named_place(exception.place)
    name = harmless.line(exception.type)
    message = harmless.block(exception.message)
    for text in (f"{name}: {message}" if message else name).split("\n"):
        yield Line("error", text)
    for note in exception.notes:
        for text in harmless.block(note).split("\n"):
            yield Line("note", text)
