"""Secrets recognised by their shape: a text goes in, the same text with those masked leaves. Linear time.

Every expression starts at a literal or behind a look-behind, and repeats possessively or within a stated
bound: the cost grows with the text's length only.
"""

from __future__ import annotations

import re
from re import Match
from typing import Final

from tocsin.event.masking.marks import MASK, MASKED, MASKED_SORT, is_mask, mask_for
from tocsin.event.masking.rules import VENDORS

__all__ = ["MASK", "has_shape", "mask_card", "mask_shapes", "names_card"]

_PASSWORD: Final = mask_for("password")
_TOKEN: Final = mask_for("token")
_ROW: Final = mask_for("row")
_CARD: Final = mask_for("card number")
_SCHEMES: Final = {"bearer": _TOKEN, "basic": _PASSWORD, "negotiate": mask_for("ticket")}
_VENDOR_MASKS: Final = tuple(mask_for(rule.sort) for rule in VENDORS)

# Up to the last @ before the path; else, for a password with a slash in it, up to the first @ behind it.
# `host:8080/` is a port, not a password.
_USERINFO: Final = re.compile(
    r"""://([^\s/:@?#"'<>]{0,200}+)(?::(?!\d{1,5}(?:[/?#\s"'>]|\Z))"""
    rf"""(?:(?:{MASKED_SORT}|[^\s/?#"'<>]){{1,300}}(?=@)|(?:{MASKED_SORT}|[^\s"'<>@]){{1,300}}(?=@)))?@"""
)
# No path of a database's URL holds an @, its password may hold anything: up to the last one.
_DSN_USERINFO: Final = re.compile(
    r"""(?<!http)(?<!https)://([^\s/:@?#"'<>]{0,200}+):(?!\d{1,5}(?:[/?#,\s"'>]|\Z))"""
    rf"""(?:{MASKED_SORT}|[^\s?#"'<>]){{1,300}}@""",
    re.IGNORECASE,
)
_PEM: Final = re.compile(r"-----? ?BEGIN[A-Z0-9 +]{1,40}-----?.*?(?:-----? ?END[A-Z0-9 +]{1,40}-----?|\Z)", re.DOTALL)
_SCHEME: Final = re.compile(
    r"\b(bearer|basic|negotiate)(\s{1,4}|\+)"
    rf"((?=[A-Za-z0-9._~+/=\-]{{6}}|[\w.~+/=\-]{{0,5}}\[masked: )(?:{MASKED_SORT}|[A-Za-z0-9._~+/=\-])++)",
    re.IGNORECASE,
)
_SMTP_AUTH: Final = re.compile(r"\b(AUTH (?:PLAIN|LOGIN|XOAUTH2|CRAM-MD5) )[A-Za-z0-9+/=]{8,}+")
# A word of the language has none of these; a token has. "Basic authentication" stays.
_TOKEN_LIKE: Final = re.compile(r"\d|.[A-Z]|=|[._~+/\-]\w")
# Of a Digest's parts the only one that opens anything.
_DIGEST: Final = re.compile(r"""(?P<before>\bresponse=(?:\\{0,8}(?:"|&quot;|&\#34;))?)[0-9a-f]{32,128}+""")
_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_\-]{8,}+(?:\.[A-Za-z0-9_\-]*+){0,4}")
# What vendors begin their keys with, so that they can be found.
_VENDOR: Final = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(f'({rule.pattern})' for rule in VENDORS)})")
_UNDERSCORED: Final = re.compile(r"_(?:(?<=gh[opsur]_)|(?<=[rs]k_)(?=live|test)|(?<=npm_)|(?<=_pat_)|(?<=hsec_))")
_DASHED: Final = re.compile(r"-(?:(?<=xox[a-z]-)|(?<=xapp-)|(?<=pypi-)|(?<=glpat-)|(?<=sk-)(?<![A-Za-z0-9]sk-))")
_SHORTEST_VENDOR_KEY: Final = 13
_AWS_ID: Final = re.compile(r"(?<![A-Za-z0-9])A[KS]IA[A-Z0-9]{12}")
_AWS_SECRET: Final = re.compile(
    r"(?:(?<![A-Za-z0-9/+])|(?<=%20)|(?<=%2520)|(?<=[A-Z0-9\]]\+))(?=[^a-z]{0,39}[a-z])(?=[^A-Z]{0,39}[A-Z])[A-Za-z0-9/+]{40}(?![A-Za-z0-9+])"
)
# How the standard library, requests and werkzeug show a cookie.
_COOKIE: Final = re.compile(
    r"(?P<before><(?:Cookie |Morsel: )[^\s=<>]{1,100}=)(?P<value>[^<>\n]{1,2000}?)(?= for |;|>)"
)
# Whoever knows such a URL may post.
_WEBHOOK: Final = re.compile(
    r"(?P<before>hooks\.slack\.com/(?:services|workflows|triggers)/"
    r"|discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d{1,20}/)[\w/\-]{4,}+"
)
_EMAIL: Final = re.compile(r"(?<![\w.+%\-])[\w.+%\-]++@[\w\-]++(?:\.[\w\-]++)++")
_BETWEEN: Final = r"[ +\-\u00a0\u2009\u202f\u2010-\u2013]"  # groups of digits: blanks and dashes of print too
# UUIDs and hashes are matched first so that the digits in them are no card number; a fraction's digits are none either.
_DIGITS: Final = re.compile(
    r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
    r"|(?<![0-9A-Za-z])(?=[0-9]{0,127}[a-f])[0-9a-f]{32,128}(?![0-9A-Za-z])"
    r"|(?<![\d.])[2-9]\d{3}([._])\d{4}\1\d{4}\1\d{4}(?![\d.])"
    rf"|(?<!\d)(?<!\d\.)[0-9](?:{_BETWEEN}?[0-9]){{11,}}+"
)
_LONG_NUMBER: Final = re.compile(rf"[0-9](?:{_BETWEEN[:-1]}._]?[0-9]){{11}}")
_GROUPS: Final = re.compile(r"[0-9]+")
_GROUPS_OF_A_CARD: Final = 6
# ISO/IEC 7812-1 allows up to 19 digits. In use are 14 (Diners Club), 15 (American Express), 16 (most) to 19 (UnionPay,
# Maestro); 12 and 13 only as Maestro's and Visa's of old. 13 digits are far more often an EAN, of which one in ten
# passes the check: so few need a word for a card before them.
_FEWEST_DIGITS: Final = 12
_FEWEST_DIGITS_ALONE: Final = 14
_MOST_DIGITS: Final = 19
_CARD_WORD: Final = re.compile(
    r"(?<![A-Za-z])(?:(?:credit|debit|bank|payment)?cards?|pan|visa|maestro|cc)(?:_?(?:number|num|nr|no))?(?![A-Za-z])",
    re.IGNORECASE,
)
_CARD_WORD_CHARS: Final = 32

