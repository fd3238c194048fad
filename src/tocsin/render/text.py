"""An event goes in; its whole report leaves as plain text."""

from __future__ import annotations

from datetime import tzinfo

from tocsin.event.model import Event
from tocsin.render import harmless
from tocsin.render.facts import facts, source_lines, table, what
from tocsin.render.lead_up import lead_up_text
from tocsin.render.spots import failing, spot_rows, spots
from tocsin.render.traceback import plain, trace_lines

__all__ = ["event_text", "trace_text"]


def event_text(event: Event, zone: tzinfo | None = None, *, has_all: bool = False) -> str:
    """Return the report of one event, ending in a newline; times in ``zone``, else in the system's own.

    Whatever the event holds, the text encodes to UTF-8 and holds no control character but the newline. With
    ``has_all`` no frame is folded.
    """
    rows = [*spot_rows(spots(event)), *facts(event, zone)]
    if event.error_id:
        rows.append(("Error id", harmless.line(event.error_id)))
    parts = [what(event), "\n".join(table((label, value) for label, value in rows if value))]
    return "\n\n".join([*parts, *lead_up_text(event), *trace_text(event, has_all=has_all)]) + "\n"


def trace_text(event: Event, *, has_all: bool = False) -> list[str]:
    """Return the blocks that show code: the traceback, and the lines around the one that failed."""
    if event.exception is None:
        return []
    lines = trace_lines(event, has_all=has_all)
    blocks = ["\n".join(plain(lines))] if lines else []
    frame = failing(event.exception)
    around = source_lines(frame) if frame is not None else []
    if frame is not None and around:
        columns = len(str(around[-1][0]))
        shown = (f"{'>' if hit else ' '} {number:>{columns}}  {text}".rstrip() for number, text, hit in around)
        blocks.append(f"{harmless.line(frame.file)}, around line {frame.line}:\n\n" + "\n".join(shown))
    return blocks
