r"""Quotes: where one opens goes in, where it closes leaves; as Python, JSON, SQL, the shell and HTML have them."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["QUOTE", "quote_end"]

QUOTE: Final = r"\\*+(?:[\"']|&(?:quot|apos|\#34|\#39|\#x27);)"
_GOES_ON: Final = re.compile(r"[^\s,;:)\]}>&\"'\\|]")
_REOPENED: Final = ("''", "'\"'\"'")


def quote_end(text: str, start: int, quote: str, limit: int) -> int:
    r"""Return where the closing quote begins, or ``limit`` where it is missing.

    A quote that came with n backslashes (JSON within a JSON text) closes with n; one that came with none
    closes behind an even number.
    """
    mark = quote.lstrip("\\")
    depth = len(quote) - len(mark)
    if len(mark) > 1 and mark[0] != "&":
        found = text.find(quote[:depth] + mark, start, limit)
        return limit if found < 0 else found
    found = text.find(mark, start, limit)
    while found >= 0:
        first = found
        while first > start and text[first - 1] == "\\":
            first -= 1
        slashes = found - first
        # A quote within: SQL doubles it, a shell leaves its own quotes for it.
        again = next((each for each in _REOPENED if text.startswith(each, found)), "") if found > start else ""
        if not depth and not slashes and again:
            found = text.find(mark, found + len(again), limit)
            continue
        # Two before it: the value ends in one, or, if it goes on, these are repr()'s of JSON's own.
        is_within = slashes > 0 and _GOES_ON.match(text, found + len(mark), limit) is not None
        if slashes == depth or (depth == 0 and slashes % 2 == 0 and not is_within):
            return first if depth else found
        found = text.find(mark, found + 1, limit)
    return limit
