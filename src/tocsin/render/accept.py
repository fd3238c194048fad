"""An Accept header goes in; which of the three representations to send leaves (RFC 9110 §12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

__all__ = ["Form", "preferred"]

Form: TypeAlias = Literal["html", "json", "text"]

_MEDIA_TYPES: Final[dict[Form, tuple[str, ...]]] = {
    "html": ("text/html",),
    "json": ("application/problem+json", "application/json"),
    "text": ("text/plain",),
}
# Between equal qualities: a browser that names HTML gets it, a script that names JSON gets JSON before text.
_NAMED_ORDER: Final[tuple[Form, ...]] = ("html", "json", "text")
# Who names nothing (``*/*`` alone, or no header) is curl, a monitor, an <img> or a script, and no browser
# that shows a page: browsers name text/html when they navigate.
_UNNAMED_ORDER: Final[tuple[Form, ...]] = ("text", "html", "json")
_ACCEPT_CHARS: Final = 2_048  # of a hostile header, no more is read

_Range: TypeAlias = tuple[str, float]  # a media range in lower case, its quality


def preferred(accept: str) -> Form:
    """Return the form to answer with; ``text`` where none is acceptable, for an error is told all the same.

    ``application/json`` asks for problem details as well (RFC 9457 §3: they are JSON). Malformed ranges are
    passed over.
    """
    ranges = [item for part in accept[:_ACCEPT_CHARS].split(",") if (item := _parsed(part)) is not None]
    ranked = [(_match(form, ranges), form) for form in _NAMED_ORDER]
    best = max(match for match, _ in ranked)
    if best[0] <= 0:
        return "text"
    order = _NAMED_ORDER if best[1] == 2 else _UNNAMED_ORDER
    candidates = {form for match, form in ranked if match == best}
    return next(form for form in order if form in candidates)


def _match(form: Form, ranges: Sequence[_Range]) -> tuple[float, int]:
    """Return (quality, how specific the range that decided it is) of the form's best media type."""
    return max(_quality(media_type, ranges) for media_type in _MEDIA_TYPES[form])


def _quality(media_type: str, ranges: Sequence[_Range]) -> tuple[float, int]:
    names = ("*/*", media_type.partition("/")[0] + "/*", media_type)
    matches = [(names.index(name), quality) for name, quality in ranges if name in names]
    if not matches:
        return 0.0, 0
    specific, quality = max(matches)  # the most specific range decides, not the highest quality
    return quality, specific


def _parsed(part: str) -> _Range | None:
    name, *parameters = (text.strip() for text in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                quality = float(value)
            except ValueError:
                return None
    return (name.lower(), quality) if "/" in name and 0.0 <= quality <= 1.0 else None
