"""Secrets recognised by the name before them: ``password=…``, ``"token": …``; a text goes in, it leaves masked.

Names are found by one expression that reads each word once; values are then scanned by hand, since quotes
and brackets nest. Both advance only: linear time.
"""

from __future__ import annotations

import re
from re import Match
from typing import Final, TypeAlias

from tocsin.event.masking.entropy import RANDOM_CHARS, holds_random, is_random
from tocsin.event.masking.marks import MASKED_SORT, is_in_mask, is_mask, mask_end
from tocsin.event.masking.named_fields import mask_named
from tocsin.event.masking.quotes import QUOTE, quote_end
from tocsin.event.masking.sensitive import Grade, SensitiveKeys

__all__ = ["ASSIGNMENT", "PARSING", "grade_of", "mask_assignments", "value_span"]

_Span: TypeAlias = tuple[int, int]

ASSIGNMENT: Final = re.compile(
    rf"(?<![\w.\-])(?P<name>[\w.\-]++)(?P<quote>{QUOTE}|`)?\]?(?:\s(?:is|was)(?=\s?[:=]))?"
    r"\s{0,4}(?P<sign>=>|[=!:]?=|:(?!:)|,(?=\s{0,4}[bBuU]?\\*[\"']))\s{0,4}"
)
_OPENING: Final = re.compile(rf"[bBrRuUfFN]{{0,2}}(?P<quote>\"\"\"|'''|'\"'\"'|''(?=[\w$])|{QUOTE})")
# An unquoted value ends at white space, & and quotes, and at , ; ) ] } where these end something.
_UNQUOTED: Final = re.compile(
    r"(?:(?:bearer|basic|digest|negotiate|token)\s{1,4})?+"
    rf"(?:{MASKED_SORT}"
    r"|(?!\\+[\"'])[^\s&\"'<>`,;)\]}]|[,;)\]}](?![\s,;)\]}\"'&<>`]|\Z|[\w.\-]{1,40}=)|(?<=\w)[\"'](?=\w))++",
    re.IGNORECASE,
)
# A header's value has spaces, and parameters in quotes.
_LINE_REST: Final = re.compile(r"(?:[^\r\n\"'<>]|(?<==)\"[^\"\r\n]*+\"|(?<==)'[^'\r\n]*+'|(?<==\\)\"[^\"\r\n]*+\")++")
_HEADER_LINE: Final = re.compile(r"[^\r\n]{0,1000}+\r\n")
_PARAMETER: Final = re.compile(r"[=\\]\"")
_HEADER_ENDS: Final = ("cookie", "authorization")
_NO_SECRET: Final = re.compile(
    r"none|null|nil|true|false|undefined|\?|\$\d{1,2}|\*{3,}|\.{3}|…|%(?:\(\w{1,40}\))?[\-#0-9.]{0,6}[a-z]",
    re.IGNORECASE,
)
# Words that prose also puts before a colon: "session: expired", "Missing key: name".
_WEAK: Final = frozenset(
    {
        *("api", "auth", "authentication", "authenticated", "authenticate", "cookie", "cookies", "credentials", "key"),
        *("keys", "pass", "private", "session", "sessions", "signature"),
    }
)
_STRENGTHENED: Final = re.compile(
    r"(?:api|access|secret|private|license|encryption|signing|account|storage|shared)[ ]\Z", re.IGNORECASE
)
# What is said of a secret: "password: required".
_STATE: Final = re.compile(
    r"(?:ok|okay|yes|no|on|off|not|is|was|the|expected|unexpected|expired|failed|failure|failing|missing|required|"
    r"invalid|valid|wrong|incorrect|mismatch|denied|rejected|refused|revoked|unknown|unset|set|empty|blank|disabled|"
    r"enabled|absent|present|found|down|unavailable|timeout|timed|error|success|successful|field|this|must|cannot|"
    r"can't|could|unable|too|changed|ensure|please|enter|string|str|int|object|optional)[.,;!?…]{0,3}",
    re.IGNORECASE,
)
# Of what a parser did not expect.
PARSING: Final = re.compile(
    r"(?:unexpected|illegal|expected|unterminated|next|last|previous|end|special|stop|eos|near)[ ]\Z", re.IGNORECASE
)
_STRONG_ENDS: Final = ("password", "passwd", "passphrase", "pwd", "secret", "token")
_PORT: Final = re.compile(r"\d{1,5}(?!\w)")
_FILE_ENDS: Final = (".py", ".pyc", ".pyx", ".js", ".ts", ".html", ".css", ".sql", ".toml", ".yaml", ".json")
_NEXT_PARAMETER: Final = re.compile(r"&(?:[\w.\-]{1,40}=|\#?\w{1,8};)")
_CHECK: Final = re.compile(r"\([a-z_]{1,20}\.[A-Z]\d{3}\)")  # of Django's: `auth.User: (fields.E304) …`
_BRACKETS: Final = {"[": "]", "{": "}", "(": ")"}
_STRUCTURE: Final = re.compile(r"[\[\](){}]|\\*[\"']")
_FEW: Final = re.compile(r"\d{1,3}")
_NUMBER: Final = re.compile(r"\d{1,7}")
_PAIR_BEFORE: Final = re.compile(rf"[\[(,]\s{{0,4}}\[\s{{0,4}}[bBuU]?(?:{QUOTE})\Z")
_PAIR_END: Final = re.compile(r"\s{0,4}[\])]")
_SETTER_BEFORE: Final = re.compile(
    r"(?:set|put|patch|add|get|insert|replace|header)\w{0,30}\([^()\"']{1,80},\s{0,4}[bBuU]?\\*[\"']\Z", re.IGNORECASE
)
_PAIR_BEFORE_CHARS: Final = 130
# What pprint makes of a long text: literals one below the other.
_ADJACENT: Final = re.compile(r"[\"'][ \t]{0,4}\n\s{0,200}[bBuU]?(?P<quote>[\"'])(?=[^\n]*[\"'](?!\s{0,4}[:=]))")
# `password: |` and what is deeper below it; `tokens:` and a list or a table below it.
_BLOCK: Final = re.compile(
    r"(?P<before>[ \t]{0,4})(?P<rest>(?P<style>[|>][+\-\d]{0,2}[ \t]{0,4})?)"
    r"(?=\n)(?(style)|(?=\n[ \t]{0,80}(?:-[ ]|[\w.\-]{1,60}+:(?:[ ]|\n))))"
)
_BLOCK_LINE: Final = re.compile(r"\n(?P<blanks>[ \t]*+)(?P<held>(?P<item>-[ ])?[^\n]*+)")
_WORD: Final = re.compile(r"[^\s\"']++(?=[ \t]*+(?:\r?\n|\Z))")


