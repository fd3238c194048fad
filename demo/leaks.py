"""Looking for secrets: secrets and bytes go in, where one is found and how it was written there leaves.

A secret is looked for as it is and in every encoding a report can put it through, in the bytes as they are and with
line folding undone: quoted-printable and base64 break lines anywhere.
"""

from __future__ import annotations

import base64
import html
import json
import quopri
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

__all__ = ["Leak", "Search", "unseen_encodings"]

_CORE = re.compile(r"[a-z0-9]{8,}")


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """Say that a secret was found."""

    secret: str
    place: str
    encoding: str


class Search:
    """Look for secrets in any number of places."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._needles = [
            (name, encoding, needle) for name, secret in secrets.items() for encoding, needle in _written(secret)
        ]
        self.bytes_searched = 0

    def find(self, place: str, data: bytes) -> set[Leak]:
        """Return what is found in ``data``."""
        self.bytes_searched += len(data)
        views = list(_views(data))
        return {
            Leak(name, place, encoding)
            for name, encoding, needle in self._needles
            if any(needle in view for view in views)
        }


def unseen_encodings() -> list[str]:
    """Return the encodings in which the search misses a secret that is certainly there: none, or it is no proof."""
    secret = 'Bl"ü&<s/w+rd>'  # no part of it is a word, so each encoding is met whole
    search = Search({"sample": secret})
    samples = {
        "raw": secret.encode(),
        "percent": quote(secret, safe="").encode(),
        "form": quote_plus(secret).encode(),
        "html": html.escape(secret).encode(),
        "json": json.dumps(secret).encode(),
        "quoted-printable": quopri.encodestring(b"x" * 65 + secret.encode()),
        **{f"base64, {n} before": base64.encodebytes(b"-" * (50 + n) + secret.encode() + b"-") for n in range(3)},
        "hex": secret.encode().hex().encode(),
    }
    return [name for name, data in samples.items() if not search.find(name, b"before " + data + b" after")]


def _views(data: bytes) -> Iterable[bytes]:
    yield data
    unfolded = re.sub(rb"\r?\n[ \t]?", b"", data)
    yield unfolded  # base64 and folded headers
    if b"=" in data:
        yield quopri.decodestring(data)
        yield re.sub(rb"=\r?\n", b"", data)


def _written(secret: str) -> list[tuple[str, bytes]]:
    """Return (encoding, bytes) for each way of writing a secret; what a part of it gives away is looked for as well."""
    forms: dict[bytes, str] = {}
    parts = {secret, *_CORE.findall(secret)}
    if secret.isdigit():
        fours = [secret[i : i + 4] for i in range(0, len(secret), 4)]
        parts |= {" ".join(fours), "-".join(fours)}
    for part in parts:
        for encoding, needle in _encoded(part):
            forms.setdefault(needle, encoding)
    return [(encoding, needle) for needle, encoding in forms.items()]


def _encoded(text: str) -> Iterable[tuple[str, bytes]]:
    data = text.encode()
    yield "raw", data
    yield "UTF-16", text.encode("utf-16-le")
    for safe in ("", "/", '/+&<>"!@'):
        yield "percent", quote(text, safe=safe).encode()
        yield "percent", quote(quote(text, safe=safe), safe=safe).encode()
    yield "percent", quote_plus(text).encode()
    yield "percent", b"".join(b"%%%02X" % byte for byte in data)
    yield "percent", b"".join(b"%%%02x" % byte for byte in data)
    yield "quoted-printable", b"".join(b"=%02X" % byte for byte in data)
    yield "HTML", html.escape(text).encode()
    yield "HTML", html.escape(text, quote=False).encode()
    yield "HTML", html.escape(text).encode("ascii", "xmlcharrefreplace")
    yield "HTML", "".join(f"&#{ord(c)};" for c in text).encode()
    yield "HTML", "".join(f"&#x{ord(c):x};" for c in text).encode()
    for ascii_only in (True, False):
        once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield "JSON", once.encode()
        yield "JSON", json.dumps(once, ensure_ascii=ascii_only)[1:-1].encode()
    yield "JSON", "".join(f"\\u{ord(c):04x}" for c in text).encode()
    yield "Python", repr(text)[1:-1].encode()
    yield "Python", ascii(text)[1:-1].encode()
    yield "hex", data.hex().encode()
    yield from _base64(data)


def _base64(data: bytes) -> Iterable[tuple[str, bytes]]:
    """Yield what stays the same of a secret's base64 whatever stands around it, for its three alignments."""
    for before in range(3):
        padded = b"\0" * before + data
        first = -(-before * 8 // 6)  # characters that hold bits of what stands before
        last = len(padded) * 8 // 6  # those after it hold bits of what follows
        middle = base64.b64encode(padded)[first:last]
        yield "base64", middle
        yield "base64", middle.translate(bytes.maketrans(b"+/", b"-_"))