# What databases and SQLAlchemy quote of a row. A lone number is a row's id, and kept.
_ROW_VALUES: Final = re.compile(
    r"(?P<before>\bKey \([^\n=]{1,200}\)=|(?<=[ »])\([a-z_\"][\w ,\"]{0,199}+\)=)\((?!\d{1,10}\))"
    r"(?:.{0,1000}?\)(?= (?:already exists|is not present in|is still referenced|conflicts with))|[^\n]*\)|[^\n]*)"
    r"|(?P<entry>Duplicate entry (?P<mark>\\*+'{1,2}|&\#0?39;|&\#x27;|&apos;))[^\n]{0,1000}(?P<for>(?P=mark) for key)"
    r"|(?P<row>Failing row contains )\((?:.{0,2000}?\)(?=\.\s{0,4}(?:\n|\Z))|[^\n]*\)|[^\n]*)"
    r"|(?P<arguments>; args=|\[(?:generated in|cached since|no key|raw sql|caching disabled)[^\]\n]{0,40}\] )"
    r"(?=[\[({])(?!\[masked)(?![\[({](?:(?:'\w{1,60}': )?\d{1,10},?\s?){0,20}+[\])}](?:; alias=|\s*\Z))"
    r".{0,20000}?(?=; alias=|\n|\Z)"
    r"|(?P<parameters>\[parameters: ).*?(?:\](?=\s*(?:\(Background|\Z))|\Z)",
    re.DOTALL,
)
# Such a row has been masked already; nothing but the mask is in it.
_IS_MASKED_ROW: Final = re.compile(
    rf"(?:(?:Key )?\([^\n=]{{1,200}}\)=|Failing row contains )\({MASKED.pattern}\)|\[parameters: {MASKED.pattern}\]"
    rf"|Duplicate entry (?P<mark>\W{{1,9}}){MASKED.pattern}(?P=mark) for key"
)
# What SQLAlchemy logs of a statement's arguments.
_ECHOED: Final = re.compile(r"\[(?:generated in|cached since|no key|raw sql|caching disabled)")


