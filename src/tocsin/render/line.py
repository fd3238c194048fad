"""An event goes in; where it happened leaves as the end of a one-line report, harmless."""

from __future__ import annotations

from tocsin.event.model import Event
from tocsin.render import harmless
from tocsin.render.facts import where

__all__ = ["times", "whereabouts"]


def whereabouts(event: Event) -> str:
    """Return `` in shop.views.pay, shop/views.py:12 on POST /pay during shop.tasks.send``, as far as it is known."""
    place = where(event)
    request = f" on {event.request.method} {event.request.path}" if event.request is not None else ""
    task = f" during {event.task.name}" if event.task is not None and event.task.name not in ("", place) else ""
    return harmless.line((f" in {place}" if place else "") + request + task)


def times(occurrences: int) -> str:
    """Return `` ×37``; nothing for a single occurrence."""
    return f" ×{occurrences}" if occurrences != 1 else ""
