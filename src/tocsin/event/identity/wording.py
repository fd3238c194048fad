"""Wording: a message goes in; what of it stays the same from one occurrence to the next leaves."""

from __future__ import annotations

import re
from re import Match
from typing import Final

from tocsin.event.limits import MESSAGE_CHARS

__all__ = ["first_segment", "normalise", "unfilled"]

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
# What is filled in: %s, %(name)5.1f, {}, {name!r:>8}
_PLACEHOLDER: Final = re.compile(
    r"%(?:\(\w{1,80}\))?[-#0 +]{0,5}(?:\d{1,4}|\*)?(?:\.(?:\d{1,4}|\*))?[a-zA-Z]|\{[^{}]{0,80}\}"
)


def normalise(text: str) -> str:
    """Replace in a formatted message what differs between occurrences: numbers, addresses, names, paths."""
    return " ".join(_VARIABLE.sub(_placeholder, text[:MESSAGE_CHARS]).split())


def unfilled(template: str) -> str:
    """Return a template whose places to fill in all look alike, in whichever way they are written."""
    return " ".join(_PLACEHOLDER.sub("{}", template[:MESSAGE_CHARS]).split())


def first_segment(path: str) -> str:
    """Return what of a path names an issue where there is no route.

    Visitors choose paths; a whole one would make as many issues as somebody cares to send.
    """
    return "/" + normalise(path.lstrip("/").partition("/")[0])


def _placeholder(match: Match[str]) -> str:
    return f"<{match.lastgroup}>"