def has_shape(text: str, lowered: str) -> bool:
    """Return quickly whether `mask_shapes` could find anything."""
    return (
        "@" in text
        or "eyJ" in text
        or "BEGIN " in text
        or "bearer" in lowered
        or "basic" in lowered
        or "negotiate" in lowered
        or "response=" in text
        or _may_hold_row(text)
        or ("<" in text and ("<Cookie " in text or "<Morsel: " in text))
        or "AUTH " in text
        or _LONG_NUMBER.search(text) is not None
        or (len(text) >= _SHORTEST_VENDOR_KEY and _may_hold_vendor_key(text))
    )


def mask_shapes(text: str) -> str:
    """Mask credentials in URLs, PEM blocks, tokens, JWTs, e-mail addresses, card numbers and row values."""
    if "---BEGIN" in text or "--- BEGIN" in text:
        text = _PEM.sub(_masked_block, text)
    if "://" in text:
        text = _DSN_USERINFO.sub(_masked_dsn, text)
        text = _USERINFO.sub(_masked_userinfo, text)
    if _may_hold_row(text):
        text = _ROW_VALUES.sub(_masked_row, text)
    text = _SCHEME.sub(_masked_scheme, text)
    if "AUTH " in text:
        text = _SMTP_AUTH.sub(rf"\1{_PASSWORD}", text)
    if "<Cookie " in text or "<Morsel: " in text:
        text = _COOKIE.sub(rf"\g<before>{mask_for('cookie')}", text)
    if "response=" in text:
        text = _DIGEST.sub(rf"\g<before>{mask_for('digest')}", text)
    if "eyJ" in text:
        text = _JWT.sub(mask_for("JWT"), text)
    if _may_hold_vendor_key(text):
        text = _without_vendor_keys(text)
    if "@" in text:
        text = _EMAIL.sub(_masked_address, text)
    return _DIGITS.sub(_masked_digits, text)


def names_card(name: str) -> bool:
    """Return whether a name says that its value is a card's number."""
    return _CARD_WORD.search(name) is not None


def mask_card(value: str) -> str:
    """Mask what a name says is a card number, or holds one: there 12 and 13 digits count too."""
    return _DIGITS.sub(lambda match: _masked_digits(match, _FEWEST_DIGITS), value)


def _may_hold_row(text: str) -> bool:
    # Word by word: any() over a tuple of them costs more than all the rest of `has_shape`.
    return (
        ")=(" in text
        or "Duplicate entry " in text
        or "Failing row contains (" in text
        or "[parameters: " in text
        or "; args=" in text
        or ("] " in text and _ECHOED.search(text) is not None)
    )


def _may_hold_vendor_key(text: str) -> bool:
    return (
        ("_" in text and _UNDERSCORED.search(text) is not None)
        or ("-" in text and _DASHED.search(text) is not None)
        or "KIA" in text
        or "SIA" in text
        or "AIza" in text
        or "SG." in text
        or "ya29." in text
        or "hooks" in text
    )


