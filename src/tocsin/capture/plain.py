"""Values of an application: any object goes in, one that is safe to format leaves. No foreign code runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import islice
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final, TypeAlias
from uuid import UUID

from tocsin.event import limits
from tocsin.event.typename import describe_value, type_name

__all__ = ["Described", "is_plain_path", "plain"]

_Message: TypeAlias = Callable[[BaseException], str] | None
_Describe: TypeAlias = Callable[[object], str] | None

_DEPTH: Final = 6
_ITEMS: Final = 64
_NODES: Final = 512
_INT_BITS: Final = 1_024
# By id: to look a class up by itself runs its metaclass's `__hash__` and `__eq__`.
# Exact types of the standard library whose __str__ and __repr__ run the library's code alone.
_TRUSTED: Final = frozenset(map(id, (date, timedelta, Decimal, UUID, type(NotImplemented))))
_PATHS: Final = frozenset(map(id, (PosixPath, PurePosixPath, PureWindowsPath, WindowsPath)))
_AWARE: Final = frozenset(map(id, (datetime, time)))
_EXACT: Final = frozenset(map(id, (type(None), bool, float, complex)))
_CONTAINERS: Final = frozenset(map(id, (tuple, list, dict, set, frozenset)))


class Described:
    """Stand in for an object that must not be asked: shows a text for ``str`` and ``repr`` alike."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__


def plain(value: object, exception: Callable[[BaseException], str] | None = None, *, is_described: bool = False) -> Any:
    """Return ``value`` itself if formatting it is harmless, else a stand-in, bounded in size.

    Exact builtin types pass, in containers too; subclasses of str, int and float become those; exceptions
    become the text that ``exception`` makes of them; everything else becomes ``<module.Type>``, or with
    ``is_described`` what a describer says of it.
    """
    if is_described:
        from tocsin.capture.described import described_argument  # only where something is logged with arguments

        return _plain(value, exception, _DEPTH, [_NODES], described_argument)
    return _plain(value, exception, _DEPTH, [_NODES], None)


def _plain(value: Any, exception: _Message, depth: int, nodes: list[int], describe: _Describe) -> Any:
    cls = type(value)
    nodes[0] -= 1
    if id(cls) in _EXACT:
        return value
    if nodes[0] < 0:
        return Described("…")
    if cls is str:  # as nearly all there is: each record has five of them
        return value[: limits.MESSAGE_CHARS * 2]
    if issubclass(cls, (str, int, float, bytes, bytearray)):
        return _scalar(value, cls)
    if id(cls) in _CONTAINERS:
        if depth <= 0:
            return Described(describe_value(value))
        return _container(value, cls, exception, depth, nodes, describe)
    if id(cls) in _TRUSTED or (id(cls) in _AWARE and _is_plain_zone(value.tzinfo)):
        return value
    if id(cls) in _PATHS and is_plain_path(value):
        return value
    if exception is not None and issubclass(cls, BaseException):
        return Described(exception(value))
    text = f"<class {type_name(value)}>" if cls is type else "" if describe is None else describe(value)
    return Described(text or describe_value(value))


def is_plain_path(path: Any) -> bool:
    """Return whether a path holds exact texts: from Python 3.12 on it joins what it was given late, by its methods."""
    return all(type(part) is str for part in getattr(path, "_raw_paths", ()))


def _is_plain_zone(zone: Any) -> bool:
    # The repr of a zone shows its name, which may be derived from str.
    return zone is None or (type(zone) is timezone and type(zone.tzname(None)) is str)


def _scalar(value: Any, cls: type) -> Any:
    if issubclass(cls, str):
        return str.__getitem__(value, slice(limits.MESSAGE_CHARS * 2))  # cut first: no copy of the whole is made
    if issubclass(cls, int):
        # Text of huge numbers costs quadratic time, and is refused from 4,300 digits on.
        bits = int.bit_length(value)
        return int.__pos__(value) if bits <= _INT_BITS else Described(f"<int of {bits} bits>")
    if issubclass(cls, float):
        return float.__pos__(value)
    raw = bytes if issubclass(cls, bytes) else bytearray
    return bytes(raw.__getitem__(value, slice(limits.MESSAGE_CHARS)))


def _container(value: Any, cls: type, exception: _Message, depth: int, nodes: list[int], describe: _Describe) -> Any:
    try:
        items = list(islice(value.items() if cls is dict else value, _ITEMS))
    except RuntimeError:  # another thread changed it meanwhile
        return Described(describe_value(value))
    more = [Described(f"… {len(value) - len(items)} more")] if len(value) > len(items) else []
    if cls is dict:
        pairs = [
            (_plain(key, exception, 0, nodes, describe), _plain(item, exception, depth - 1, nodes, describe))
            for key, item in items
        ]
        return {**dict(pairs), **{rest: Described("…") for rest in more}}
    shown = [_plain(item, exception, depth - 1, nodes, describe) for item in items] + more
    return shown if cls is list else tuple(shown) if cls is tuple else _Braces(shown)


class _Braces:
    """Show a set's members; a set proper would need them to be hashable."""

    __slots__ = ("_members",)

    def __init__(self, members: list[Any]) -> None:
        self._members = members

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self._members)) + "}" if self._members else "set()"
