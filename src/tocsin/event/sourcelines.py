"""Secrets in source code: lines go in, the same lines with the literals of sensitive names masked leave.

``token = get_token()`` tells no secret, ``token = "abc"`` does: in code, literals are masked, not calls. Inside
string literals and comments the rules of plain text hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from re import Match
from typing import Final

from tocsin.event.assignments import ASSIGNMENT, Covers, quote_end, value_span
from tocsin.event.patterns import MASK

__all__ = ["mask_code", "mask_lines"]

_LEXEME: Final = re.compile(r"(?P<comment>#)|[bBrRuUfF]{0,2}(?P<quote>\"\"\"|'''|[\"'])")
_CALL_BEFORE: Final = re.compile(r"[\w)\]]\Z")
_CODE: Final = re.compile(
    r"[bBrRuUfF]{0,2}(?P<quote>\"\"\"|'''|[\"'])|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<end>[,;#])"
)
# In the middle of a multi-line text nothing shows that `password=hunter2` is no code. Digits give it away.
_WORD: Final = re.compile(r"(?:[A-Za-z_]\w*\d\w*|\d{6,}|\w*[!$%&?~]\S*)(?=[\s,;)]|\Z)")
_LITERAL: Final = re.compile(r"\s*[bBrRuUfF]{0,2}(?P<quote>\"\"\"|'''|[\"'])")
_KEY_MATERIAL: Final = re.compile(r"(?=[^0-9]*[0-9])[\s\"'(]*[A-Za-z0-9+/=]{56,}(?:\\n)?[\s\"'),]*")


def mask_code(line: str, covers: Covers) -> str:
    """Mask one line of Python: literals assigned to, passed as or keyed by a sensitive name."""
    match = ASSIGNMENT.search(line)
    if match is None:
        return line
    texts = _texts(line)
    spans: list[tuple[int, int]] = []
    done = 0
    while match:
        if match.start() >= done and covers(match["name"]):
            spans += _spans(line, match, texts, covers)
            done = spans[-1][1] if spans else 0
        match = ASSIGNMENT.search(line, max(match.end(), done))
    return _replaced(line, spans)


def mask_lines(lines: Sequence[str], mask: Callable[[str], str], covers: Covers) -> list[str]:
    """Mask consecutive lines by ``mask``, and what only their neighbours show to be secret.

    PEM blocks, texts in triple quotes and literals on the line after ``password = (`` go on over lines.
    """
    out: list[str] = []
    until = ""  # what ends the secret that an earlier line began
    is_pending = False
    for line in lines:
        if until:
            end = line.find(until)
            out.append(MASK if end < 0 else MASK + mask(line[end:]))
            until = until if end < 0 else ""
            continue
        masked = MASK if _KEY_MATERIAL.fullmatch(line) else mask(line)
        if is_pending:
            masked = _mask_first_literal(masked)
        out.append(masked)
        until, is_pending = _carried(line, covers)
    return _without_pem_body(lines, out)


def _carried(line: str, covers: Covers) -> tuple[str, bool]:
    begun = line.rfind("-----BEGIN ")
    if begun >= 0 and "-----END " not in line[begun:]:
        return "-----END ", False
    for match in ASSIGNMENT.finditer(line):
        if not covers(match["name"]):
            continue
        opening = _LITERAL.match(line, match.end())
        if opening and len(opening["quote"]) == 3:
            if line.find(opening["quote"], opening.end()) < 0:
                return opening["quote"], False
        elif not line[match.end() :].strip(" \t([{\\"):
            return "", True
    return "", False


def _without_pem_body(lines: Sequence[str], out: list[str]) -> list[str]:
    """Mask what precedes an END whose BEGIN is above the lines that are shown."""
    for index, line in enumerate(lines):
        if "-----BEGIN " in line:
            break
        if "-----END " in line:
            return [MASK] * (index + 1) + out[index + 1 :]
    return out


def _mask_first_literal(line: str) -> str:
    opening = _LITERAL.match(line)
    if opening is None:
        return line
    end = quote_end(line, opening.end(), opening["quote"], len(line))
    return _replaced(line, [(opening.end(), end)])


def _texts(line: str) -> list[tuple[int, int]]:
    """Return where string literals and the comment lie, their quotes excluded."""
    found: list[tuple[int, int]] = []
    position = 0
    while match := _LEXEME.search(line, position):
        if match["comment"]:
            return [*found, (match.end(), len(line))]
        end = quote_end(line, match.end(), match["quote"], len(line))
        found.append((match.end(), end))
        position = end + len(match["quote"])
    return found


def _spans(line: str, match: Match[str], texts: list[tuple[int, int]], covers: Covers) -> list[tuple[int, int]]:
    for start, end in texts:
        # A name that ends where its text ends is a quoted key: what follows is code again.
        if start <= match.start("name") and match.end() <= end:
            span = value_span(line, match, end)
            return [span] if span else []
    if match["sign"] == ",":
        span = value_span(line, match)
        return [span] if span else []
    word = _WORD.match(line, match.end())
    # `token = token2` names another variable.
    is_secret = word is not None and not covers(word[0])
    return [word.span()] if word and is_secret else _literals(line, match.end())


def _literals(line: str, position: int) -> list[tuple[int, int]]:
    """Return the literals of the expression at ``position``, those within its calls aside."""
    found: list[tuple[int, int]] = []
    calls: list[bool] = []
    while match := _CODE.search(line, position):
        position = match.end()
        if match["quote"]:
            end = quote_end(line, position, match["quote"], len(line))
            if not any(calls):
                found.append((position, end))
            position = end + len(match["quote"])
        elif match["open"]:
            calls.append(bool(_CALL_BEFORE.search(line[max(0, match.start() - 1) : match.start()])))
        elif match["close"]:
            if not calls:
                break
            calls.pop()
        elif match["end"] == "#" or not calls:
            break
    return found


def _replaced(line: str, spans: list[tuple[int, int]]) -> str:
    out: list[str] = []
    last = 0
    for start, end in spans:
        if start >= last and line[start:end] not in ("", MASK):
            out += [line[last:start], MASK]
            last = end
    return "".join([*out, line[last:]]) if out else line
