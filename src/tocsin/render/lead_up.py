"""An event goes in; what was logged before it leaves as harmless lines, the oldest first, each with its distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.event.limits import LEAD_UP, LEAD_UP_CHARS, NAME_CHARS
from tocsin.event.model import Event, LogLine
from tocsin.render import harmless, when

__all__ = ["Said", "lead_up", "lead_up_heading", "lead_up_text"]

_IN_SECONDS_S: Final = 600.0  # a line further away is told in minutes, hours or days


@dataclass(frozen=True, slots=True)
class Said:
    """Be one line: how far it lies from the event (``-1.204 s``), its level, and ``logger: message``."""

    away: str
    level: str
    text: str


def lead_up(event: Event) -> tuple[Said, ...]:
    """Return the lines that lead up to an event; of more than are shown the latest."""
    return tuple(_said(line, event.timestamp) for line in event.lead_up[-LEAD_UP:])


def lead_up_heading(event: Event) -> str:
    """Return the words above the lines: what they are of, and whether earlier ones are left out."""
    of = "request" if event.request is not None else "task" if event.task is not None else ""
    omitted = len(event.lead_up) - LEAD_UP
    left_out = f"; {omitted:,} earlier ones are left out" if omitted > 0 else ""
    return f"Lead-up{f', logged in the same {of}' if of else ''}{left_out}:"


def lead_up_text(event: Event) -> list[str]:
    """Return the lead-up as a block of text below its heading; nothing where there is none.

    It stands before the traceback: read downwards, it ends where the traceback begins to tell.
    """
    said = lead_up(event)
    return ["\n".join([lead_up_heading(event), "", *_columns(said)])] if said else []


def _columns(said: Sequence[Said]) -> list[str]:
    away, level = (max(map(len, column)) for column in zip(*((s.away, s.level) for s in said), strict=True))
    return [f"{line.away:>{away}}  {line.level:<{level}}  {line.text}".rstrip() for line in said]


def _said(line: LogLine, at: datetime) -> Said:
    message = harmless.line(line.message.strip(), LEAD_UP_CHARS)
    logger = harmless.line(line.logger, NAME_CHARS)
    text = f"{logger}: {message}" if logger else message
    return Said(_away(line.timestamp, at), harmless.line(line.level, 16), text)


def _away(moment: datetime, at: datetime) -> str:
    """Return ``-1.204 s``; with a plus for a line of after the event: other clocks, or a clock set back."""
    distance = moment - at
    seconds = distance.total_seconds()
    sign = "+" if seconds > 0 else "-"
    return f"{sign}{when.span(abs(distance))}" if abs(seconds) >= _IN_SECONDS_S else f"{sign}{abs(seconds):.3f} s"
