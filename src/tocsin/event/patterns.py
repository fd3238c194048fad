"""Secrets recognised by their shape: a text goes in, the same text with those masked leaves. Linear time.

Every expression starts at a literal or behind a look-behind, and repeats possessively or within a stated
bound: the cost grows with the text's length only.
"""

from __future__ import annotations

import re
from re import Match
from typing import Final

__all__ = ["MASK", "has_shape", "mask_shapes"]

MASK: Final = "[masked]"

# Up to the last @ before the path; else, for a password with a slash in it, up to the first @ behind it.
# `host:8080/` is a port, not a password.
_USERINFO: Final = re.compile(
    r"""://([^\s/:@?#"'<>]{0,200}+)(?::(?!\d{1,5}(?:[/?#\s"'>]|\Z))"""
    r"""(?:[^\s/?#"'<>]{1,300}(?=@)|[^\s"'<>@]{1,300}(?=@)))?@"""
)
# No path of a database's URL holds an @, its password may hold anything: up to the last one.
_DSN_USERINFO: Final = re.compile(
    r"""(?<!http)(?<!https)://([^\s/:@?#"'<>]{0,200}+):(?!\d{1,5}(?:[/?#,\s"'>]|\Z))[^\s?#"'<>]{1,300}@""",
    re.IGNORECASE,
)
_PEM: Final = re.compile(r"-----BEGIN[A-Z0-9 +]{1,40}-----.*?(?:-----END[A-Z0-9 +]{1,40}-----|\Z)", re.DOTALL)
_SCHEME: Final = re.compile(r"\b(bearer|basic|negotiate)(\s{1,4}|\+)([A-Za-z0-9._~+/=\-]{6,}+)", re.IGNORECASE)
# A word of the language has none of these; a token has. "Basic authentication" stays.
_TOKEN_LIKE: Final = re.compile(r"\d|.[A-Z]|=|[._~+/\-]\w")
# Of a Digest's parts the only one that opens anything.
_DIGEST: Final = re.compile(r"""(?P<before>\bresponse=(?:\\{0,8}(?:"|&quot;|&\#34;))?)[0-9a-f]{32,128}+""")
_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_\-]{8,}+(?:\.[A-Za-z0-9_\-]*+){0,4}")
# What vendors begin their keys with, so that they can be found.
_VENDOR: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:A[KS]IA[A-Z0-9]{12,}+|gh[opsur]_[A-Za-z0-9]{10,}+|github_pat_\w{10,}+|glpat-[\w\-]{10,}+"
    r"|xox[a-z](?:\.xox[a-z])?-[\w\-]{8,}+|xapp-[\w\-]{10,}+|[rs]k_(?:live|test)_\w{8,}+|whsec_[\w+/=\-]{8,}+"
    r"|sk-(?=[\w\-]{0,64}\d)[\w\-]{20,}+|AIza[\w\-]{20,}+|SG\.[\w\-]{10,}+\.[\w\-]{10,}+|npm_[A-Za-z0-9]{20,}+"
    r"|pypi-AgEI[\w\-]{8,}+|ya29\.[\w.\-]{10,}+)"
)
_UNDERSCORED: Final = re.compile(r"_(?:(?<=gh[opsur]_)|(?<=[rs]k_)(?=live|test)|(?<=npm_)|(?<=_pat_)|(?<=hsec_))")
_DASHED: Final = re.compile(r"-(?:(?<=xox[a-z]-)|(?<=xapp-)|(?<=pypi-)|(?<=glpat-)|(?<=sk-)(?<![A-Za-z0-9]sk-))")
_SHORTEST_VENDOR_KEY: Final = 13
_AWS_ID: Final = re.compile(r"(?<![A-Za-z0-9])A[KS]IA[A-Z0-9]{12}")
_AWS_SECRET: Final = re.compile(
    r"(?:(?<![A-Za-z0-9/+])|(?<=%20)|(?<=%2520)|(?<=[A-Z0-9\]]\+))(?=[^a-z]{0,39}[a-z])(?=[^A-Z]{0,39}[A-Z])[A-Za-z0-9/+]{40}(?![A-Za-z0-9+])"
)
# Whoever knows such a URL may post.
_WEBHOOK: Final = re.compile(
    r"(?P<before>hooks\.slack\.com/(?:services|workflows|triggers)/"
    r"|discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d{1,20}/)[\w/\-]{4,}+"
)
_EMAIL: Final = re.compile(r"(?<![\w.+%\-])[\w.+%\-]++@[\w\-]++(?:\.[\w\-]++)++")
# UUIDs and hashes are matched first so that the digits in them are no card number; a fraction's digits are none either.
_DIGITS: Final = re.compile(
    r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
    r"|(?<![0-9A-Za-z])(?=[0-9]{0,127}[a-f])[0-9a-f]{32,128}(?![0-9A-Za-z])"
    r"|(?<!\d)(?<!\d\.)[0-9](?:[ +\-]?[0-9]){12,}+"
)
_LONG_NUMBER: Final = re.compile(r"[0-9](?:[ +\-]?[0-9]){12}")
_GROUPS: Final = re.compile(r"[0-9]+")
_GROUPS_OF_A_CARD: Final = 6