def mask_assignments(text: str, keys: SensitiveKeys) -> str:
    """Mask the value behind every name that is sensitive where it stands."""
    text = mask_named(text, keys)  # first: {"key": "password", "value": "…"} has a name that is masked itself
    out: list[str] = []
    last = 0
    match = ASSIGNMENT.search(text)
    while match:
        position = match.end()
        grade = grade_of(text, match, keys)
        span = value_span(text, match, grade) if grade else None
        if span:
            out += [text[last : span[0]], keys.mask(match["name"])]
            last = position = span[1]
        match = ASSIGNMENT.search(text, position)
    if out:
        text = "".join([*out, text[last:]])
    return text


def grade_of(text: str, match: Match[str], keys: SensitiveKeys) -> Grade:
    """Return what becomes of the value of an assignment: in JSON, dictionaries and queries any part of a name counts.

    In prose and code fewer names are sensitive.
    """
    name = match["name"]
    start = match.start("name")
    before = text[start - 1 : start]
    if match["sign"] != "," and (before in ("?", "&") if match["quote"] is None else before in ('"', "'", ";")):
        return keys.structured(name)
    if is_in_mask(text, start, match.end("name")):
        return Grade.KEPT
    return keys.grade(name)


def value_span(text: str, match: Match[str], grade: Grade, end: int | None = None) -> _Span | None:
    """Return where the value behind an assignment lies, or None if it is no secret."""
    limit = len(text) if end is None else end
    start = match.start("name")
    if grade is Grade.MASKED_IF_RANDOM and match["sign"] != ":" and limit - match.end() < RANDOM_CHARS:
        return None
    if grade is Grade.MASKED_IF_RANDOM and _STRENGTHENED.search(text[max(0, start - 12) : start]):
        grade = Grade.MASKED
    span = _span(text, match, limit)
    if span is None or (grade is Grade.MASKED_IF_RANDOM and not holds_random(text[span[0] : span[1]])):
        return None
    return None if _is_parsing(text, match, text[span[0] : span[1]]) else span


def _span(text: str, match: Match[str], limit: int) -> _Span | None:
    start = match.end()
    if match["sign"] == "," and not _is_pair(text, match, limit):
        return None
    after = mask_end(text, start)
    if after is not None:
        rest = None if text.startswith("#", after) else _UNQUOTED.match(text, after, limit)  # a URL's fragment
        return (start, rest.end()) if rest and rest[0].strip("])},;…") else None
    opening = _OPENING.match(text, start, limit)
    if opening:
        return _quoted(text, opening, limit)
    if match["sign"] == ":" and "\n" in text and (block := _BLOCK.match(text, match.end("sign"), limit)):
        return _block(text, match, block, limit)
    if text[start : start + 1] in _BRACKETS and start < limit:
        if _CHECK.match(text, start, limit):
            return None
        return start, _closing(text, start, limit)
    value = _UNQUOTED.match(text, start, limit)
    if value is None or _NO_SECRET.fullmatch(value[0]) or _is_prose(text, match, value):
        return None
    if match["sign"] == ":" and (match["name"].lower().endswith("passphrase") or _is_header(text, match, limit)):
        rest = _LINE_REST.match(text, start, limit)
        return start, max(rest.end() if rest else 0, value.end())
    has_spaces = match["sign"] == ":" or _PARAMETER.match(text, value.end() - 1, limit) is not None
    if has_spaces and match["name"].lower().endswith(_HEADER_ENDS):
        rest = _LINE_REST.match(text, start, limit)
        return start, rest.end() if rest else value.end()
    end = max(_call_end(text, value, limit), _variable_end(text, match, limit))
    while match["sign"] == ":" and text.startswith("&", end, limit) and not _NEXT_PARAMETER.match(text, end, limit):
        more = _UNQUOTED.match(text, end + 1, limit)  # behind a colon & is a sign like any other
        end = more.end() if more else end + 1
    return start, end


