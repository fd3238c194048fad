"""Any text goes in; text leaves that can do nothing to a terminal, a header, a page or an encoder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from tocsin.event.masking.patterns import MASK

__all__ = ["block", "encodable", "line", "shorten", "width", "without"]

# Control characters but newline and tab, the marks that reorder or hide text (bidi, zero width, tags), line
# separators that some readers break at, and lone surrogates, which no encoder takes. They are shown by their
# escapes rather than dropped: a report should tell that somebody sent them.
_HARMFUL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_NAMED: Final = {"\r": "\\r", "\x1b": "\\x1b", "\x00": "\\0"}
TAB_COLUMNS: Final = 4


def block(text: str) -> str:
    """Return ``text`` with its lines kept and everything harmful shown by its escape.

    Law: block(block(t)) == block(t).
    """
    if text.isascii() and text.isprintable():
        return text
    plain = text.replace("\r\n", "\n").replace("\t", " " * TAB_COLUMNS)
    return _HARMFUL.sub(_escape, plain)


def line(text: str, chars: int = 0) -> str:
    """Return ``text`` as one harmless line, newlines shown as ``\\n``; at most ``chars`` long if given."""
    # Cut first, so that a megabyte costs no more than what is shown of it.
    shown = block(text[: chars + 1] if chars else text).replace("\n", "\\n")
    return shorten(shown, chars) if chars else shown


def shorten(text: str, chars: int) -> str:
    """Return at most ``chars`` characters of ``text``, ending in an ellipsis where something is missing."""
    return text if len(text) <= chars else text[: max(chars - 1, 0)].rstrip() + "…"


def without(secrets: Iterable[str], text: str) -> str:
    """Return ``text`` with secrets that are known masked wherever they stand in it."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):  # one may be a part of another
        text = text.replace(secret, MASK)
    return text


def encodable(text: str) -> str:
    """Return ``text`` as every encoder takes it: a lone half of a character is U+FFFD, two that meet are joined."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def width(text: str) -> int:
    """Return how many terminal columns ``text`` takes: wide letters and emoji two; marks, joiners and selectors none.

    An emoji joined of several counts as those: terminals differ in what they make of it.
    """
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    named = _NAMED.get(character)
    if named is not None:
        return named
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
