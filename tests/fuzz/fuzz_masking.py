"""Masking: any text goes in. Nothing raises, what leaves stays within its bound, and masking it again changes nothing.

Usage: python tests/fuzz/fuzz_masking.py [-max_total_time=600]
"""

from __future__ import annotations

import json

from fuzzing import Choices, main, watched

with watched():
    from tocsin.event import limits
    from tocsin.event.masking.own_rules import MaskingRule
    from tocsin.event.masking.scrub import Scrubber

_PIECES = (
    "password", "=", ":", " ", "'", '"', "[masked]", "…", "%25", "%3D", "%", "token", "Bearer ", "://u:p@h/", "--",
    "-p",
    "4111111111111111", "-----BEGIN PRIVATE KEY-----", "\n", ",", "{", "}", "(", ")", "[", "]", "\\", "f'", "==",
    "&", "?",
    "#", "is", "secret", "identified by ", "</", "\x00", "\ud800", "é", "curl -u a:b", "eyJhbGciOi.eyJzdWIiO.abc", "\t",
    "sk_live_0123456789abcdef", "AKIAIOSFODNN7EXAMPLE", "Authorization", "Cookie: a=b; c=d", "hunter2", "a", "0",
    "DETAIL:", "[masked: password]", "[masked: ", "API key]", "card 4005212110451", "cache_key", "value=", "name=",
    "&quot;",
    "passphrase: ", "\r\n", "KD-12345678", "PIN 4711", "<input ",
)  # fmt: skip
_SCRUBBER = Scrubber()
_OWN = Scrubber(
    ["pin"],
    [MaskingRule("customer number", r"KD-\d{8}"), MaskingRule("pin", r"PIN (\d{4})", keep=("cache_key",))],
)


def text_of(choices: Choices) -> str:
    """Return a text of pieces that masking looks at."""
    if not choices.number(8):
        return choices.rest().decode("utf-8", "surrogateescape")
    pieces = [
        choices.one(_PIECES) * (1 + (choices.number(8) == 7) * choices.number(40)) for _ in range(choices.number(24))
    ]
    return "".join(pieces)


def try_one(data: bytes) -> None:
    """Raise where a law of masking is broken."""
    choices = Choices(data)
    limit = 10 + choices.number(80)
    text = text_of(choices)
    for mask in (_SCRUBBER.text, _SCRUBBER.source, _SCRUBBER.query, _OWN.text):
        once = mask(text)
        once.encode()
        assert mask(once) == once, f"{mask.__name__} twice: {text!r}"
    _SCRUBBER.url(text).encode()
    cut = _SCRUBBER.text(text, limit)
    assert len(cut) <= limit
    assert _SCRUBBER.text(cut, limit) == cut, f"cut twice at {limit}: {text!r}"
    assert len(_SCRUBBER.query(text)) <= limits.QUERY_CHARS
    _SCRUBBER.headers([("Referer", text), (text, text)], frozenset({"referer", text.lower()}))
    json.dumps(_SCRUBBER.value(text[:8], {text: [text.encode("utf-8", "replace"), text]}), allow_nan=False).encode()


def seeds() -> list[bytes]:
    """Return inputs to begin with."""
    return [b"", *(bytes([30, 1, 9, *range(number, number + 20)]) for number in range(0, 48, 3))]


if __name__ == "__main__":
    main(try_one, seeds())