def _is_header(text: str, match: Match[str], limit: int) -> bool:
    """Tell a line of a message of HTTP or mail, whose value has blanks, by the way it ends."""
    start = match.start("name")
    return (start == 0 or text[start - 1] == "\n") and _HEADER_LINE.match(text, match.end(), limit) is not None


def _quoted(text: str, opening: Match[str], limit: int) -> _Span | None:
    start = opening.end()
    end = quote_end(text, start, opening["quote"], limit)
    while (again := _ADJACENT.match(text, end, limit)) and again["quote"] == opening["quote"]:
        end = quote_end(text, again.end(), again["quote"], limit)
    held = text[start:end].rstrip("…")
    return None if not held or is_mask(held) else (start, end)


def _block(text: str, match: Match[str], opening: Match[str], limit: int) -> _Span | None:
    """Return where lines of YAML lie that are the value of a name above them: deeper ones, or a list's."""
    if not opening["style"] and match["name"].lower() in _WEAK:
        return None
    line = text[text.rfind("\n", 0, match.start()) + 1 : match.start("name")]
    depth = len(line) - len(line.lstrip(" -"))
    end = opening.end("rest")
    while more := _BLOCK_LINE.match(text, end, limit):
        if more["held"] and not (len(more["blanks"]) > depth or (len(more["blanks"]) == depth and more["item"])):
            break
        end = more.end()
    return (opening.end("before"), end) if text[opening.end("rest") : end].strip() else None


def _variable_end(text: str, match: Match[str], limit: int) -> int:
    """Return where a variable of the environment ends, which may hold any sign: ``PASSWORD=a&b#c`` on its own line."""
    if match["sign"] != "=" or not match["name"].isupper():
        return 0
    before = text[max(0, match.start("name") - 8) : match.start("name")]
    if before[-1:] in ("'", '"'):
        end = quote_end(text, match.end(), before[-1], limit)
        return end if end < limit and "\n" not in text[match.end() : end] else 0
    if before in ("", "export ") or before[-1:] == "\n" or before[-8:] == "\nexport ":
        rest = _WORD.match(text, match.end(), limit)
        return rest.end() if rest else 0
    return 0


def _call_end(text: str, value: Match[str], limit: int) -> int:
    """Return the end of a value that runs into a call's quoted argument: ``SecretStr('…')``."""
    bracket = value[0].find("(")
    if bracket < 0 or _OPENING.match(text, value.end(), limit) is None:
        return value.end()
    return _closing(text, value.start() + bracket, limit)


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


def _is_pair(text: str, match: Match[str], limit: int) -> bool:
    """Tell ``("password", "…")``, ``[["X-Key", "…"]]`` and ``setattr(x, "password", "…")`` from a list of names."""
    if not match["quote"]:
        return False
    start = match.start("name")
    if "(" in text[max(0, start - 4) : start]:
        return True
    before = text[max(0, start - _PAIR_BEFORE_CHARS) : start]
    if _SETTER_BEFORE.search(before):
        return True
    if _PAIR_BEFORE.search(before) is None:
        return False
    opening = _OPENING.match(text, match.end(), limit)
    if opening is None:
        return False
    end = quote_end(text, opening.end(), opening["quote"], limit) + len(opening["quote"])
    return _PAIR_END.match(text, end, limit) is not None or end >= limit


def _is_prose(text: str, match: Match[str], value: Match[str]) -> bool:
    if match["sign"] != ":" or match["quote"]:
        return False
    name, found = match["name"].lower(), value[0]
    if found.startswith("//") or name.endswith(_FILE_ENDS):
        return True
    is_apart = value.start() > match.end("sign")
    if not is_apart and _PORT.match(found) and not name.endswith(_STRONG_ENDS):
        return True
    if is_apart and _STATE.fullmatch(found):
        return True
    is_word = found.replace("'", "").isalpha() or _FEW.fullmatch(found) is not None  # "tests pass: 12"
    start = match.start("name")
    return is_word and name in _WEAK and not _STRENGTHENED.search(text[max(0, start - 12) : start])


def _is_parsing(text: str, match: Match[str], value: str) -> bool:
    """Tell tokens of a language, and numbers of them, from those that open doors."""
    name = match["name"].lower()
    if name.endswith("tokens"):
        return _NUMBER.fullmatch(value) is not None
    if name != "token" or is_random(value):
        return False
    start = match.start("name")
    return PARSING.search(text[max(0, start - 14) : start]) is not None
