"""Secrets told without a sign between name and value: prose, SQL, command lines; a text goes in, it leaves masked."""

from __future__ import annotations

import re
from collections.abc import Collection
from re import Match
from typing import Final

from tocsin.event.masking.assignments import PARSING
from tocsin.event.masking.entropy import is_random
from tocsin.event.masking.marks import MASK, MASKED, MASKED_SORT, is_mask, mask_for
from tocsin.event.masking.quotes import QUOTE, quote_end
from tocsin.event.masking.sensitive import Grade, SensitiveKeys, mask_of

__all__ = ["has_phrase", "mask_commands", "mask_phrases", "mask_spoken"]

_PASSWORD: Final = mask_for("password")
_ROW: Final = mask_for("row")
_OPTION: Final = re.compile(
    r"(?<![\w\-])--(?P<name>[\w.\-]++)(?:\s{1,4}|(?P<comma>'\s{0,4},\s{0,4}(?=[\"'])|\"\s{0,4},\s{0,4}(?=[\"'])))"
    r"(?!-|(?:is|are|was|must|and|or|not|option|flag|requires?)\b)"
    r"(?P<value>\"[^\"\n]*+(?:\"|\Z)|'[^'\n]*+(?:'|\Z)|"
    rf"(?:{MASKED_SORT}|[^\s\"',)])++)"
)
# Sought in lower-case texts: half the cost of an expression that disregards case.
_SPOKEN: Final = re.compile(
    r"(?P<name>passw(?:or)?d|passphrase|passcode|pwd|secret|token|credentials?"
    r"|(?:api|access|secret|private|encryption|signing|license)[ _\-]?key"
    r"|identified\s(?:by|with\s[\"'\w]{1,40}\s(?:by|as)))"
    r"(?:(?:\s(?:is|was|hash))?\s{1,4}|\s{0,4}(?:-{0,2}>|[→–—：])\s{0,4}|(?<=password)(?<![\w.]password)\s?\(\s?)"
    rf"(?:[brue]?(?P<quote>'\"'\"'|''(?=[^'])|{QUOTE})(?=[^\s,;:)\]}}])|[`“„«]?(?P<word>[^\s\"'`“”«»<>,;()\[\]{{}}=]{{4,}}+))"
)
# A row whose columns name a secret goes as a whole: quotes within its values need not be told apart.
_INSERTED: Final = re.compile(
    r"(?P<before>\b(?:INSERT|REPLACE)\b[^()]{1,300}\((?P<columns>[^()]{1,2000})\)\s{0,4}VALUES\s{0,4})"
    r"\((?!\[masked[^\[\]\n]{0,50}\]\))(?:[^\n]*\)|[^\n]*)(?:\s{0,40},\s{0,40}\([^\n]*+)*+",
    re.IGNORECASE,
)
_PASSWORDS: Final = ("password", "passwd", "pwd")
_LOWER: Final = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_ENTITY_END: Final = re.compile(r"\\*+&(?:quot|apos|lt|gt|\#34|\#39|\#x27)\Z")  # its semicolon ends the word
_PUNCTUATION: Final = ".,:;!?…"
_SPOKEN_VALUE: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])|.*[!$&#^*+~|?@]")
# What has digits or signs, and is none: names of methods, ordinals, placeholders, paths, URLs.
_SPOKEN_OTHER: Final = re.compile(
    r"md[45]|sha-?\d+|s?crypt\d*|bcrypt|argon2\w*|pbkdf2\w*|scram\S*|utf-?\d+|base\d+|oauth2?|v\d[\d.]*|[12]fa|rfc\d+"
    r"|\d+(?:st|nd|rd|th|s|ms|x|kb)|ipv[46]|x509|[/.~].*|.*://.*|[$:]\w{1,12}|%.*|\*+|\W+",
    re.IGNORECASE,
)
_QUOTED_OTHER: Final = re.compile(
    r"%\w|%\(\w+\)s|\$\d+|[$:]\w+|\{{1,2}[^{}]*\}{1,2}|\*+|\.{3}|…|\W|" + MASKED.pattern, re.IGNORECASE
)
_QUERY_WORDS: Final = re.compile(r"(?i:\bwhere\b|\band\b|\bset\b|\bhaving\b)")
_QUOTED_CHARS: Final = 400
# curl -u name:password
_USER: Final = re.compile(
    r"(?P<before>(?<![\w\-])(?:-[a-zA-Z]{0,6}[uU]|--user|--proxy-user)(?:[ =]|[\"'],\s{0,4})?[\"']?"
    r"[^\s:\"'\-][^\s:\"']{0,100}+:)"
    rf"(?P<value>(?:{MASKED_SORT}|[^\s\"',)])++)"
)
_COOKIE: Final = re.compile(
    r"(?P<before>(?<![\w\-])(?:-[a-zA-Z]{0,6}b|--cookie)(?:[ =]|[\"'],\s{0,4})[\"']?)"
    r"(?P<value>[^\s=\"'\-][^\s=\"']{0,100}=[^\"'\n]{1,1000}?)"
    r"(?=[\"']|\s-|\s\w+:|\Z)"
)
# The value sticks to the option: mysql -ps3cret. Digits alone may be a port.
_STUCK: Final = re.compile(
    r"(?P<before>\b(?:mysql\w{0,10}+|mariadb[\w\-]{0,10}+)\b[^\n|;]{0,300}?(?<=[\s\"'])-p)"
    rf"(?P<value>(?!-)(?:{MASKED_SORT}|[^\s\"',)])++)"
    r"|(?P<before2>\b(?:sshpass[\"',\s]{1,4}-p|redis-cli\b[^\n|;]{0,300}?[\s\"']-a)(?:[\"'\\,\s]{0,8}))"
    rf"(?P<value2>(?:{MASKED_SORT}|[^\s\"',)])++)"
    r"|(?P<before3>\b(?:docker|podman|buildah|skopeo|nerdctl|helm|oc|az)\b[^\n|;]{0,100}?\blogin\b[^\n|;]{0,300}?"
    r"(?<=[\s\"'])-p(?:[\"',\s]{1,8}))"
    rf"(?P<value3>(?!-)(?:{MASKED_SORT}|[^\s\"',)])++)"
)
# Comparisons of SQL that need no sign: password LIKE '…', token IN ('…'), lower(token) = lower('…').
_QUERIED: Final = re.compile(
    r"(?<![\w.])(?P<name>[\w.]++)(?:[`\"\]]?\)?\s{1,4}(?:NOT\s{1,4})?(?:(?P<many>IN)\s{0,4}(?=\()|(?:I?LIKE|REGEXP|BETWEEN)\s{1,4})"
    r"|\)\s{0,4}=\s{0,4})(?:[A-Za-z_]{1,30}\()?(?(many)|[NEnebr]?(?=(?P<quote>')))",
    re.IGNORECASE,
)


def has_phrase(text: str, lowered: str) -> bool:
    """Return quickly whether there may be a secret without a sign before it."""
    return (
        "'" in text
        or '"' in text
        or "passw" in lowered
        or "token" in lowered
        or "secret" in lowered
        or "pwd" in lowered
        or "api key" in lowered
    )


def mask_phrases(text: str, keys: SensitiveKeys) -> str:
    """Mask secrets in prose, SQL and command lines."""
    if "VALUES" in text or "values" in text:
        text = _INSERTED.sub(lambda match: _masked_row(match, keys), text)
    if "'" in text and _QUERY_WORDS.search(text):
        text = _mask_queried(text, keys)
    return mask_spoken(mask_commands(text, keys))


def _masked_row(match: Match[str], keys: SensitiveKeys) -> str:
    names = (name.strip(' \t\r\n`"[]\\') for name in match["columns"].split(","))
    return f"{match['before']}({_ROW})" if any(keys.grade(name) is Grade.MASKED for name in names) else match[0]


def mask_commands(text: str, keys: SensitiveKeys) -> str:
    """Mask what options of command lines give."""
    if "-" in text:
        if "--" in text:
            text = _OPTION.sub(lambda match: _masked_option(match, keys), text)
        if "curl" in text:
            text = _COOKIE.sub(_masked_cookie, _USER.sub(_masked_argument, text))
        if "login" in text or "mysql" in text or "mariadb" in text or "sshpass" in text or "redis-cli" in text:
            text = _STUCK.sub(_masked_stuck, text)
    return text


def mask_spoken(text: str, closing: Collection[int] = ()) -> str:
    """Mask what follows a word for a secret: a quoted text, or a word that is none of the language.

    ``closing`` holds where quotes are that close: what follows those is no quotation.
    """
    lowered = text.lower()
    if not _is_spoken_of(lowered):
        return text
    if len(lowered) != len(text):  # some letters beyond ASCII become two: positions must stay
        lowered = text.translate(_LOWER)
    out: list[str] = []
    last = 0
    match = _SPOKEN.search(lowered)
    while match:
        span = _quoted_span(text, match) if match["quote"] else _word_span(text, match)
        if match["quote"] and match.start("quote") in closing:
            span = None
        if span and not _is_parsing(text, match, text[span[0] : span[1]]):
            mask = mask_of(match["name"])
            out += [text[last : span[0]], _PASSWORD if mask == MASK else mask]  # identified by
            last = span[1]
            match = _SPOKEN.search(lowered, last)
        else:
            match = _SPOKEN.search(lowered, match.end("name"))
    return "".join([*out, text[last:]]) if out else text


def _is_spoken_of(lowered: str) -> bool:
    return (
        "pass" in lowered
        or "token" in lowered
        or "secret" in lowered
        or "pwd" in lowered
        or "key" in lowered
        or "credential" in lowered
        or "identified" in lowered
    )


def _quoted_span(text: str, match: Match[str]) -> tuple[int, int] | None:
    start = match.end()
    limit = min(len(text), start + _QUOTED_CHARS)
    end = quote_end(text, start, match["quote"], limit)
    if end >= limit or "\n" in text[start:end] or _QUOTED_OTHER.fullmatch(text, start, end):
        return None
    after = end + len(match["quote"])
    return None if text[after : after + 1].isalnum() else (start, end)


def _word_span(text: str, match: Match[str]) -> tuple[int, int] | None:
    start, end = match.span("word")
    word = _ENTITY_END.sub("", text[start:end]).rstrip(_PUNCTUATION)
    is_secret = is_random(word)
    if not is_secret and match["name"] in _PASSWORDS and _SPOKEN_OTHER.fullmatch(word) is None:
        is_secret = _SPOKEN_VALUE.match(word) is not None
    return (start, start + len(word)) if is_secret else None


def _is_parsing(text: str, match: Match[str], value: str) -> bool:
    if match["name"] != "token" or is_random(value):
        return False
    start = match.start("name")
    return PARSING.search(text[max(0, start - 14) : start]) is not None


def _masked_option(match: Match[str], keys: SensitiveKeys) -> str:
    value = match["value"]
    grade = keys.grade(match["name"])
    held = value.strip("\"'…")
    if not grade or not held or is_mask(held) or (grade is Grade.MASKED_IF_RANDOM and not is_random(value)):
        return match[0]
    quote = value[0] if match["comma"] else ""
    return match[0][: match.start("value") - match.start()] + quote + keys.mask(match["name"]) + quote


def _masked_argument(match: Match[str]) -> str:
    return match[0] if is_mask(match["value"]) else f"{match['before']}{_PASSWORD}"


def _masked_cookie(match: Match[str]) -> str:
    return match[0] if match["value"].startswith("[masked") else f"{match['before']}{mask_for('cookie')}"


def _mask_queried(text: str, keys: SensitiveKeys) -> str:
    """Mask the literals that SQL compares with a sensitive column by a word in place of a sign."""
    out: list[str] = []
    last = 0
    for match in _QUERIED.finditer(text):
        if match.start() < last or keys.grade(match["name"]) is not Grade.MASKED:
            continue
        start = match.end() + 1
        end = text.find(")", start) if match["many"] else quote_end(text, start, "'", len(text))
        held = text[start:end]
        is_list_of_texts = not match["many"] or "'" in held
        if not is_list_of_texts or is_mask(held.strip("%")) or "\n" in held or _QUOTED_OTHER.fullmatch(held):
            continue
        out += [text[last:start], keys.mask(match["name"])]
        last = end if end >= 0 else len(text)
    return "".join([*out, text[last:]]) if out else text


def _masked_stuck(match: Match[str]) -> str:
    before = match["before"] or match["before2"] or match["before3"]
    value = match["value"] or match["value2"] or match["value3"]
    return match[0] if is_mask(value) else f"{before}{_PASSWORD}"
