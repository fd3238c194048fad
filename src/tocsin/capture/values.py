"""Values of local variables: any object goes in, its text leaves. Nothing is asked of it, no foreign code runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import islice
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final, TypeAlias
from uuid import UUID

from tocsin.capture.plain import is_plain_path
from tocsin.event.limits import CACHED_KEYS, CACHED_TYPES, LOCAL_CHARS, LOCAL_DEPTH, LOCAL_ITEMS, LOCAL_TEXT_CHARS
from tocsin.event.patterns import MASK
from tocsin.event.scrub import Scrubber
from tocsin.event.typename import describe_value, type_name

__all__ = ["Key", "Values", "is_empty", "named"]

_SMALL: Final = 10**18
_INT_BITS: Final = 256
_DECIMAL_BYTES: Final = 256
_LOOKED_AT_CHARS: Final = LOCAL_TEXT_CHARS + 512  # past a cut, so that what marks a secret is not cut off it
_REPR_CHARS: Final = LOCAL_TEXT_CHARS + LOCAL_TEXT_CHARS // 2  # escapes make a text longer, up to ten times
_WORD_CHARS: Final = 30  # a text that is short enough even with each character escaped

# How a dict's key is shown, the whole part where its value is masked (else ""), whether it can't hold a secret itself.
Key: TypeAlias = tuple[str, str, bool]

# By id: the hash of a class, and comparing two, is the metaclass's to define. The class in the value keeps the id
# from being given out again.
_names: dict[int, tuple[type, str]] = {}


class Values:
    """Make texts of values, one variable after the other. ``left`` is how many characters the present one may have.

    Each value and each container costs some of them, so they bound the steps as well. What is too long is cut before
    it is looked at. Values of masked names, in dicts as well, become ``[masked]``; what has a secret's shape is left
    to the caller, who looks at many texts at once.
    """

    __slots__ = ("_covers", "_keys", "_mask", "_name", "left", "masked")

    def __init__(
        self, scrubber: Scrubber, keys: dict[str, Key] | None = None, hidden: frozenset[str] = frozenset()
    ) -> None:
        """``keys`` is where keys of dicts are kept from one event to the next; ``hidden`` ones are masked besides."""
        self._covers = (lambda name: name in hidden or scrubber.covers(name)) if hidden else scrubber.covers
        self._keys = {} if keys is None or hidden else keys
        self._mask = scrubber.text
        self._name = scrubber.name
        self.left = LOCAL_CHARS
        self.masked: set[str] = set()  # the parts of dicts that were masked by name

    def first(self, value: Any) -> str:
        """Return the text of a variable's value, with room of its own."""
        self.left = LOCAL_CHARS
        return self.text(value)

    def text(self, value: Any, depth: int = LOCAL_DEPTH) -> str:
        """Return ``repr(value)`` of an exact builtin type, bounded; ``<module.Type>`` of everything else."""
        cls = type(value)
        if cls is str and len(value) <= _WORD_CHARS:
            text = repr(value)
        elif cls is str or cls is bytes:
            text = repr(value) if len(value) <= LOCAL_TEXT_CHARS else self._start(value)
            if len(text) > _REPR_CHARS:
                text = self._mask(text, LOCAL_TEXT_CHARS)
        elif cls is int:
            text = repr(value) if -_SMALL < value < _SMALL else _integer(value)
        elif value is None or cls is bool or cls is float:
            text = repr(value)
        else:
            show = _CONTAINERS.get(id(cls))
            if show is not None:
                return show(self, value, depth)
            read = _LIBRARY.get(id(cls))
            text = named(value) if read is None else read(value)
        self.left -= len(text)
        return text

    def _key(self, name: str) -> Key:
        """Return what is to be known of a dict's key, from now on without looking at it again."""
        shown = repr(name) if len(name) <= LOCAL_TEXT_CHARS else self._start(name)
        is_word = name.isascii() and name.replace("-", "_").isidentifier()
        found = shown, f"{shown}: {MASK}" if self._covers(name) else "", is_word and self._name(name) == name
        if len(name) <= _WORD_CHARS:
            if len(self._keys) >= CACHED_KEYS:
                self._keys.clear()
            self._keys[name] = found
        return found

    def _start(self, value: Any) -> str:
        text = self._mask(repr(value[:_LOOKED_AT_CHARS]), LOCAL_TEXT_CHARS)
        return f"{text} ({len(value):,} {'characters' if type(value) is str else 'bytes'})"

    def _sequence(self, value: Any, depth: int, opening: str, closing: str) -> str:
        """Show a list, tuple, set or frozenset."""
        size = len(value)
        self.left -= 4
        if size and (depth <= 0 or self.left <= 0):
            return _sized(value)
        parts = []
        for item in _first(value):
            parts.append(self.text(item, depth - 1))
            self.left -= 2
            if self.left <= 0:
                break
        if size > len(parts):
            parts.append(f"… {size - len(parts):,} more")
        elif size == 1 and opening == "(":
            closing = ",)"
        return f"{opening}{', '.join(parts)}{closing}"

    def _dict(self, value: Any, depth: int) -> str:
        size = len(value)
        self.left -= 4
        if size and (depth <= 0 or self.left <= 0):
            return _sized(value)
        parts = []
        for name, item in _first(value.items()):
            if type(name) is str or issubclass(type(name), str):
                word = name if type(name) is str else str.__str__(name)  # still a name; a copy runs none of its code
                key, masked, is_harmless = self._keys.get(word) or self._key(word)
            else:
                key, masked, is_harmless = self.text(name, 1), "", True
            if masked and not is_empty(item):
                parts.append(masked)
                self.left -= len(masked)
                if is_harmless:
                    self.masked.add(masked)
            else:
                parts.append(f"{key}: {self.text(item, depth - 1)}")
                self.left -= len(key) + 4
            if self.left <= 0:
                break
        if size > len(parts):
            parts.append(f"… {size - len(parts):,} more")
        return f"{{{', '.join(parts)}}}"


