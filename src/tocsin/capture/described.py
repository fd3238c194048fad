"""Fields, context and arguments of log calls: values go in; those that a describer knows leave as its texts.

So an object given as ``extra`` is told in the words that local variables have for it, also where they are off. What
holds none of them leaves as it came, and all is masked later, as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from time import monotonic
from typing import Any, Final

from tocsin.capture.describers.registry import Known, known_of, load
from tocsin.capture.values import Values
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber

__all__ = ["described_argument", "described_fields"]

_PLAIN: Final = frozenset(map(id, (type(None), bool, int, float, str, bytes, bytearray)))
_LISTS: Final = frozenset(map(id, (list, tuple, set, frozenset)))
_DEFAULT: Final = Scrubber()  # of arguments: the message that they fill is masked by the reporter's own rules besides


def described_fields(fields: Mapping[str, Any], scrubber: Scrubber) -> Mapping[str, Any]:
    """Return the fields with a text for each object that a describer knows; the same mapping if there is none."""
    if not fields or all(id(type(value)) in _PLAIN for value in fields.values()):
        return fields
    load()
    told = _Told(Values(scrubber, deadline=monotonic() + limits.LOCALS_S, is_brief=True))
    return {name: told.of(value, limits.FIELD_DEPTH) for name, value in islice(fields.items(), limits.FIELDS + 1)}


def described_argument(value: object) -> str:
    """Return the text of a log call's argument that is an object, "" of one that no describer knows."""
    known = known_of(type(value))
    if known.describe is None:
        return ""
    return _shown(Values(_DEFAULT, deadline=monotonic() + limits.LOCALS_S, is_brief=True), value, known)


class _Told:
    """Describe what is in one event's fields, at most `FIELD_NODES` values of it."""

    __slots__ = ("_left", "_values")

    def __init__(self, values: Values) -> None:
        self._values = values
        self._left = limits.FIELD_NODES

    def of(self, value: Any, depth: int) -> Any:
        cls = type(value)
        self._left -= 1
        if id(cls) in _PLAIN or self._left <= 0 or depth <= 0:
            return value
        if cls is dict:
            return self._dict(value, depth)
        if id(cls) in _LISTS:
            return self._list(value, depth)
        known = known_of(cls)
        return (_shown(self._values, value, known) or value) if known.describe is not None else value

    def _dict(self, value: dict[Any, Any], depth: int) -> Any:
        if len(value) > limits.FIELD_ITEMS:  # how much of it is left out is counted where it is cut
            return value
        try:
            items = list(value.items())
        except RuntimeError:  # another thread changes it
            return value
        told = [self.of(item, depth - 1) for _, item in items]
        changed = any(new is not old for new, (_, old) in zip(told, items, strict=True))
        # A copy asks each key for its hash, so only of keys that are exact texts.
        if not changed or not all(type(name) is str for name, _ in items):
            return value
        return {name: new for (name, _), new in zip(items, told, strict=True)}

    def _list(self, value: Any, depth: int) -> Any:
        if len(value) > limits.FIELD_ITEMS:
            return value
        try:
            items = list(value)
        except RuntimeError:
            return value
        told = [self.of(item, depth - 1) for item in items]
        return told if any(new is not old for new, old in zip(told, items, strict=True)) else value


def _shown(values: Values, value: Any, known: Known) -> str:
    text = values.first(value)
    return "" if text == known.text else text
