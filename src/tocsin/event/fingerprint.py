"""Fingerprints: an event goes in, the portable identity of its fault leaves, ``v1:`` and 32 hexadecimal digits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from re import Match
from typing import Final

from tocsin.event.limits import MESSAGE_CHARS
from tocsin.event.model import Event, ExceptionInfo, Frame, Request

__all__ = ["ANSWER_LOGGER", "VERSION", "fingerprint", "first_segment", "normalise"]

VERSION: Final = "v1"
ANSWER_LOGGER: Final = "tocsin.answer"  # of the warnings made from a response's status
_DIGEST_BYTES: Final = 16
# Python 3.12 inlines these into the function around them (PEP 709): their frames must not count before.
_INLINED: Final = ("<listcomp>", "<setcomp>", "<dictcomp>")

_VARIABLE: Final = re.compile(
    r"(?P<uuid>[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})"
    r"|(?P<email>(?<![\w.+%\-])[\w.+%\-]++@[\w\-.]++)"
    r"|(?P<str>(?<!\w)(?:'[^'\n]{0,500}'|\"[^\"\n]{0,500}\")(?!\w))"
    r"|(?P<addr>(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]{0,4}:){3,8}[0-9A-Fa-f]{0,4})(?![\w.:]))"
    r"|(?P<url>\b[a-z][a-z0-9+.\-]{1,20}://[^\s<>\"']++)"
    r"|(?P<path>(?<![\w<])(?:[A-Za-z]:\\[^\s<>\"']++|(?:/[\w.~%+\-]++)++/?))"
    r"|(?P<hex>0[xX][0-9A-Fa-f]+|(?<![0-9A-Za-z])(?=[a-fA-F]*\d)[0-9A-Fa-f]{8,}(?![0-9A-Za-z]))"
    r"|(?P<n>\d+(?:[.,:]\d+)*)"
)


def fingerprint(event: Event) -> str:
    """Return the identity of the fault an event is an occurrence of.

    Pure; the same on every supported Python, host and checkout: no message, line number or path of a
    traceback enters it. The caller's own ``custom_fingerprint`` overrides everything.
    """
    return f"{VERSION}:{_digest(_identity(event)).hex()}"


def normalise(text: str) -> str:
    """Replace in a formatted message what differs between occurrences: numbers, addresses, names, paths."""
    return " ".join(_VARIABLE.sub(_placeholder, text[:MESSAGE_CHARS]).split())


def _placeholder(match: Match[str]) -> str:
    return f"<{match.lastgroup}>"


def _digest(parts: Iterable[str]) -> bytes:
    # Each part after its length, so that ("ab", "c") and ("a", "bc") differ whatever they hold.
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        data = part.encode("utf-8", "replace")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.digest()


def _identity(event: Event) -> list[str]:
    if event.custom_fingerprint:
        return ["custom", event.custom_fingerprint]
    request = event.request
    if event.logger == ANSWER_LOGGER and request is not None and request.status is not None:
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


def first_segment(path: str) -> str:
    """Return what of a path names an issue where there is no route.

    Visitors choose paths; a whole one would make as many issues as somebody cares to send.
    """
    return "/" + normalise(path.lstrip("/").partition("/")[0])


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
            parts += [f"<{name}>", _digest(_exception(inner)).hex()]
    # Tasks end in any order, and as many of them fail as were started: a set.
    parts += sorted({"<member>" + _digest(_exception(member)).hex() for member in info.members})
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
