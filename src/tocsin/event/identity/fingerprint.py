"""Fingerprints: an event goes in, the portable identity of its fault leaves, ``v2:`` and 32 hexadecimal digits."""

from __future__ import annotations

from typing import Final

from tocsin.event.identity.digest import digest
from tocsin.event.identity.fault import has_frames, is_own, parts_of
from tocsin.event.identity.part import Part
from tocsin.event.identity.wording import first_segment, normalise, unfilled
from tocsin.event.model import Event, Request

__all__ = ["ANSWER_LOGGER", "VERSION", "Part", "circumstance", "explain", "fingerprint", "former"]

VERSION: Final = "v2"
ANSWER_LOGGER: Final = "tocsin.answer"  # of the warnings made from a response's status
_CIRCUMSTANCE: Final = "circumstance"


def fingerprint(event: Event) -> str:
    """Return the identity of the fault an event is an occurrence of.

    Pure; the same on every supported Python, host and checkout: no message of an exception, no line number and no path
    enters it. The caller's own ``custom_fingerprint`` overrides everything.
    """
    return f"{VERSION}:{digest([text for part in explain(event) for text in (part.name, part.value)])}"


def former(event: Event) -> tuple[str, ...]:
    """Return what earlier versions of the rules gave an event, the latest first: an open issue goes on under it."""
    from tocsin.event.identity import fingerprint_v1  # for those who read, not for those who fail

    return tuple(dict.fromkeys(fingerprint_v1.fingerprints(event)))  # a name of one's own is the same in both


def explain(event: Event) -> tuple[Part, ...]:
    """Return what the fingerprint of an event is made of, in order, each with its reason."""
    if event.custom_fingerprint:
        return (Part("given", event.custom_fingerprint, "the application named the fault itself"),)
    request = event.request
    if event.logger == ANSWER_LOGGER and request is not None and request.status is not None:
        return (
            Part("place", _place(request), "the route, or a path's first segment: visitors choose the rest"),
            Part("status", str(request.status), "what was answered, and nothing was reported"),
        )
    if event.exception is not None and has_frames(event.exception):
        parts = parts_of(event.exception)
        return parts if is_own(parts) else (*parts, _around(event))
    record = (
        Part("logger", event.logger, "who logged it"),
        Part("level", str(event.levelno), "how grave it was said to be"),
        Part("function", event.location.rpartition(":")[0], "where the log call is; not its line"),
        Part("message", _template(event), "what was to be said, before anything was filled in"),
    )
    return record if event.exception is None else (*record, *parts_of(event.exception))


def circumstance(event: Event) -> str | None:
    """Return what besides code tells a fault from another whose traceback holds libraries alone; None of all others."""
    return next((part.value for part in explain(event) if part.name == _CIRCUMSTANCE), None)


def _around(event: Event) -> Part:
    """Return what stands for the application where none of its code is in the traceback."""
    named = event.request.endpoint or event.request.route if event.request is not None else None
    if not named and event.task is not None:
        named = event.task.name
    if named:
        return Part(_CIRCUMSTANCE, named, "the view or task, since no code of the application is in the traceback")
    message = normalise(event.exception.message if event.exception is not None else event.message)
    return Part(_CIRCUMSTANCE, message, "the message, since nothing of the application is known")


def _template(event: Event) -> str:
    if event.template and event.template != event.message:
        return unfilled(event.template)
    return normalise(event.template or event.message)


def _place(request: Request) -> str:
    return request.route or request.endpoint or first_segment(request.path)
