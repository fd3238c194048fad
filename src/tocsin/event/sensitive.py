"""Sensitive names: the name of a field, parameter, header or variable goes in, whether its value is masked leaves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from tocsin.event.limits import CACHED_KEYS

__all__ = ["DEFAULT_KEYS", "Grade", "SensitiveKeys"]

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
    "connect_sid",
    "private",
)

# Words that hold a sensitive one by accident. They are cut out before the search, so that `author_token` is
# still masked; `author` is left in `authorization`.
_HARMLESS: Final = re.compile(
    r"author(?!i)|authorit|authentic(?!at)|(?:mon|don|turn?|jer)key|(?:hoc|joc|hic|whis|tric)key"
    r"|key(?:board|word|note|stroke|stone|frame|point|pad|error)|tokeni[sz]"
    r"|pass(?:enger|age|ive|ion|ed|es|ing|able)|(?:by|com|sur|encom|tres)pass(?!w|phr|code|key)"
    r"|apiece|capit|rapid|therapi|papi|secretar|(?:ob|pos)session"
)
# What such a name ends with tells about the secret, it is not the secret.
_ABOUT: Final = re.compile(r"(?:error|exception|warning|_(?:count|length|len|size|timeout|ttl|type))$")
# The same for names in prose and code, where a setting's name is met more often than a secret's.
_ABOUT_IN_TEXT: Final = re.compile(
    r"_(?:version|urls?|uri|endpoint|method|backends?|names?|fields?|columns?|domain|types?|class|algorithm|scheme|"
    r"hosts?|port|path|dir|file|format|policy|limit|prefix|func|enabled|required|expired|valid|invalid|"
    r"expires|expiry|age|status|attempts|retries|index|scopes?|provider|engine|module|plugin|middleware|created|"
    r"updated|region)$|^(?:is|has|num|max|min|total)_\w*?(?<!password)(?<!secret)(?<!token)(?<!key)$"
)
# Abbreviations too short to be looked for anywhere in a name.
_SHORT: Final = re.compile(r"(?:^|[_.])(?:pw\d{0,2}|sig)$|^pw_")
_CAMEL_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# What an object is called that holds a value; the part of the name before it counts.
_HOLDERS: Final = frozenset(
    {"value", "values", "text", "data", "raw", "default", "current", "plain", "content", "string", "new", "old", "id"}
)
_WITHOUT_KEY: Final = re.compile("|".join(re.escape(key) for key in DEFAULT_KEYS if key != "key"))
_ORDINARY_KEY: Final = re.compile(
    r"(?:(?:\w*_)?(?:routing|cache|primary|foreign|sort|partition|range|hash|group|order|object|bucket|row|column|"
    r"unique|composite|natural|surrogate|public|dict|dictionary|map|lookup|index|config|setting|settings|field|form|"
    r"translation|message|topic|queue|binding|join|parent|child|candidate|record|entity|item|data|metric|event|"
    r"feature|idempotency|dedup|sharding|shard|unknown|missing|duplicate|invalid|extra|sub|json|env|header|tag|label|"
    r"attribute|property|other|old|new|first|last|next|prev|max|min|num|n|current|wrong|expected|by|this|the)_)?"
    r"keys?\d{0,2}|(?:\w*_)?key_?(?:space|map|code|ring|chain|cloak|gen|bind|binding|set|store|server|value|val|by|id|name|type|size|length|"
    r"list|view|table|fn)s?|(?:pkey|fkey|subkey|multikey|hotkey)s?"
)
_NAME_CHARS: Final = 100


class Grade(IntEnum):
    """Say what becomes of the value behind a name in prose or code."""

    KEPT = 0
    MASKED_IF_RANDOM = 1  # `key=…`: far more often a dictionary's than a door's
    MASKED = 2


class SensitiveKeys:
    """Decide by name whether a value is masked: case-insensitive substrings, ``-`` and ``_`` alike.

    Thread-safe: the caches are plain dicts that are emptied when full.
    """

    def __init__(self, extra: Iterable[str] = ()) -> None:
        own = [_normal(key.strip()) for key in extra if key.strip()]
        self._search = re.compile("|".join(map(re.escape, [*DEFAULT_KEYS, *own]))).search
        self._own = tuple(own)
        self._known: dict[str, bool] = {}
        self._graded: dict[str, Grade] = {}
        # The fewest substrings one of which every sensitive name holds: a cheap test of whole texts.
        keys = {"pw", "sig=", *map(_normal, DEFAULT_KEYS), *own}
        self.needles: Final = tuple(
            sorted(key for key in keys if not any(other != key and other in key for other in keys))
        )

    def covers(self, name: str) -> bool:
        """Return whether the value of what has this name is masked in structured data."""
        known = self._known.get(name)
        if known is None:
            known = self._decide(_normal(name[-_NAME_CHARS:]))
            if len(self._known) >= CACHED_KEYS:
                self._known.clear()
            self._known[name[-_NAME_CHARS:]] = known
        return known

    def grade(self, name: str) -> Grade:
        """Return what becomes of a value of this name in prose or code, where `covers` would hide too much.

        Of a dotted name the last part counts: ``api.example.org`` is a host.
        """
        known = self._graded.get(name)
        if known is None:
            known = self._graded_anew(name[-_NAME_CHARS:])
            if len(self._graded) >= CACHED_KEYS:
                self._graded.clear()
            self._graded[name[-_NAME_CHARS:]] = known
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
        if _ABOUT.search(name):
            return False
        return self._search(_HARMLESS.sub("|", name)) is not None or _SHORT.search(name) is not None

    def _graded_anew(self, name: str) -> Grade:
        whole, humps = _normal(name), _normal(_CAMEL_HUMP.sub("_", name))
        if any(key in whole for key in self._own) or "connect.sid" in whole:
            return Grade.MASKED
        last, last_humps = _last_part(whole), _last_part(humps)
        if _SHORT.search(last_humps):
            return Grade.MASKED
        if not self._decide(last) or _ABOUT.search(last_humps) or _ABOUT_IN_TEXT.search(last_humps):
            return Grade.KEPT
        if _WITHOUT_KEY.search(_HARMLESS.sub("|", whole)) or _ORDINARY_KEY.fullmatch(last_humps) is None:
            return Grade.MASKED
        return Grade.MASKED_IF_RANDOM


def _last_part(name: str) -> str:
    parts = [part for part in name.split(".") if part]
    while len(parts) > 1 and parts[-1] in _HOLDERS:
        parts.pop()
    return parts[-1] if parts else ""


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")
