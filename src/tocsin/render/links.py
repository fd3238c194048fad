"""A URL of an event goes in; one that no page, markup, mail or chat can be made to misread leaves, or none."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

__all__ = ["safe_url"]

_URL_CHARS: Final = 2_000  # past it some reader or other cuts
_HTTP: Final = re.compile(r"(https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?)(/.*)?", re.IGNORECASE | re.DOTALL)
_ENCODED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_RUN: Final = re.compile(r"_{2,}|~{2,}")  # chats and Textile take them for emphasis, even in a URL


def safe_url(url: str) -> str:
    """Return a link of http or https, of ASCII letters, digits and ``/.:?#=&+-_~%,;`` only; "" for any other.

    All else is percent-encoded (RFC 3986 §2.1), which leaves it the same link for the forge. Nobody's name or password
    stands before the host, since readers take that for the host. Law: safe_url(safe_url(u)) == safe_url(u).
    """
    found = _HTTP.fullmatch(url) if len(url) <= _URL_CHARS else None
    if found is None:
        return ""
    path = _ENCODED.sub("%25", found[2] or "/")
    shown = quote(path.encode("utf-8", "backslashreplace"), safe="/.:?#=&+-_~%,;")
    return found[1] + _RUN.sub(lambda match: match[0][0] + f"%{ord(match[0][0]):02X}" * (len(match[0]) - 1), shown)
