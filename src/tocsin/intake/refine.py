"""Refinements: what was captured goes in; what further occurrences of the same fault key must be told apart by leaves.

The fault key knows code alone. Where the fingerprint looks at more (the view, where only libraries are in the
traceback; the template), occurrences with one key may be of several faults.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, TypeAlias

from tocsin.capture.key import visited
from tocsin.capture.messages import message_of
from tocsin.capture.nodes import rendered_line
from tocsin.capture.piece import Piece
from tocsin.capture.places import named
from tocsin.capture.present import present_of
from tocsin.event.environ import ENDPOINT, ROUTE
from tocsin.event.environ import text as environ_text
from tocsin.event.identity.fingerprint import circumstance
from tocsin.event.identity.wording import normalise
from tocsin.event.model import Event
from tocsin.limiter import Refine

__all__ = ["is_told_by_code", "refinement"]

_TEMPLATE: Final = "template"  # the function of a template's frame, see `capture.nodes`
_Describe: TypeAlias = Callable[[Mapping[str, Any]], None]


def refinement(event: Event, exc: BaseException | None, describe: _Describe) -> Refine | None:
    """Return what tells the faults apart that share the fault key of an event; None where it is of one fault only.

    ``describe`` has frameworks fill in a request's view. What is returned runs no foreign code.
    """
    ways: list[Refine] = []
    if circumstance(event) is not None:
        ways.append(lambda piece, exc, environ: _circumstance(piece, exc, environ, describe))
    if exc is not None and rendered_line(exc) is not None:
        ways.append(_template)
    if exc is not None and any(named(each) is not None for each in visited(exc)):
        ways.append(_places)
    if not ways:
        return None
    return lambda piece, exc, environ: tuple(way(piece, exc, environ) for way in ways)


def is_told_by_code(event: Event) -> bool:
    """Return whether all that is asked about the fault of an event is the same for all that share its fault key.

    Not where it names a place of its own, or a template stands in for code: those are not in the key.
    """
    waiting = [event.exception]
    for info in waiting:  # grows as it goes; an event holds no more than `EXCEPTIONS` of them
        if info is None:
            continue
        if info.place is not None or any(frame.function == _TEMPLATE for frame in info.frames):
            return False
        waiting += [info.cause, info.context, *info.members]
    return True


def _circumstance(
    piece: Piece, exc: BaseException | None, environ: Mapping[str, Any] | None, describe: _Describe
) -> Hashable:
    """Return what the fingerprint takes for the application's part, where its code is not in the traceback."""
    if environ is not None:
        describe(environ)
        if named := environ_text(environ, ENDPOINT) or environ_text(environ, ROUTE):
            return named
    task = present_of(exc, environ).task
    if task is not None:
        return task.name
    return normalise(piece.message if exc is None else message_of(exc))


def _template(_: Piece, exc: BaseException | None, __: Mapping[str, Any] | None) -> Hashable:
    return None if exc is None else rendered_line(exc)


def _places(_: Piece, exc: BaseException | None, __: Mapping[str, Any] | None) -> Hashable:
    return None if exc is None else tuple(named(each) for each in visited(exc))
