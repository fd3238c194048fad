"""Fingerprints of version 1: an event goes in; ``v1:`` and 32 hexadecimal digits leave, what the rules before gave it.

It is here for the transition: an issue that was opened under such a key goes on under it. Nothing in it changes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

from tocsin.event.identity.digest import digest
from tocsin.event.identity.wording import first_segment, normalise
from tocsin.event.model import Event, ExceptionInfo, Frame, Request

__all__ = ["fingerprints"]

_ANSWER_LOGGER: Final = "tocsin.answer"
_DEEPEST: Final = 64
# Python 3.12 inlines these into the function around them (PEP 709): their frames must not count before.
_INLINED: Final = ("<listcomp>", "<setcomp>", "<dictcomp>")


def fingerprints(event: Event) -> tuple[str, ...]:
    """Return the identities that version 1 of the rules may have given an event.

    It called the module that is run ``__main__``; events have had the name that it is imported by since.
    """
    keys = [event]
    if event.exception is not None and (name := _run_module(event.exception)):
        keys.append(replace(event, exception=_as_main(event.exception, name, _DEEPEST)))
    return tuple(f"v1:{digest(_identity(one))}" for one in keys)


def _run_module(info: ExceptionInfo) -> str:
    own = next((frame for frame in info.frames if frame.in_app), None)
    return own.module if own is not None and own.function == "<module>" else ""


def _as_main(info: ExceptionInfo, name: str, depth: int) -> ExceptionInfo:
    def inner(other: ExceptionInfo | None) -> ExceptionInfo | None:
        return None if other is None or not depth else _as_main(other, name, depth - 1)

    is_its = info.type.startswith(f"{name}.")
    return replace(
        info,
        type=f"__main__{info.type[len(name) :]}" if is_its else info.type,
        frames=tuple(replace(one, module="__main__") if one.module == name else one for one in info.frames),
        cause=inner(info.cause),
        context=inner(info.context),
        members=tuple(made for one in info.members if (made := inner(one)) is not None),
    )


def _identity(event: Event) -> list[str]:
    if event.custom_fingerprint:
        return ["custom", event.custom_fingerprint]
    request = event.request
    if event.logger == _ANSWER_LOGGER and request is not None and request.status is not None:
        return ["answer", event.logger, _place(request), str(request.status)]
    if event.exception is not None and _has_frames(event.exception):
        return ["exception", *_exception(event.exception)]
    record = ["record", event.logger, str(event.levelno), _template(event)]
    return record if event.exception is None else [*record, *_exception(event.exception)]


def _template(event: Event) -> str:
    if event.template and event.template != event.message:
        return event.template
    return normalise(event.template or event.message)


def _place(request: Request) -> str:
    if request.route or request.endpoint:
        return request.route or request.endpoint or ""
    return first_segment(request.path)


def _has_frames(info: ExceptionInfo) -> bool:
    # A loop, not a recursion: chains are bounded, but nobody says how they are nested.
    waiting, seen = [info], 0
    while waiting and seen < 64:
        part = waiting.pop()
        seen += 1
        if part.frames:
            return True
        waiting += [inner for inner in (part.cause, part.context, *part.members) if inner is not None]
    return False


def _exception(info: ExceptionInfo) -> list[str]:
    """Return the parts of one exception: its own, its members', those of what it was caused by."""
    if len(info.members) == 1 and not info.members_omitted:
        return _exception(info.members[0])
    parts = [info.type]
    for frame in _telling(info):
        parts += [frame.module, frame.function]
    for name, inner in (("cause", info.cause), ("context", info.context)):
        if inner is not None:
            parts += [f"<{name}>", digest(_exception(inner))]
    # Tasks end in any order, and as many of them fail as were started: a set.
    parts += sorted({"<member>" + digest(_exception(member)) for member in info.members})
    return parts


def _telling(info: ExceptionInfo) -> list[Frame]:
    """Return the frames that identify a fault: the application's if there are any, each place once."""
    named = [frame for frame in info.frames if not frame.function.endswith(_INLINED)]
    frames = [frame for frame in named if frame.in_app] or named
    if info.type == "RecursionError":
        # Where exactly the stack ended is chance; what recurs is the fault.
        times: Counter[tuple[str, str]] = Counter()
        for frame in frames:
            times[frame.module, frame.function] += frame.repeats
        frames = [frame for frame in frames if times[frame.module, frame.function] > 1] or frames
    return list({(frame.module, frame.function): frame for frame in frames}.values())
