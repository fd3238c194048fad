"""Describers: a class goes in; what says more of its objects than their type leaves. Nothing is imported for it.

A describer is registered under the class's dotted name, so a library that is not installed costs a string. It is found
through the names of a class and its bases, nearest first. Ours evaluate nothing: they read what was set on an object,
in its dict or its slots, and what getters written in C tell of their own memory, of classes that are what they claim.
An application's own are its own code, and run within a guard.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from tocsin.capture import anatomy
from tocsin.event import limits
from tocsin.event.errors import ConfigError
from tocsin.event.typename import type_name
from tocsin.system.interrupts import let_through

if TYPE_CHECKING:
    from tocsin.capture.values import Values

__all__ = ["Describe", "Known", "Rule", "describer", "known_of", "load", "named"]

# A describer of ours: it is given what makes texts of what is inside, the object, how much deeper it may go. The empty
# text stands for the object's type.
Describe: TypeAlias = "Callable[[Values, Any, int], str]"
_Own = TypeVar("_Own", bound=Callable[[Any], object])


class Rule(NamedTuple):
    """Say how objects of a class are described. ``is_exact``: those of subclasses are not.

    ``is_c``: its getters are asked, so the class must be the one that the library has under this name.
    """

    describe: Describe
    is_exact: bool = False
    is_c: bool = False


class Known(NamedTuple):
    """Hold a class, ``<module.Type>``, and what describes its objects; held, its id is nobody else's."""

    cls: type
    text: str
    describe: Describe | None


_OWN: Final[dict[str, Callable[[Any], object]]] = {}
_rules: dict[str, Rule] = {}
_exact: dict[int, Describe] = {}
# By id: the hash of a class, and comparing two, is the metaclass's to define.
_known: dict[int, Known] = {}
_thread = threading.local()


def describer(path: str) -> Callable[[_Own], _Own]:
    """Have a function describe the objects of a class, and of its subclasses, wherever a report shows one.

    ``path`` is the class's full name, such as ``"shop.models.Money"``; it need not be imported yet. The function is
    given the object, on the thread that failed, and returns a text, of which the beginning is shown, masked. What it
    raises is told in the text's place. It should only look at what is in memory: a query that it makes is made while
    the database may be what failed.

        @tocsin.describer("shop.models.Money")
        def money(value):
            return f"{value.amount} {value.currency}"

    Raises ConfigError for what is no such name or cannot be called, and past `limits.DESCRIBERS`.
    """
    if type(path) is not str or not all(part.isidentifier() for part in path.replace("<locals>", "x").split(".")):
        raise ConfigError(f"describer() takes a class's full name, such as 'shop.models.Money', not {path!r:.100}")

    def register(function: _Own) -> _Own:
        if not callable(function):
            raise ConfigError(f"describer({path!r}) takes a function, not {type_name(type(function))}")
        if len(_OWN) >= limits.DESCRIBERS and path not in _OWN:
            raise ConfigError(
                f"describer({path!r}) is one too many: at most {limits.DESCRIBERS} classes have their own"
            )
        _OWN[path] = function
        _known.clear()
        return function

    return register


def known_of(cls: type) -> Known:
    """Return what is known of a class; from a cache, since most variables are objects of few classes."""
    known = _known.get(id(cls))
    if known is None:
        load()
        if len(_known) >= limits.CACHED_TYPES:
            _known.clear()
        known = _known[id(cls)] = _found(cls)
    return known


def named(value: Any) -> str:
    """Return ``<module.Type>``, of a class its own name."""
    cls = type(value)
    return f"<class {type_name(value)}>" if issubclass(cls, type) else known_of(cls).text


def _found(cls: type) -> Known:
    text = f"<{type_name(cls)}>"
    paths = [(base, type_name(base)) for base in anatomy.mro(cls)[: limits.DESCRIBED_BASES]]
    for _, path in paths:
        if path in _OWN:
            return Known(cls, text, _guarded(_OWN[path], text[1:-1]))
    exact = _exact.get(id(cls)) or _of_structure(cls, is_first=True)
    if exact is not None:
        return Known(cls, text, exact)
    for base, path in paths:
        rule = _rules.get(path)
        if rule is None or (rule.is_exact and base is not cls):
            continue
        if not rule.is_c or anatomy.is_genuine(base, path):
            return Known(cls, text, rule.describe)
    return Known(cls, text, _of_structure(cls, is_first=False))


def _guarded(own: Callable[[Any], object], name: str) -> Describe:
    """Return a describer that calls an application's: not from within itself, and nothing that it does gets out."""

    def describe(values: Values, value: Any, depth: int) -> str:
        if getattr(_thread, "is_describing", False):  # it logged the object, or raised and was reported
            return ""
        _thread.is_describing = True
        try:
            said: Any = own(value)
        except Exception as fault:  # noqa: BLE001 - the application's: a report without its words is better than none
            let_through(fault)
            return f"<{name} (describer raised {type_name(type(fault))})>"
        finally:
            _thread.is_describing = False
        if not issubclass(type(said), str):
            return f"<{name} (describer returned {type_name(type(said))})>"
        return f"<{name} {values.line(said)}>"

    return describe


def load() -> None:
    """Fill the tables of ours, which are modules of their own, once: a process whose reports hold no object pays none.

    Before an event's time begins, of which the first import would take the better part.
    """
    if _rules:
        return
    from tocsin.capture.describers import arrays, orm, python, stdlib, structures, web

    _exact.update(python.EXACT)
    for table in (arrays, orm, stdlib, structures, web):
        _rules.update(table.RULES)


def _of_structure(cls: type, *, is_first: bool) -> Describe | None:
    """Return the describer of classes that are known by what they define; mapped ones may be of other sorts too."""
    from tocsin.capture.describers import orm, structures

    if is_first:
        return _class if issubclass(cls, type) else orm.mapped if orm.is_mapped(cls) else None
    return structures.structure_of(cls)


def _class(values: Values, value: Any, depth: int) -> str:
    return f"<class {type_name(value)}>"
