"""The parts of an exception, of a class and of an object, read by the interpreter's own slots: no foreign code runs."""

from __future__ import annotations

import sys
from types import GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType, ModuleType, TracebackType
from typing import Any, Final

from tocsin.event import limits

__all__ = [
    "args",
    "attributes",
    "called",
    "cause",
    "context",
    "defined",
    "is_genuine",
    "member",
    "members",
    "mro",
    "namespace",
    "notes",
    "read",
    "stored",
    "successor",
    "traceback",
]

# A class may define properties or `__getattribute__`; these descriptors look past both.
_ARGS: Final = BaseException.__dict__["args"].__get__
_CAUSE: Final = BaseException.__dict__["__cause__"].__get__
_CONTEXT: Final = BaseException.__dict__["__context__"].__get__
_SUPPRESS: Final = BaseException.__dict__["__suppress_context__"].__get__
_TRACEBACK: Final = BaseException.__dict__["__traceback__"].__get__
_DICT: Final = BaseException.__dict__["__dict__"].__get__
_MEMBERS: Final = BaseExceptionGroup.__dict__["exceptions"].__get__
_MRO: Final = type.__dict__["__mro__"].__get__
_NAMESPACE: Final = type.__dict__["__dict__"].__get__
_GLOBALS: Final = vars(ModuleType)["__dict__"].__get__
_NOTHING: Final = object()


def args(exc: BaseException) -> tuple[Any, ...]:
    """Return what the exception was made with."""
    value: tuple[Any, ...] = _ARGS(exc)
    return value


def attributes(exc: BaseException) -> dict[str, Any]:
    """Return the very dict of what was set on the exception."""
    value: dict[str, Any] = _DICT(exc)
    return value


def cause(exc: BaseException) -> BaseException | None:
    """Return the exception given by ``raise … from``."""
    value: BaseException | None = _CAUSE(exc)
    return value


def context(exc: BaseException) -> BaseException | None:
    """Return the exception during whose handling this one was raised, None where it is not to be shown."""
    value: BaseException | None = None if _SUPPRESS(exc) else _CONTEXT(exc)
    return value


def successor(exc: BaseException) -> BaseException | None:
    """Return the next exception of the chain as a traceback shows it: the cause, else the context."""
    found = cause(exc)
    return context(exc) if found is None else found


def traceback(exc: BaseException) -> TracebackType | None:
    """Return the outermost traceback entry."""
    value: TracebackType | None = _TRACEBACK(exc)
    return value


def members(exc: BaseException) -> tuple[BaseException, ...]:
    """Return the exceptions of a group, nothing for any other exception."""
    value: tuple[BaseException, ...] = _MEMBERS(exc) if issubclass(type(exc), BaseExceptionGroup) else ()
    return value


def notes(exc: BaseException) -> tuple[str, ...]:
    """Return the notes (PEP 678) that are exact strings."""
    found = dict.get(attributes(exc), "__notes__")  # the dict may be derived from dict
    if type(found) is not list and type(found) is not tuple:
        return ()
    return tuple(note for note in found[: limits.NOTES] if type(note) is str)


def mro(cls: type) -> tuple[type, ...]:
    """Return a class and its bases in order of look-up."""
    value: tuple[type, ...] = _MRO(cls)
    return value


def namespace(cls: type) -> Any:
    """Return a read-only view of what a class body defined."""
    return _NAMESPACE(cls)


def stored(value: object) -> dict[str, Any]:
    """Return the very dict of what was set on an object, nothing where it has none: a lazy one does not wake.

    It may be derived from dict, so ask it by `dict.get`.
    """
    for cls in mro(type(value)):
        slot = namespace(cls).get("__dict__")
        if type(slot) is GetSetDescriptorType:
            found: Any = slot.__get__(value)
            return found if issubclass(type(found), dict) else {}  # a class has a proxy
    return {}


def defined(cls: type, name: str) -> Any:
    """Return what the nearest class defines under a name, None where none does; a descriptor is not asked."""
    for owner in mro(cls):
        space = namespace(owner)
        if name in space:
            return space[name]
    return None


def member(value: object, name: str, default: Any = None) -> Any:
    """Return what was set on an object, in its dict or its slots: a slot of Python's is memory that is read."""
    found = dict.get(stored(value), name, _NOTHING)
    if found is not _NOTHING:
        return found
    for cls in mro(type(value)):
        slot = namespace(cls).get(name)
        if type(slot) is MemberDescriptorType:
            try:
                return slot.__get__(value)
            except AttributeError:  # not set
                return default
    return default


def read(value: object, name: str) -> Any:
    """Return an attribute as the nearest class *written in C* has it, past every property; None where none has it.

    For classes known to be `is_genuine` alone: their getters only look into the object's own memory.
    """
    for cls in mro(type(value)):
        slot = namespace(cls).get(name)
        if type(slot) is GetSetDescriptorType or type(slot) is MemberDescriptorType:
            return slot.__get__(value)
    return None


def called(value: object, name: str) -> Any:
    """Return what a method without arguments says, of the nearest class written in C; under the terms of `read`."""
    for cls in mro(type(value)):
        method = namespace(cls).get(name)
        if type(method) is MethodDescriptorType:
            return method(value)
    return None


def is_genuine(cls: type, path: str) -> bool:
    """Return whether a class is the one that a loaded module has under this name, and not one that says so."""
    module, _, name = path.rpartition(".")
    found = sys.modules.get(module)
    if found is None or not issubclass(type(found), ModuleType):
        return False
    return dict.get(_GLOBALS(found), name) is cls
