"""An event goes in; where it broke, and what that goes back to, leaves: what a reader has to see first of all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from tocsin.event.limits import CHAIN, GROUP_DEPTH, NAME_CHARS, PATH_CHARS
from tocsin.event.model import Event, ExceptionInfo, Frame
from tocsin.render import harmless
from tocsin.render.facts import Fact, in_file, innermost, raised_in, where
from tocsin.render.frames import pointed_line, source_line
from tocsin.render.links import safe_url
from tocsin.render.styled import Line, carets, cropped

__all__ = ["Spot", "failing", "spot_rows", "spots"]

_COLUMNS: Final = 88  # of a line of source beside its label; the traceback has it in full
_CHARS: Final = 200
_PLACE_CHARS: Final = NAME_CHARS + PATH_CHARS
_LINKS: Final = 4  # of a chain that are told; of a longer one the next ones and the last, which is its root
_MEMBERS: Final = 6
_VISITED: Final = 64  # exceptions of a group that are looked at


@dataclass(frozen=True, slots=True)
class Spot:
    """Be one place: its label, what it is in words, its line of source, and where that line is in the forge."""

    label: str
    text: str
    line: Line | None = None
    url: str = ""


def spots(event: Event) -> list[Spot]:
    """Return where an event happened, what place the error names, its causes down to the root, a group's members.

    Every text is harmless. Where an error names a place of its own (a template's line, a SyntaxError's), that place's
    line is shown in place of the line of code that came upon it.
    """
    exception = event.exception
    frame = innermost(exception)
    place = exception.place if exception is not None else None
    found = [_spot("Where", harmless.shorten(where(event), _PLACE_CHARS), frame, has_line=place is None)]
    if place is not None:
        line = cropped(pointed_line(place, "  "), _COLUMNS) if place.source.strip() else None
        found.append(Spot("Points to", harmless.shorten(in_file(place), _PLACE_CHARS), line, safe_url(place.url)))
    if exception is not None:
        found += _chain(exception)
        found += _members(exception)
    return [spot for spot in found if spot.text]


def failing(exception: ExceptionInfo | None) -> Frame | None:
    """Return the place whose surroundings are worth showing: the one that the error names, else the innermost frame."""
    place = exception.place if exception is not None else None
    return place if place is not None and (place.before or place.after) else innermost(exception)


def spot_rows(found: Iterable[Spot], *, has_urls: bool = True) -> list[Fact]:
    """Return spots as facts of several lines: the words, the line of source with carets below it, the link."""
    rows = []
    for spot in found:
        value = [spot.text]
        if spot.line is not None:
            value += [spot.line.text, *filter(None, (carets(spot.line),))]
        value += [spot.url] if spot.url and has_urls else []
        rows.append((spot.label, "\n".join(value)))
    return rows


def _spot(label: str, text: str, frame: Frame | None, *, has_line: bool = True) -> Spot:
    if frame is None:
        return Spot(label, text)
    line = cropped(source_line(frame, "  "), _COLUMNS) if has_line and frame.source.strip() else None
    return Spot(label, text, line, safe_url(frame.url))


def _chain(exception: ExceptionInfo) -> Iterator[Spot]:
    links = list(_links(exception))
    for number, (label, cause) in enumerate(links, 1):
        if len(links) > _LINKS and _LINKS - 1 < number < len(links):
            if number == _LINKS:
                yield Spot("", f"… {len(links) - _LINKS:,} more …")
            continue
        is_root = number == len(links)
        spot = _spot(label, _told(cause, "\n"), raised_in(cause), has_line=is_root)
        yield spot if is_root else replace(spot, url="")


def _links(exception: ExceptionInfo) -> Iterator[tuple[str, ExceptionInfo]]:
    """Yield what led to an exception, the nearest first: what it was raised from, or while what was handled."""
    link = exception
    for _ in range(CHAIN):
        label, cause = ("Caused by", link.cause) if link.cause is not None else ("Handling", link.context)
        if cause is None:
            return
        yield label, cause
        link = cause


def _members(exception: ExceptionInfo) -> Iterator[Spot]:
    """Yield the kinds of a group's innermost members, each with how many there are of it."""
    counts: dict[str, int] = {}
    for leaf in islice(_leaves(exception, 0), _VISITED):
        told = _told(leaf)
        counts[told] = counts.get(told, 0) + 1
    omitted = exception.members_omitted
    if not counts:
        return
    kinds = [f"{count:,} × {told}" if count > 1 else told for told, count in islice(counts.items(), _MEMBERS)]
    if len(counts) > _MEMBERS:
        kinds.append(f"and {len(counts) - _MEMBERS:,} kinds more")
    if omitted:
        kinds.append(f"and {omitted:,} more, not kept")
    yield Spot("Members", "\n".join(kinds))


def _leaves(exception: ExceptionInfo, depth: int) -> Iterator[ExceptionInfo]:
    for member in exception.members:
        if member.members and depth < GROUP_DEPTH:
            yield from _leaves(member, depth + 1)
        else:
            yield member


def _told(exception: ExceptionInfo, joint: str = " at ") -> str:
    """Return ``KeyError: 'CHF' at orders.views.pay, shop/orders/views.py:87``, with ``joint`` in its midst."""
    first = exception.message.strip().partition("\n")[0]
    what = harmless.line(f"{exception.type}: {first}" if first else exception.type, _CHARS)
    frame = exception.place if exception.place is not None else raised_in(exception)
    return f"{what}{joint}{harmless.shorten(in_file(frame), _PLACE_CHARS)}" if frame is not None else what
