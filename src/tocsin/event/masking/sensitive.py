"""Sensitive names: the name of a field, parameter, header or variable goes in, whether its value is masked leaves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, TypeVar

from tocsin.event.limits import CACHED_KEYS
from tocsin.event.masking.marks import MASK, mask_for
from tocsin.event.masking.own_rules import MaskingRule
from tocsin.event.masking.rules import (
    DEFAULT_KEYS,
    HARMLESS,
    NAMES,
    ORDINARY_KEYS,
    ORDINARY_KEYS_IN_TEXT,
    SETTINGS_OF_SECRETS,
    SHORT_NAMES,
)

__all__ = ["DEFAULT_KEYS", "Grade", "SensitiveKeys", "mask_of"]

_HARMLESS: Final = re.compile("|".join(HARMLESS))
# What such a name ends with tells about the secret, it is not the secret.
_ABOUT: Final = re.compile(r"(?:error|exception|warning|_(?:count|length|len|size|timeout|ttl|type))$")
# The same for names in prose and code, where a setting's name is met more often than a secret's.
_ABOUT_IN_TEXT: Final = re.compile("|".join(SETTINGS_OF_SECRETS))
_SHORT: Final = re.compile(rf"(?:^|[_.])(?:{'|'.join(word for rule in SHORT_NAMES for word in rule.words)})$|^pw_")
_SHORTS: Final = tuple((rule.sort, re.compile(rf"(?:^|[_.])(?:{'|'.join(rule.words)})$|^pw_")) for rule in SHORT_NAMES)
_CAMEL_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# What an object is called that holds a value; the part of the name before it counts.
_HOLDERS: Final = frozenset(
    {"value", "values", "text", "data", "raw", "default", "current", "plain", "content", "string", "new", "old", "id"}
)
_WITHOUT_KEY: Final = re.compile("|".join(re.escape(key) for key in DEFAULT_KEYS if key != "key"))
_ORDINARY_ENDS: Final = (
    r"(?:\w*_)?key_?(?:space|map|code|ring|chain|cloak|gen|bind|binding|set|store|server|value|val|by|id|name|type|size|"
    r"length|list|view|table|fn)s?|(?:pkey|fkey|subkey|multikey|hotkey)s?"
)
_ORDINARY_KEY: Final = re.compile(rf"(?:\w*_)?(?:{'|'.join(ORDINARY_KEYS)})_keys?\d{{0,2}}")
_ORDINARY_KEY_IN_TEXT: Final = re.compile(
    rf"(?:(?:\w*_)?(?:{'|'.join([*ORDINARY_KEYS, *ORDINARY_KEYS_IN_TEXT])})_)?keys?\d{{0,2}}|{_ORDINARY_ENDS}"
)
_NAME_CHARS: Final = 100


class Grade(IntEnum):
    """Say what becomes of the value behind a name."""

    KEPT = 0
    MASKED_IF_RANDOM = 1  # `key=…`: far more often a dictionary's than a door's
    MASKED = 2


class SensitiveKeys:
    """Decide by name whether a value is masked: case-insensitive substrings, ``-`` and ``_`` alike.

    ``rules`` add names by their ``keys`` and take some out by ``keep``. Thread-safe: the caches are plain dicts that
    are emptied when full.
    """

    def __init__(self, extra: Iterable[str] = (), rules: Iterable[MaskingRule] = ()) -> None:
        rules = tuple(rules)
        own = {_normal(key.strip()): key.strip() for key in extra if key.strip()}
        for rule in rules:
            own |= {_normal(key): rule.name or key for key in rule.keys}
        self._kept = frozenset(_normal(name) for rule in rules for name in rule.keep)
        self._search = re.compile("|".join(map(re.escape, [*DEFAULT_KEYS, *own]))).search
        self._own = own
        self._known: dict[str, bool] = {}
        self._graded: dict[str, Grade] = {}
        self._structured: dict[str, Grade] = {}
        self._masks: dict[str, str] = {}
        # The fewest substrings one of which every sensitive name holds: a cheap test of whole texts.
        keys = {"pw", "sig=", *map(_normal, DEFAULT_KEYS), *own}
        self.needles: Final = tuple(
            sorted(key for key in keys if not any(other != key and other in key for other in keys))
        )

    def covers(self, name: str) -> bool:
        """Return whether what has this name is looked upon as a secret, by the strictest of rules: any part of it."""
        known = self._known.get(name)
        if known is None:
            known = self._decide(_normal(name[-_NAME_CHARS:]))
            _remember(self._known, name, known)
        return known

    def grade(self, name: str) -> Grade:
        """Return what becomes of a value of this name in prose or code, where `covers` would hide too much.

        Of a dotted name the last part counts: ``api.example.org`` is a host.
        """
        known = self._graded.get(name)
        if known is None:
            known = self._graded_anew(name[-_NAME_CHARS:])
            _remember(self._graded, name, known)
        return known

    def structured(self, name: str) -> Grade:
        """Return what becomes of a value of this name in fields, JSON, queries, headers, dicts.

        Any part of a name counts, but settings that tell of a secret and ordinary keys only hide what looks random.
        """
        known = self._structured.get(name)
        if known is None:
            known = self._structured_anew(name[-_NAME_CHARS:])
            _remember(self._structured, name, known)
        return known

    def mask(self, name: str) -> str:
        """Return what stands for a value of this name: ``[masked: password]``."""
        known = self._masks.get(name)
        if known is None:
            whole = _normal(name[-_NAME_CHARS:])
            own = next((sort for key, sort in self._own.items() if key in whole), "")
            known = mask_for(own) if own else mask_of(whole)
            _remember(self._masks, name, known)
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
        if _ABOUT.search(name) or name in self._kept:
            return False
        return self._search(_HARMLESS.sub("|", name)) is not None or _SHORT.search(name) is not None

    def _graded_anew(self, name: str) -> Grade:
        whole, humps = _normal(name), _normal(_CAMEL_HUMP.sub("_", name)).lstrip("_")  # --max-tokens=7
        if any(key in whole for key in self._own):
            return Grade.MASKED
        if whole in self._kept:
            return Grade.KEPT
        if "connect.sid" in whole:
            return Grade.MASKED
        last, last_humps = _last_part(whole), _last_part(humps)
        if last in self._kept:
            return Grade.KEPT
        if _SHORT.search(last_humps):
            return Grade.MASKED
        if not self._decide(last) or _ABOUT.search(last_humps) or _ABOUT_IN_TEXT.search(last_humps):
            return Grade.KEPT
        if _WITHOUT_KEY.search(_HARMLESS.sub("|", whole)) or _ORDINARY_KEY_IN_TEXT.fullmatch(last_humps) is None:
            return Grade.MASKED
        return Grade.MASKED_IF_RANDOM

    def _structured_anew(self, name: str) -> Grade:
        whole, humps = _normal(name), _normal(_CAMEL_HUMP.sub("_", name)).replace(".", "_").lstrip("_")
        if any(key in whole for key in self._own):
            return Grade.MASKED
        if not self._decide(whole):
            return Grade.KEPT
        is_ordinary = _ORDINARY_KEY.fullmatch(humps) and not _WITHOUT_KEY.search(_HARMLESS.sub("|", whole))
        return Grade.MASKED_IF_RANDOM if is_ordinary or _ABOUT_IN_TEXT.search(humps) else Grade.MASKED


def mask_of(name: str) -> str:
    """Return what stands for a value of this name by the default table, `MASK` if it holds none of its words."""
    bare = _HARMLESS.sub("|", _normal(name))
    for rule in NAMES:
        for word in rule.words:
            if word in bare:
                return mask_for(rule.sort)
    return next((mask_for(sort) for sort, short in _SHORTS if short.search(bare)), MASK)


_Known = TypeVar("_Known")


def _remember(known: dict[str, _Known], name: str, value: _Known) -> None:
    if len(known) >= CACHED_KEYS:
        known.clear()
    known[name[-_NAME_CHARS:]] = value


def _last_part(name: str) -> str:
    parts = [part for part in name.split(".") if part]
    while len(parts) > 1 and parts[-1] in _HOLDERS:
        parts.pop()
    return parts[-1] if parts else ""


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")
