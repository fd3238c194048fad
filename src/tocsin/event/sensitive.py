"""Sensitive names: the name of a field, parameter, header or variable goes in, whether its value is masked leaves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tocsin.event.limits import CACHED_KEYS

__all__ = ["DEFAULT_KEYS", "SensitiveKeys"]

DEFAULT_KEYS: Final = (
    "api",
    "auth",
    "token",
    "key",
    "secret",
    "pass",
    "passwd",
    "pwd",
    "credential",
    "signature",
    "cookie",
    "session",
    "csrf",
    "xsrf",
    "phpsessid",
    "connect.sid",
    "private",
)

# Words that hold a sensitive one by accident. They are cut out before the search, so that `author_token` is
# still masked; `author` is left in `authorization`.
_HARMLESS: Final = re.compile(
    r"author(?!i)|authentic(?!at)|(?:mon|don|tur|jer)key|(?:hoc|joc|hic|whis|tric)key"
    r"|key(?:board|word|note|stroke|stone|frame|point|pad|error)|tokeni[sz]"
    r"|pass(?:enger|age|ive|ion|ed|es|ing|able)|(?:by|com|sur|encom|tres)pass(?!w|phr|code|key)"
    r"|apiece|capit|rapid|therapi|papi|secretar|(?:ob|pos)session"
)
# What such a name ends with tells about the secret, it is not the secret.
_ABOUT: Final = re.compile(r"(?:error|exception|warning|_(?:count|length|len|size|timeout|ttl|type))$")
_NAME_CHARS: Final = 100


class SensitiveKeys:
    """Decide by name whether a value is masked: case-insensitive substrings, ``-`` and ``_`` alike.

    Thread-safe: the cache is a plain dict that is emptied when full.
    """

    def __init__(self, extra: Iterable[str] = ()) -> None:
        own = [_normal(key.strip()) for key in extra if key.strip()]
        self._search = re.compile("|".join(map(re.escape, [*DEFAULT_KEYS, *own]))).search
        self._own = tuple(own)
        self._known: dict[str, bool] = {}
        # The fewest substrings one of which every sensitive name holds: a cheap test of whole texts.
        keys = {_normal(key) for key in (*DEFAULT_KEYS, *own)}
        self.needles: Final = tuple(
            sorted(key for key in keys if not any(other != key and other in key for other in keys))
        )

    def covers(self, name: str) -> bool:
        """Return whether the value of what has this name is masked."""
        known = self._known.get(name)
        if known is None:
            known = self._decide(_normal(name[-_NAME_CHARS:]))
            if len(self._known) >= CACHED_KEYS:
                self._known.clear()
            self._known[name[-_NAME_CHARS:]] = known
        return known

    def occurs_in(self, lowered: str) -> bool:
        """Return whether a sensitive substring is anywhere in a lower-case text."""
        text = lowered.replace("-", "_") if self._own else lowered
        for needle in self.needles:  # noqa: SIM110 - a generator in any() costs twice as much as this loop
            if needle in text:
                return True
        return False

    def _decide(self, name: str) -> bool:
        if any(key in name for key in self._own):
            return True
        return self._search(_HARMLESS.sub("|", name)) is not None and not _ABOUT.search(name)


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")
