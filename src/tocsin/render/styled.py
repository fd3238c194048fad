"""Text and what is special in it go in; one line of a report leaves, to be drawn by each form in its own way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from tocsin.render import harmless

__all__ = ["PLAIN_COLUMNS", "Line", "Style", "carets", "cropped", "plain"]

Style: TypeAlias = Literal["heading", "frame", "source", "folded", "detail", "error", "note"]

PLAIN_COLUMNS: Final = 160
_BEFORE_MARK: Final = 3  # parts of a cropped line's columns: so much of it stands before the marked range, at most


@dataclass(frozen=True, slots=True)
class Line:
    """Hold one harmless line: a ``margin`` (a group's tree), the text, and the marked range within the text.

    ``mark`` is what PEP 657 points at; text and terminal draw carets below it, HTML underlines it. ``url`` is where the
    range ``linked`` leads, for forms that have links; it is safe (see `render.links`). ``hidden`` is what a folded line
    stands for, for forms that can unfold it.
    """

    style: Style
    text: str
    margin: str = ""
    mark: tuple[int, int] | None = None
    url: str = ""
    linked: tuple[int, int] = (0, 0)
    hidden: tuple[str, ...] = ()


def plain(lines: Iterable[Line]) -> list[str]:
    """Return the lines as text, with a line of carets below each marked range.

    A line with carets that is too long for any reader is cropped: where it wraps, carets stand below something else.
    """
    out = []
    for item in lines:
        if item.mark is not None:
            item = cropped(item, PLAIN_COLUMNS)  # noqa: PLW2901
        out.append((item.margin + item.text).rstrip())
        out += [item.margin + carets(item)] if item.mark is not None else []
    return out


def carets(item: Line) -> str:
    """Return carets below a line's marked range, by the columns that a terminal shows; nothing where none is."""
    if item.mark is None:
        return ""
    start, end = item.mark
    return " " * harmless.width(item.text[:start]) + "^" * max(harmless.width(item.text[start:end]), 1)


def cropped(item: Line, columns: int) -> Line:
    """Return the line within some ``columns`` characters, cut so that the beginning of its marked range is left.

    Its indent stays, but where that fills half of the line.
    """
    text = item.text
    if len(text) <= columns:
        return item
    indent = len(text) - len(text.lstrip(" "))
    indent = indent if indent <= columns // 2 else 0
    room = columns - indent
    start, end = item.mark or (0, 0)
    first = max(start - columns // _BEFORE_MARK, indent) if end > columns else indent
    first = min(first, len(text) - room)  # where little follows, more of what stands before is shown
    shown = text[first : first + room]
    head = text[:indent] + ("…" if first > indent else "")
    tail = "…" if first + room < len(text) else ""
    if item.mark is None:
        return replace(item, text=head + shown + tail)
    moved = len(head) - first
    return replace(item, text=head + shown + tail, mark=(start + moved, min(end + moved, len(head) + len(shown))))
