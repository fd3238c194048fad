"""Values of local variables: any object goes in, its text leaves. Nothing is asked of it, no foreign code runs.

But the describers that an application registers itself: those are its own code, within a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import islice
from math import inf
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from time import monotonic
from typing import Any, Final, TypeAlias
from uuid import UUID

from tocsin.capture.describers.registry import Known, known_of, named
from tocsin.capture.plain import is_plain_path
from tocsin.event.limits import (
    CACHED_KEYS,
    LOCAL_CHARS,
    LOCAL_DEPTH,
    LOCAL_ITEMS,
    LOCAL_MEMBERS,
    LOCAL_SPARE_BYTES,
    LOCAL_TEXT_CHARS,
    NAME_CHARS,
)
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.masking.sensitive import mask_of
from tocsin.event.typename import describe_value
from tocsin.system.interrupts import let_through

__all__ = ["Key", "Values", "is_empty", "named"]

_ASKED: Final = frozenset(map(id, (str, bytes, int)))  # of ordinary names their values tell what they are
_SMALL: Final = 10**18
_INT_BITS: Final = 256
_DECIMAL_BYTES: Final = 256
_LOOKED_AT_CHARS: Final = LOCAL_TEXT_CHARS + 512  # past a cut, so that what marks a secret is not cut off it
_ENTRY_BYTES: Final = 256  # an entry of a dict or set takes no more, however its table has grown
_REPR_CHARS: Final = LOCAL_TEXT_CHARS + LOCAL_TEXT_CHARS // 2  # escapes make a text longer, up to ten times
_WORD_CHARS: Final = 30  # a text that is short enough even with each character escaped

# How a dict's key is shown, what stands for its value ("" where it is shown, None where it depends on the value),
# whether it can't hold a secret itself.
Key: TypeAlias = tuple[str, str | None, bool]


class Values:
    """Make texts of values, one variable after the other. ``left`` is how many characters the present one may have.

    Each value and each container costs some of them, so they bound the steps as well; past ``deadline``, of ``clock``,
    no object is described. What is too long is cut before it is looked at. Values of masked
    names, in dicts as well, become ``[masked: …]``; what has a secret's shape is left to the caller, who looks at many
    texts at once.
    """

    __slots__ = (
        "_clock",
        "_covers",
        "_hidden",
        "_hides",
        "_keys",
        "_mask",
        "_name",
        "clock",
        "deadline",
        "is_brief",
        "is_late",
        "left",
        "masked",
    )

    def __init__(
        self,
        scrubber: Scrubber,
        keys: dict[str, Key] | None = None,
        hidden: frozenset[str] = frozenset(),
        *,
        deadline: float = inf,
        clock: Callable[[], float] = monotonic,
        is_brief: bool = False,
    ) -> None:
        """``keys`` is where keys of dicts are kept from one event to the next; ``hidden`` ones are masked besides.

        ``is_brief`` is for reports without local variables: rows of a database are told by their key.
        """
        self.clock = clock
        self.deadline = deadline
        self.is_late = False
        self.is_brief = is_brief
        self._covers = (lambda name: name in hidden or scrubber.covers(name)) if hidden else scrubber.covers
        self._hidden = hidden
        self._hides = scrubber.hides
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
            if read is not None:
                text = read(value)
            else:
                known = known_of(cls)
                if known.describe is not None:
                    return self._described(value, known, depth)
                text = known.text
        self.left -= len(text)
        return text

    def look_at_clock(self) -> bool:
        """Return whether the time is over, from now on in `is_late` too."""
        self.is_late = self.is_late or self.clock() >= self.deadline
        return self.is_late

    def word(self, name: object) -> str:
        """Return a name, masked, in one line; ``?`` of what is none."""
        return _line(self._name(name[:NAME_CHARS])) if type(name) is str and name else "?"

    def line(self, text: str) -> str:
        """Return a text of an application's describer: masked, the beginning of it, in one line."""
        return _line(self._mask(text, LOCAL_TEXT_CHARS))

    def start(self, value: Any) -> str:
        """Return ``repr(value)`` of a bytearray's or a longer text's beginning, masked."""
        return self.text(bytes(value), 0) if len(value) <= LOCAL_TEXT_CHARS else self._start(value)

    def members(self, name: str, pairs: Iterable[tuple[str, Any]], depth: int, first: Iterable[Any] = ()) -> str:
        """Return ``name(member=value, …)``: each value masked by its name; ``first`` are values without one."""
        self.left -= len(name) + 2
        parts = [self.text(item, depth - 1) for item in islice(first, LOCAL_ITEMS)]
        for member, item in pairs:
            if self.left <= 0 or len(parts) >= LOCAL_MEMBERS:
                parts.append("…")
                break
            parts.append(self.member(member, item, depth - 1))
        return f"{name}({', '.join(parts)})"

    def member(self, name: str, item: Any, depth: int) -> str:
        """Return ``name=value`` of an object's member, masked by name."""
        key, mask, is_harmless = self._keys.get(name) or self._key(name)
        shown = name if is_harmless or (name.isidentifier() and name.isascii()) else key
        if mask != "":
            mask = "" if is_empty(item) else mask or self.mask(name, item)
        if mask:
            text = f"{shown}={mask}"
            self.left -= len(text)
            if is_harmless:
                self.masked.add(text)
            return text
        self.left -= len(shown) + 3
        return f"{shown}={self.text(item, depth)}"

    def mask(self, name: str, value: Any) -> str:
        """Return what stands for a value whose name is looked upon as a secret's, "" where it is shown all the same."""
        if is_empty(value):
            return ""
        if id(type(value)) in _ASKED and name not in self._hidden:
            return self._hides(name, value)
        return self._hides(name, None) or mask_of(name)  # what is in a container has no other name

    def _described(self, value: Any, known: Known, depth: int) -> str:
        before = self.left
        text = known.text
        if known.describe is not None and not self.is_late:
            try:
                text = known.describe(self, value, depth) or text
            except Exception as fault:  # noqa: BLE001 - an object that is not what its class says: its type is told
                let_through(fault)
            self.look_at_clock()
        self.left = min(self.left, before - len(text))
        return text

    def _key(self, name: str) -> Key:
        """Return what is to be known of a dict's key, from now on without looking at it again."""
        shown = repr(name) if len(name) <= LOCAL_TEXT_CHARS else self._start(name)
        covered = self._covers(name)
        is_word = name.isascii() and name.replace("-", "_").isidentifier()
        mask = (self._hides(name, None) or (mask_of(name) if name in self._hidden else None)) if covered else ""
        found = shown, mask, is_word and self._name(name) == name
        if len(name) <= _WORD_CHARS:
            if len(self._keys) >= CACHED_KEYS:
                self._keys.clear()
            self._keys[name] = found
        return found

    def _start(self, value: Any) -> str:
        start = value[:_LOOKED_AT_CHARS]
        text = self._mask(repr(start if type(start) is str else bytes(start)), LOCAL_TEXT_CHARS)
        return f"{text} ({len(value):,} {'characters' if type(value) is str else 'bytes'})"

    def sequence(self, value: Any, depth: int, opening: str, closing: str) -> str:
        """Show a list, tuple, set, frozenset, or what else of the interpreter's is gone through like one."""
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

    def table(self, value: Any, depth: int) -> str:
        """Show a dict, or what is derived from it, by the items that dict itself has.

        But of one from which most was removed: its empty places would be walked to find the first that is not.
        """
        size = len(value)
        self.left -= 4
        if size and (depth <= 0 or self.left <= 0 or dict.__sizeof__(value) > LOCAL_SPARE_BYTES + size * _ENTRY_BYTES):
            return _sized(value)
        parts = []
        known = self._keys
        for name, item in _first(dict.items(value)):
            if type(name) is str or issubclass(type(name), str):
                word = name if type(name) is str else str.__str__(name)  # still a name; a copy runs none of its code
                key, mask, is_harmless = known.get(word) or self._key(word)
            else:
                word, key, mask, is_harmless = "", self.text(name, 1), "", True
            if mask != "" and not is_empty(item) and (mask := mask or self.mask(word, item)):
                masked = f"{key}: {mask}"
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
    if value.__sizeof__() > LOCAL_SPARE_BYTES + len(value) * _ENTRY_BYTES:  # of empty places, see `table`
        return _sized(value)
    if type(value) is set:
        return values.sequence(value, depth, "{", "}") if value else "set()"
    return values.sequence(value, depth, "frozenset({", "})") if value else "frozenset()"


def _line(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]


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
    id(list): lambda values, value, depth: values.sequence(value, depth, "[", "]"),
    id(tuple): lambda values, value, depth: values.sequence(value, depth, "(", ")"),
    id(dict): Values.table,
    id(set): _set,
    id(frozenset): _set,
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
