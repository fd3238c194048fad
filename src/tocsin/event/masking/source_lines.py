"""Secrets in source code: lines go in, the same lines with the literals of sensitive names masked leave.

``token = get_token()`` tells no secret, ``token = "abc"`` does: in code, literals are masked, not calls. Inside
string literals and comments the rules of plain text hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from re import Match
from typing import Final, TypeAlias

from tocsin.event.masking.assignments import ASSIGNMENT, grade_of, value_span
from tocsin.event.masking.entropy import is_random
from tocsin.event.masking.marks import is_in_mask, is_mask, mask_for
from tocsin.event.masking.named_fields import mask_named
from tocsin.event.masking.phrases import mask_commands, mask_spoken
from tocsin.event.masking.quotes import quote_end
from tocsin.event.masking.sensitive import Grade, SensitiveKeys, mask_of

__all__ = ["calls_a_door", "mask_code", "mask_lines", "mask_traced"]

_PASSWORD: Final = mask_for("password")
_PRIVATE_KEY: Final = mask_for("private key")
_Span: TypeAlias = tuple[int, int, str]  # from, to, what stands there instead

_LEXEME: Final = re.compile(r"(?P<comment>#)|[bBrRuUfF]{0,2}(?P<quote>\"\"\"|'''|[\"'])")
# Calls that take a secret by position. Of those with a secret's name in theirs any literal is one.
_DOOR: Final = re.compile(
    r"(?<!\w)(?:log_?in|logon|sign_?in|authenticate|connect|HTTPBasicAuth|HTTPDigestAuth|BasicAuth|basic_auth|"
    r"create_user|create_superuser|compare_digest"
    r"|(?P<any>(?:set|make|check|verify|validate|hash|change)_(?:password|passwd|secret|token)|Secret(?:Str|Bytes)?))\(",
    re.IGNORECASE,
)
# Those of them that hold no sensitive word.
_DOOR_WORDS: Final = re.compile(r"[lL]og_?[io]n|[cC]onnect\(|[sS]ign_?in|create_|compare_")
_COMPARED: Final = re.compile(r"(?:\"\"\"|'''|[\"'])\s{0,4}[=!]=\s{0,4}(?P<name>[\w.]++)(?!\()")
_CALL_BEFORE: Final = re.compile(r"[\w)\]]\Z")
_CODE: Final = re.compile(
    r"[bBrRuUfF]{0,2}(?P<quote>\"\"\"|'''|[\"'])|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<end>[,;#])"
)
# In the middle of a multi-line text nothing shows that `password=hunter2` is no code. Digits give it away.
_WORD: Final = re.compile(r"(?:[A-Za-z_]\w*\d\w*|\d{6,}|\w*[!$%&?~]\S*)(?=[\s,;)]|\Z)")
_PLACEHOLDERS: Final = re.compile(r"[^\w{}]*+(?:\{[^{}]*+\}[^\w{}]*+)++")  # f"{user}:{password}" tells nothing
_PLACE: Final = re.compile(r'([ |+]*)File "[^"\n]+", line \d')  # within an exception group behind a bar
_LITERAL: Final = re.compile(r"\s*[bBrRuUfF]{0,2}(?P<quote>\"\"\"|'''|[\"'])")
_KEY_MATERIAL: Final = re.compile(r"(?=[^0-9]*[0-9])[\s\"'(]*[A-Za-z0-9+/=]{56,}(?:\\n)?[\s\"'),]*")


def calls_a_door(line: str) -> bool:
    """Return whether a line may call what takes secrets by position, whatever the names in it."""
    return "(" in line and _DOOR_WORDS.search(line) is not None and _DOOR.search(line) is not None


def mask_code(line: str, keys: SensitiveKeys) -> str:
    """Mask one line of Python: literals assigned to, compared with, passed as or keyed by a sensitive name."""
    texts = _texts(line)
    if not texts:
        return mask_spoken(_replaced(line, _assigned(line, texts, keys)))
    line = _replaced(line, _compared(line, texts, keys) + _given(line))
    line = _replaced(line, _assigned(line, _texts(line), keys))
    line = mask_commands(mask_named(line, keys), keys)
    return mask_spoken(line, {end for _, end in _texts(line)})


def _assigned(line: str, texts: list[tuple[int, int]], keys: SensitiveKeys) -> list[_Span]:
    spans: list[_Span] = []
    done = 0
    match = ASSIGNMENT.search(line)
    while match:
        if match.start() >= done:
            grade = grade_of(line, match, keys)
            found = _spans(line, match, texts, keys, grade) if grade else []
            spans += [(start, end, keys.mask(match["name"])) for start, end in found]
            done = spans[-1][1] if spans else 0
        match = ASSIGNMENT.search(line, max(match.end(), done))
    return spans


def _compared(line: str, texts: list[tuple[int, int]], keys: SensitiveKeys) -> list[_Span]:
    """Return the literals on the left of a comparison with a sensitive name."""
    found: list[_Span] = []
    for start, end in texts:
        match = _COMPARED.match(line, end)
        if match and (grade := keys.grade(match["name"])) and (grade is Grade.MASKED or is_random(line[start:end])):
            found.append((start, end, keys.mask(match["name"])))
    return found


def _given(line: str) -> list[_Span]:
    """Return the literals that calls take secrets as, by position: ``login("bob", "…")``."""
    found: list[_Span] = []
    end = 0
    for match in _DOOR.finditer(line):
        if match.start() < end:
            continue
        literals, end = _positional(line, match.end())
        if match["any"]:
            found += [(*span, mask_of(match["any"])) for span in literals]
        elif len(literals) > 1:
            # connect(host, user, password, database): whatever is behind the user.
            found += [(*span, _PASSWORD) for span in literals[2:] or literals[-1:]]
    return found


def _positional(line: str, position: int) -> tuple[list[tuple[int, int]], int]:
    """Return the literals that are arguments by themselves, and where the call ends."""
    found: list[tuple[int, int]] = []
    depth = 0
    is_fresh = True  # nothing but white space since the bracket or the comma
    while match := _CODE.search(line, position):
        is_fresh = is_fresh and not line[position : match.start()].strip()
        position = match.end()
        if match["quote"]:
            end = quote_end(line, position, match["quote"], len(line))
            if depth == 0 and is_fresh:
                found.append((position, end))
            position = end + len(match["quote"])
            is_fresh = False
        elif match["open"]:
            depth, is_fresh = depth + 1, False
        elif match["close"]:
            if depth == 0:
                return found, position
            depth -= 1
        elif match["end"] == "#":
            break
        else:
            is_fresh = True
    return found, len(line)


def mask_traced(text: str, mask: Callable[[str], str]) -> str:
    """Mask the source lines of formatted tracebacks within a text: of another process, or such as are logged."""
    lines = text.split("\n")
    place_indent = -1
    for number, line in enumerate(lines):
        place = _PLACE.match(line)
        if place is not None:
            place_indent = len(place[1])
        elif 0 <= place_indent < len(line) - len(line.lstrip(" |")):
            lines[number] = mask(line)
        else:
            place_indent = -1
    return "\n".join(lines)


def mask_lines(lines: Sequence[str], mask: Callable[[str], str], keys: SensitiveKeys) -> list[str]:
    """Mask consecutive lines by ``mask``, and what only their neighbours show to be secret.

    PEM blocks, texts in triple quotes and literals on the line after ``password = (`` go on over lines.
    """
    out: list[str] = []
    until = pending = hides = ""  # what ends the secret that an earlier line began; masks
    for line in lines:
        if until:
            end = line.find(until)
            out.append(hides if end < 0 else hides + mask(line[end:]))
            until = until if end < 0 else ""
            continue
        masked = _PRIVATE_KEY if _KEY_MATERIAL.fullmatch(line) else mask(line)
        if pending:
            masked = _mask_first_literal(masked, pending)
        out.append(masked)
        until, hides, pending = _carried(line, keys)
    return _without_pem_body(lines, out)


def _carried(line: str, keys: SensitiveKeys) -> tuple[str, str, str]:
    """Return what ends the secret that goes on behind this line and its mask, or the mask of the next literal."""
    begun = line.rfind("-----BEGIN ")
    if begun >= 0 and "-----END " not in line[begun:]:
        return "-----END ", _PRIVATE_KEY, ""
    for match in ASSIGNMENT.finditer(line):
        name = match["name"]
        if keys.grade(name) is not Grade.MASKED or is_in_mask(line, match.start("name"), match.end("name")):
            continue
        opening = _LITERAL.match(line, match.end())
        if opening and len(opening["quote"]) == 3:
            if line.find(opening["quote"], opening.end()) < 0:
                return opening["quote"], keys.mask(name), ""
        elif not line[match.end() :].strip(" \t([{\\"):
            return "", "", keys.mask(name)
    return "", "", ""


def _without_pem_body(lines: Sequence[str], out: list[str]) -> list[str]:
    """Mask what precedes an END whose BEGIN is above the lines that are shown."""
    for index, line in enumerate(lines):
        if "-----BEGIN " in line:
            break
        if "-----END " in line:
            return [_PRIVATE_KEY] * (index + 1) + out[index + 1 :]
    return out


def _mask_first_literal(line: str, mask: str) -> str:
    opening = _LITERAL.match(line)
    if opening is None:
        return line
    end = quote_end(line, opening.end(), opening["quote"], len(line))
    return _replaced(line, [(opening.end(), end, mask)])


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


def _spans(
    line: str, match: Match[str], texts: list[tuple[int, int]], keys: SensitiveKeys, grade: Grade
) -> list[tuple[int, int]]:
    for start, end in texts:
        # A name that ends where its text ends is a quoted key: what follows is code again.
        if start <= match.start("name") and match.end() <= end:
            span = value_span(line, match, grade, end)
            return [span] if span else []
    if match["sign"] == ",":
        span = value_span(line, match, grade)
        return [span] if span else []
    word = _WORD.match(line, match.end())
    # `token = token2` names another variable.
    is_secret = word is not None and not keys.covers(word[0])
    found = [word.span()] if word and is_secret else _literals(line, match.end())
    found = [span for span in found if _PLACEHOLDERS.fullmatch(line, *span) is None]
    return [span for span in found if grade is Grade.MASKED or is_random(line[span[0] : span[1]])]


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


def _replaced(line: str, spans: list[_Span]) -> str:
    out: list[str] = []
    last = 0
    for start, end, mask in sorted(spans):
        if start >= last and start < end and not is_mask(line[start:end]):
            out += [line[last:start], mask]
            last = end
    return "".join([*out, line[last:]]) if out else line