# What databases and SQLAlchemy quote of a row. A lone number is a row's id, and kept.
_ROW_VALUES: Final = re.compile(
    r"(?P<before>\bKey \([^\n=]{1,200}\)=)\((?!\d{1,10}\))(?:[^\n]*\)|[^\n]*)"
    r"|(?P<entry>Duplicate entry (?P<mark>\\*+'{1,2}|&\#0?39;|&\#x27;|&apos;))[^\n]{0,1000}(?P<for>(?P=mark) for key)"
    r"|(?P<row>Failing row contains )\((?:[^\n]*\)|[^\n]*)"
    r"|(?P<parameters>\[parameters: ).*?(?:\](?=\s*(?:\(Background|\Z))|\Z)",
    re.DOTALL,
)
_ROW_WORDS: Final = ("Key (", "Duplicate entry ", "Failing row contains (", "[parameters: ")


def has_shape(text: str, lowered: str) -> bool:
    """Return quickly whether `mask_shapes` could find anything."""
    return (
        "@" in text
        or "eyJ" in text
        or "-----BEGIN" in text
        or "bearer" in lowered
        or "basic" in lowered
        or "negotiate" in lowered
        or "response=" in text
        # A row's words, one by one: any() over a tuple of them costs more than all that is above.
        or "Key (" in text
        or "Duplicate entry " in text
        or "Failing row contains (" in text
        or "[parameters: " in text
        or _LONG_NUMBER.search(text) is not None
        or (len(text) >= _SHORTEST_VENDOR_KEY and _may_hold_vendor_key(text))
    )


def mask_shapes(text: str) -> str:
    """Mask credentials in URLs, PEM blocks, tokens, JWTs, e-mail addresses, card numbers and row values."""
    if "-----BEGIN" in text:
        text = _PEM.sub(MASK, text)
    if "://" in text:
        text = _DSN_USERINFO.sub(rf"://\1:{MASK}@", text)
        text = _USERINFO.sub(_masked_userinfo, text)
    if any(word in text for word in _ROW_WORDS):
        text = _ROW_VALUES.sub(_masked_row, text)
    text = _SCHEME.sub(_masked_scheme, text)
    if "response=" in text:
        text = _DIGEST.sub(rf"\g<before>{MASK}", text)
    if "eyJ" in text:
        text = _JWT.sub(MASK, text)
    if _may_hold_vendor_key(text):
        text = _without_vendor_keys(text)
    if "@" in text:
        text = _EMAIL.sub(_masked_address, text)
    return _DIGITS.sub(_masked_digits, text)


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
        text = _AWS_SECRET.sub(MASK, text)
    return _WEBHOOK.sub(rf"\g<before>{MASK}", _VENDOR.sub(MASK, text))


def _masked_userinfo(match: Match[str]) -> str:
    # The user of a database helps to mend; alone before the @ it may well be an access token.
    has_password = match.end(1) < match.end() - 1
    return f"://{match[1]}:{MASK}@" if has_password else f"://{MASK}@"


def _masked_scheme(match: Match[str]) -> str:
    if _TOKEN_LIKE.search(match[3]) is None and len(match[3]) < 24:
        return match[0]
    return f"{match[1]}{match[2]}{MASK}"


def _masked_address(match: Match[str]) -> str:
    # `package@1.2.3` is a version.
    return MASK if match[0].rpartition(".")[2][:1].isalpha() else match[0]


def _masked_row(match: Match[str]) -> str:
    if match["entry"]:
        return f"{match['entry']}{MASK}{match['for']}"
    if match["parameters"]:
        return f"{match['parameters']}{MASK}]"
    return f"{match['before'] or match['row']}({MASK})"


def _masked_digits(match: Match[str]) -> str:
    run = match[0]
    if run[8:9] == "-" and len(run) == 36 and run.count("-") == 4 and run[23:24] == "-":
        return run
    if max(run) >= "a":  # a hash
        return run
    groups = list(_GROUPS.finditer(run))
    out, last, first = [], 0, 0
    while first < len(groups):
        end = _card_end(groups, first)
        if end is not None:
            out += [run[last : groups[first].start()], MASK]
            last, first = groups[end].end(), end
        first += 1
    return "".join([*out, run[last:]]) if out else run


def _card_end(groups: list[Match[str]], first: int) -> int | None:
    """Return the index of the group a card number that begins at group ``first`` ends with."""
    if groups[first][0][0] in "01":  # no card begins so; millisecond timestamps do
        return None
    digits = ""
    for index in range(first, min(first + _GROUPS_OF_A_CARD, len(groups))):
        digits += groups[index][0]
        if len(digits) > 19:
            return None
        if len(digits) >= 13 and _passes_luhn(digits):
            return index
    return None


def _passes_luhn(digits: str) -> bool:
    odd = sum(map(int, digits[-1::-2]))
    even = sum(digit * 2 - 9 * (digit > 4) for digit in map(int, digits[-2::-2]))
    return (odd + even) % 10 == 0
