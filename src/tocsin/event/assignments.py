"""Secrets recognised by the name before them: ``password=…``, ``"token": …``; a text goes in, it leaves masked.

Names are found by one expression that reads each word once; values are then scanned by hand, since quotes
and brackets nest. Both advance only: linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from re import Match
from typing import Final, TypeAlias

from tocsin.event.patterns import MASK

__all__ = ["Covers", "mask_assignments", "quote_end", "value_span"]

Covers: TypeAlias = Callable[[str], bool]
_Span: TypeAlias = tuple[int, int]

_QUOTE: Final = r"\\*+[\"']|&(?:quot|apos|\#34|\#39|\#x27);"
ASSIGNMENT: Final = re.compile(
    rf"(?<![\w.\-])(?P<name>[\w.\-]++)(?P<quote>{_QUOTE})?\]?(?:\s(?:is|was)(?=\s?[:=]))?"
    r"\s{0,4}(?P<sign>=>|[=!:]?=|:(?!:)|,(?=\s{0,4}[bBuU]?\\*[\"']))\s{0,4}"
)
_OPTION: Final = re.compile(
    r"(?<![\w\-])--(?P<name>[\w\-]++)(?:\s{1,4}|'\s{0,4},\s{0,4}'|\"\s{0,4},\s{0,4}\")"
    r"(?!-|(?:is|are|was|must|and|or|not|option|flag|requires?)\b)"
    r"(?P<value>\"[^\"\n]*+\"|'[^'\n]*+'|[^\s\"',)]++)"
)
_ELEMENT: Final = re.compile(r"<(?P<name>[\w.:\-]++)[^<>]{0,200}+>(?P<value>[^<]++)<")
_OPENING: Final = re.compile(rf"[bBrRuUfF]{{0,2}}(?P<quote>\"\"\"|'''|{_QUOTE})")
# An unquoted value ends at white space, & and quotes, and at , ; ) ] } where these end something.
_UNQUOTED: Final = re.compile(
    r"(?:(?:bearer|basic|digest|negotiate|token)\s{1,4})?+"
    r"(?:[^\s&\"'<>`,;)\]}]|[,;)\]}](?![\s,;)\]}\"'&<>`]|\Z|[\w.\-]{1,40}=))++",
    re.IGNORECASE,
)
_LINE_REST: Final = re.compile(r"[^\r\n\"'<>]++")
_NO_SECRET: Final = re.compile(
    r"none|null|nil|true|false|undefined|\*{3,}|\.{3}|…|%(?:\(\w{1,40}\))?[\-#0-9.]{0,6}[a-z]", re.IGNORECASE
)
# Words that prose also puts before a colon: "session: expired", "Missing key: name".
_WEAK: Final = frozenset({"api", "auth", "cookie", "key", "pass", "private", "session", "signature"})
_STRENGTHENED: Final = re.compile(r"(?:api|access|secret|private|license|encryption|signing)[ ]\Z", re.IGNORECASE)
_STRONG_ENDS: Final = ("password", "passwd", "passphrase", "pwd", "secret", "token")
_PORT: Final = re.compile(r"\d{1,5}(?!\w)")
_FILE_ENDS: Final = (".py", ".pyc", ".pyx", ".js", ".ts", ".html", ".css", ".sql", ".toml", ".yaml", ".json")
_BRACKETS: Final = {"[": "]", "{": "}", "(": ")"}
_STRUCTURE: Final = re.compile(r"[\[\](){}]|\\*[\"']")


def mask_assignments(text: str, covers: Covers) -> str:
    """Mask the value behind every name that ``covers`` says is sensitive."""
    out: list[str] = []
    last = 0
    match = ASSIGNMENT.search(text)
    while match:
        position = match.end()
        span = value_span(text, match) if covers(match["name"]) else None
        if span:
            out += [text[last : span[0]], MASK]
            last = position = span[1]
        match = ASSIGNMENT.search(text, position)
    if out:
        text = "".join([*out, text[last:]])
    if "--" in text:
        text = _OPTION.sub(lambda match: _masked_value(match, covers), text)
    return _ELEMENT.sub(lambda match: _masked_value(match, covers), text) if "</" in text else text


def value_span(text: str, match: Match[str], end: int | None = None) -> _Span | None:
    """Return where the value behind an assignment lies, or None if it is no secret."""
    start = match.end()
    limit = len(text) if end is None else end
    if match["sign"] == "," and not _is_pair(text, match):
        return None
    if text.startswith(MASK, start):
        after = start + len(MASK)
        rest = None if text.startswith("#", after) else _UNQUOTED.match(text, after, limit)  # a URL's fragment
        return (start, rest.end()) if rest and rest[0].strip("])},;…") else None
    opening = _OPENING.match(text, start, limit)
    if opening:
        return _quoted(text, opening, limit)
    if text[start : start + 1] in _BRACKETS and start < limit:
        return start, _closing(text, start, limit)
    value = _UNQUOTED.match(text, start, limit)
    if value is None or _NO_SECRET.fullmatch(value[0]) or _is_prose(text, match, value):
        return None
    if match["sign"] == ":" and match["name"].lower().endswith(("cookie", "authorization")):
        rest = _LINE_REST.match(text, start, limit)  # a header's value has spaces
        return start, rest.end() if rest else value.end()
    return value.span()


def quote_end(text: str, start: int, quote: str, limit: int) -> int:
    r"""Return where the closing quote begins, or ``limit`` where it is missing.

    A quote that came with n backslashes (JSON within a JSON text) closes with n; one that came with none
    closes behind an even number.
    """
    mark = quote.lstrip("\\")
    depth = len(quote) - len(mark)
    if mark[0] == "&" or len(mark) == 3:
        found = text.find(mark, start, limit)
        return limit if found < 0 else found
    found = text.find(mark, start, limit)
    while found >= 0:
        first = found
        while first > start and text[first - 1] == "\\":
            first -= 1
        slashes = found - first
        if slashes == depth or (depth == 0 and slashes % 2 == 0):
            return first if depth else found
        found = text.find(mark, found + 1, limit)
    return limit


def _quoted(text: str, opening: Match[str], limit: int) -> _Span | None:
    start = opening.end()
    end = quote_end(text, start, opening["quote"], limit)
    return None if text[start:end].rstrip("…") in ("", MASK) else (start, end)


def _closing(text: str, start: int, limit: int) -> int:
    """Return the end of the bracket that opens at ``start``, quoted brackets aside; ``limit`` if there is none."""
    position, depth = start, 0
    while match := _STRUCTURE.search(text, position, limit):
        position = match.end()
        if match[0] in _BRACKETS:
            depth += 1
        elif match[0] in ")]}":
            depth -= 1
            if depth == 0:
                return position
        else:
            position = min(quote_end(text, position, match[0], limit) + len(match[0]), limit)
    return limit


def _is_pair(text: str, match: Match[str]) -> bool:
    """Tell ``("password", "…")`` from a list of names."""
    start = match.start("name")
    return bool(match["quote"]) and "(" in text[max(0, start - 4) : start]


def _is_prose(text: str, match: Match[str], value: Match[str]) -> bool:
    if match["sign"] != ":" or match["quote"]:
        return False
    name, found = match["name"].lower(), value[0]
    if found.startswith("//") or name.endswith(_FILE_ENDS):
        return True
    if value.start() == match.end("sign") and _PORT.match(found) and not name.endswith(_STRONG_ENDS):
        return True
    start = match.start("name")
    return name in _WEAK and found.isalpha() and not _STRENGTHENED.search(text[max(0, start - 12) : start])


def _masked_value(match: Match[str], covers: Covers) -> str:
    value = match["value"]
    if value.strip(" \t\r\n…") in ("", MASK) or not covers(match["name"].rpartition(":")[2]):
        return match[0]
    start = match.start("value") - match.start()
    return match[0][:start] + MASK + match[0][start + len(value) :]
