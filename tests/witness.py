"""Objects that note whatever is asked of them: the oracle of tests that nothing of the application's runs.

``asked`` holds the name of each special method that ran, on an object, its class or its metaclass. An object refuses
each call besides, with an error of the sort that gets past ``except Exception``.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Final

from tocsin.capture.anatomy import traceback as traceback_of
from tocsin.event import wire
from tocsin.event.model import Event
from tocsin.event.typename import type_name
from tocsin.reporter import Reporter
from tocsin.spool import format as fmt
from tocsin.spool.folder import Folder
from tocsin.spool.reader import SpoolReader

__all__ = ["NAMES", "Refused", "asked", "bodies", "events", "hostile", "hostile_class", "objects", "safely"]

asked: Final[list[str]] = []


class Refused(BaseException):
    """Be what no ``except Exception`` stops: whoever asks a hostile object breaks, and is seen to."""


NAMES: Final = (
    *("__repr__", "__str__", "__bytes__", "__format__", "__eq__", "__ne__", "__lt__", "__gt__", "__le__", "__ge__"),
    *("__hash__", "__bool__", "__len__", "__length_hint__", "__iter__", "__next__", "__contains__", "__getitem__"),
    *("__int__", "__float__", "__index__", "__complex__", "__mod__", "__rmod__", "__add__", "__radd__", "__mul__"),
    *("__getattribute__", "__getattr__", "__setattr__", "__delattr__", "__dir__", "__call__", "__fspath__"),
    *("__reduce__", "__reduce_ex__", "__copy__", "__deepcopy__", "__sizeof__", "__enter__", "__exit__", "__await__"),
    *("__reversed__", "__missing__", "__abs__", "__neg__", "__pos__", "__invert__", "__round__", "__trunc__"),
    *("__instancecheck__", "__subclasscheck__", "__html__", "__getstate__", "keys", "items", "get", "encode", "lower"),
    *("split", "startswith", "endswith", "strip", "isascii", "replace", "partition", "rpartition", "join", "utcoffset"),
    *("tzname", "dst", "isoformat", "as_tuple", "bit_length", "decode", "copy", "append", "setdefault", "update"),
)


def _noting(name: str) -> Any:
    def method(*_: object, **__: object) -> Any:
        asked.append(name)
        raise Refused(name)

    return method


class _Class:
    """Be a property that notes who looks at ``__class__`` or ``__dict__`` by ordinary attribute access."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: object) -> Any:
        asked.append(self._name)
        raise Refused(self._name)

    def __set__(self, instance: object, value: object) -> None:
        asked.append(f"set {self._name}")
        raise Refused(self._name)


def _meta(base: type, *, is_raised: bool) -> type:
    """Return a metaclass that notes comparisons, hashes, calls and attributes asked of its classes.

    Of a class that ``is_raised`` the interpreter itself asks `__subclasscheck__`.
    """
    asking = ("__repr__", "__str__", "__eq__", "__ne__", "__hash__", "__bool__", "__len__", "__iter__", "__call__")
    asking += ("__getattribute__", "__getattr__", "__instancecheck__", "__dir__", "__format__")
    if not is_raised:
        asking += ("__subclasscheck__",)
    return type(f"Hostile{base.__name__.title()}", (base,), {name: _noting(f"meta {name}") for name in asking})


def hostile_class(*bases: type, name: str = "Hostile", meta: bool = True) -> type:
    """Return a class whose every method notes and refuses, derived from ``bases``."""
    kind = type(bases[0]) if bases else type
    names: dict[str, Any] = {each: _noting(each) for each in NAMES}
    names.update(__class__=_Class("__class__"), __module__="shop.models", __doc__=None)
    return (_meta(kind, is_raised=bool(bases) and issubclass(bases[0], BaseException)) if meta else kind)(
        name, bases, names
    )


def hostile(*args: Any, bases: tuple[type, ...] = (), meta: bool = True) -> Any:
    """Return an object of such a class; ``args`` fill a base that is built in."""
    cls = hostile_class(*bases, meta=meta)
    base = bases[0] if bases else object
    return base.__new__(cls, *args)


def objects() -> dict[str, Any]:
    """Return one of each sort: of no base, of each built-in base that may pass for it."""
    return {
        "object": hostile(),
        "str": hostile("text", bases=(str,)),
        "int": hostile(7, bases=(int,)),
        "float": hostile(1.5, bases=(float,)),
        "bytes": hostile(b"raw", bases=(bytes,)),
        "bytearray": hostile(bases=(bytearray,)),
        "tuple": hostile(("a", "b"), bases=(tuple,)),
        "list": hostile(bases=(list,)),
        "dict": hostile(bases=(dict,)),
        "set": hostile(bases=(set,)),
        "datetime": hostile(2026, 1, 1, bases=(datetime,)),
        "exception": hostile("args", bases=(ValueError,)),
        "group": hostile("group", [ValueError("x")], bases=(ExceptionGroup,)),
        "os_error": hostile(2, "gone", bases=(OSError,)),
        "class": hostile_class(),
        "exception_class": hostile_class(ValueError),
        "zoned": datetime(2026, 1, 1, tzinfo=hostile(bases=(tzinfo,))),
        "named_zone": datetime(2026, 1, 1, tzinfo=timezone(timedelta(0), hostile("zone", bases=(str,)))),
        "module": hostile("shop", bases=(types.ModuleType,)),
        "without_metaclass": hostile(meta=False),
        "str_without_metaclass": hostile("text", bases=(str,), meta=False),
    }


def safely(call: Callable[..., Any], *args: Any, **parts: Any) -> tuple[Any, str]:
    """Return the result, and what got out instead; not itself, since pytest would ask it."""
    try:
        return call(*args, **parts), ""
    except BaseException as exc:
        entry, where = traceback_of(exc), ""
        while entry is not None:
            if "/tests/" not in entry.tb_frame.f_code.co_filename:
                where = f"{entry.tb_frame.f_code.co_filename}:{entry.tb_lineno}"
            entry = entry.tb_next
        return None, f"{type_name(type(exc))} at {where}"


def bodies(reporter: Reporter) -> list[bytes]:
    """Return the wire forms in the reporter's spool."""
    found = []
    for reader in SpoolReader(Folder(reporter.stats()["spool"])).generations():
        for record in reader.records(0, 10**8):
            if record.header is not None and record.header.type == fmt.EVENT and record.body is not None:
                found.append(record.body)
    return found


def events(reporter: Reporter) -> list[Event]:
    """Return the events in the reporter's spool."""
    return [wire.decode(body) for body in bodies(reporter)]