def _without_vendor_keys(text: str) -> str:
    if _AWS_ID.search(text):  # the secret half has no mark of its own
        text = _AWS_SECRET.sub(mask_for("AWS key"), text)
    text = _VENDOR.sub(lambda match: _VENDOR_MASKS[(match.lastindex or 1) - 1], text)
    return _WEBHOOK.sub(rf"\g<before>{mask_for('webhook')}", text)


def _masked_block(match: Match[str]) -> str:
    return mask_for("private key" if "PRIVATE" in match[0][:60] else "PEM block")


def _masked_dsn(match: Match[str]) -> str:
    held = match[0][match.end(1) - match.start() + 1 : -1]
    return match[0] if is_mask(held) or not held.strip("*") else f"://{match[1]}:{_PASSWORD}@"


def _masked_userinfo(match: Match[str]) -> str:
    password = match[0][3:-1].partition(":")[2]
    if is_mask(password or match[1]) or (password and not password.strip("*")):  # a plain one, of before; stars
        return match[0]
    # The user of a database helps to mend; alone before the @ it may well be an access token.
    has_password = match.end(1) < match.end() - 1
    return f"://{match[1]}:{_PASSWORD}@" if has_password else f"://{mask_for('user')}@"


def _masked_scheme(match: Match[str]) -> str:
    if is_mask(match[3]) or (_TOKEN_LIKE.search(match[3]) is None and len(match[3]) < 24):
        return match[0]
    return f"{match[1]}{match[2]}{_SCHEMES[match[1].lower()]}"


def _masked_address(match: Match[str]) -> str:
    # `package@1.2.3` is a version.
    return mask_for("e-mail address") if match[0].rpartition(".")[2][:1].isalpha() else match[0]


def _masked_row(match: Match[str]) -> str:
    if _IS_MASKED_ROW.fullmatch(match[0]):
        return match[0]
    if match["entry"]:
        return f"{match['entry']}{_ROW}{match['for']}"
    if match["parameters"]:
        return f"{match['parameters']}{mask_for('parameters')}]"
    if match["arguments"]:
        return f"{match['arguments']}{mask_for('parameters')}"
    return f"{match['before'] or match['row']}({_ROW})"


def _masked_digits(match: Match[str], fewest: int = 0) -> str:
    run = match[0]
    if run[8:9] == "-" and len(run) == 36 and run.count("-") == 4 and run[23:24] == "-":
        return run
    if run.isalnum() and max(run) >= "a":  # a hash
        return run
    if not fewest:
        start = match.start()
        is_told = _CARD_WORD.search(match.string, max(0, start - _CARD_WORD_CHARS), start) is not None
        fewest = _FEWEST_DIGITS if is_told else _FEWEST_DIGITS_ALONE
    groups = list(_GROUPS.finditer(run))
    out, last, first = [], 0, 0
    while first < len(groups):
        end = _card_end(groups, first, fewest)
        if end is not None:
            out += [run[last : groups[first].start()], _CARD]
            last, first = groups[end].end(), end
        first += 1
    return "".join([*out, run[last:]]) if out else run


def _card_end(groups: list[Match[str]], first: int, fewest: int) -> int | None:
    """Return the index of the group a card number that begins at group ``first`` ends with."""
    if groups[first][0][0] in "01":  # no card begins so; millisecond timestamps do
        return None
    digits = ""
    for index in range(first, min(first + _GROUPS_OF_A_CARD, len(groups))):
        digits += groups[index][0]
        if len(digits) > _MOST_DIGITS:
            return None
        if len(digits) >= fewest and _passes_luhn(digits):
            return index
    return None


def _passes_luhn(digits: str) -> bool:
    odd = sum(map(int, digits[-1::-2]))
    even = sum(digit * 2 - 9 * (digit > 4) for digit in map(int, digits[-2::-2]))
    return (odd + even) % 10 == 0
