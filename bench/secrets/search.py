"""Looking for secrets: bytes go in, their text with every usual encoding undone leaves, in which parts are found.

A part is a run of ASCII letters and digits: no encoding but base64 and hex writes those differently. So the bytes are
decoded once, and not each secret encoded in forty ways.
"""

from __future__ import annotations

import base64
import html
import quopri
import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote, unquote

__all__ = ["holds", "parts_of", "readable", "unseen_encodings"]

_PART: Final = re.compile(r"[A-Za-z0-9]{7,}")
_GROUPED: Final = re.compile(r"\d{4}[ \-]\d{4}")
_PARTS: Final = 6
_FOLDED: Final = re.compile(rb"=?\r?\n[ \t]?")
_JSON_ESCAPE: Final = re.compile(r"\\+u([0-9a-fA-F]{4})|\\+x([0-9a-fA-F]{2})")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_\-]{16,}")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}){8,}")
_ROUNDS: Final = 2
_SAFE: Final = str.maketrans("-_", "+/")


def parts_of(secret: str) -> tuple[str, ...]:
    """Return what must not leave of a secret: its first and last runs of letters and digits, in lower case."""
    runs = [run.lower() for run in (*_PART.findall(secret), *_GROUPED.findall(secret))]
    if not runs:
        raise ValueError("nothing of this secret can be looked for")
    return tuple(dict.fromkeys([*runs[: _PARTS // 2], *runs[-_PARTS // 2 :]]))


def holds(text: str, parts: Iterable[str]) -> bool:
    """Tell whether any part is in a text that `readable` returned."""
    return any(part in text for part in parts)


def readable(data: bytes) -> str:
    """Return all that anybody could read from the bytes: as they are, unfolded, decoded; in lower case."""
    views = [data]
    if b"\0" in data:
        views.append(data.replace(b"\0", b""))  # UTF-16, of which only ASCII is looked for
    if b"\n" in data:
        views.append(_FOLDED.sub(b"", data))
    texts = [view.decode("utf-8", "replace") for view in views]
    found = texts[:]
    for _ in range(_ROUNDS):
        texts = [_decoded(text) for text in texts]
        found += texts
    return "\n".join(found).lower()


def _decoded(text: str) -> str:
    if "%" in text:
        text = unquote(text)
    if "&" in text:
        text = html.unescape(text)
    if "\\" in text:
        text = _JSON_ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
    more = [_plain(run) for run in _BASE64.findall(text)]
    more += [bytes.fromhex(run).decode("latin-1") for run in _HEX.findall(text)]
    return "\n".join([text, *more])


def _plain(run: str) -> str:
    """Return what a run of base64 holds, whichever of its letters the encoding began with."""
    run = run.translate(_SAFE)
    return "\n".join(
        base64.b64decode(run[start : start + (len(run) - start) // 4 * 4]).decode("latin-1") for start in range(4)
    )


def unseen_encodings(parts: Sequence[str]) -> list[str]:
    """Return the encodings in which a secret that is certainly there is missed: none, or the search proves nothing."""
    secret = parts[0]
    data = f'x"{secret}"ü'.encode()
    samples = {
        "as it is": data,
        "percent": quote(data, safe="").encode(),
        "percent twice": quote(quote(data, safe=""), safe="").encode(),
        "every byte percent": b"".join(b"%%%02x" % byte for byte in data),
        "HTML": "".join(f"&#{ord(sign)};" for sign in secret).encode(),
        "JSON": "".join(f"\\u{ord(sign):04x}" for sign in secret).encode(),
        "JSON in JSON": "".join(f"\\\\u{ord(sign):04x}" for sign in secret).encode(),
        "quoted-printable": quopri.encodestring(b"x" * 70 + data),
        "folded": data[:6] + b"\r\n " + data[6:],
        "UTF-16": secret.encode("utf-16-le"),
        "hex": data.hex().encode(),
        **{f"base64, {before} before": base64.b64encode(b"-" * before + data) for before in range(3)},
        "base64, folded": base64.encodebytes(b"-" * 50 + data),
        "base64 in base64": base64.b64encode(base64.b64encode(data)),
    }
    return [name for name, sample in samples.items() if not holds(readable(b"before " + sample + b" after"), [secret])]