def named(value: Any) -> str:
    """Return ``<module.Type>``, of a class its own name. From a cache: most variables are objects."""
    cls = type(value)
    if cls is type:
        return f"<class {type_name(value)}>"
    known = _names.get(id(cls))
    if known is None:
        if len(_names) >= CACHED_TYPES:
            _names.clear()
        known = _names[id(cls)] = (cls, describe_value(value))
    return known[1]


def is_empty(value: Any) -> bool:
    """Return whether a value can't be a secret, whatever its name: to see that a password is missing helps."""
    return value is None or type(value) is bool or (type(value) is str and not value)


def _first(members: Iterable[Any]) -> list[Any]:
    try:
        return list(islice(members, LOCAL_ITEMS))  # in C: no code of the members runs
    except RuntimeError:  # another thread changed it meanwhile
        return []


def _sized(value: Any) -> str:
    return f"<{type(value).__name__} of {len(value):,}>"


def _set(values: Values, value: Any, depth: int) -> str:
    return values._sequence(value, depth, "{", "}") if value else "set()"


def _frozenset(values: Values, value: Any, depth: int) -> str:
    return values._sequence(value, depth, "frozenset({", "})") if value else "frozenset()"


def _integer(value: int) -> str:
    # Text of huge numbers costs quadratic time, and is refused from 4,300 digits on.
    bits = value.bit_length()
    return repr(value) if bits <= _INT_BITS else f"<int of {bits:,} bits>"


def _decimal(value: Decimal) -> str:
    size = Decimal.__sizeof__(value)
    return repr(value) if size <= _DECIMAL_BYTES else f"<decimal.Decimal of {size:,} bytes>"


def _moment(value: Any) -> str:
    zone = value.tzinfo
    if zone is None or type(zone) is timezone:
        return str(value)  # not its repr, which shows a zone's name: any object derived from str
    return f"{value.replace(tzinfo=None)} {named(zone)}"


def _path(value: Any) -> str:
    if not is_plain_path(value):
        return describe_value(value)
    text = str(value)
    return f"{type(value).__name__}({text[:LOCAL_TEXT_CHARS]!r}{'…' if len(text) > LOCAL_TEXT_CHARS else ''})"


_CONTAINERS: Final[dict[int, Callable[[Values, Any, int], str]]] = {
    id(list): lambda values, value, depth: values._sequence(value, depth, "[", "]"),
    id(tuple): lambda values, value, depth: values._sequence(value, depth, "(", ")"),
    id(dict): Values._dict,
    id(set): _set,
    id(frozenset): _frozenset,
}
# Exact types of the standard library whose texts are made by the library's own code alone.
_LIBRARY: Final[dict[int, Callable[[Any], str]]] = {
    id(date): str,
    id(timedelta): str,
    id(datetime): _moment,
    id(time): _moment,
    id(Decimal): _decimal,
    id(UUID): repr,
    **dict.fromkeys(map(id, (PosixPath, PurePosixPath, PureWindowsPath, WindowsPath)), _path),
}
