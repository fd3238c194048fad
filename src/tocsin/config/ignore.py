"""The setting `ignore`: names go in once, whether an exception or a logger is ignored leaves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["Ignore"]

_MRO: Final = type.__dict__["__mro__"].__get__
_MODULE: Final = type.__dict__["__module__"].__get__
_NAME: Final = type.__dict__["__qualname__"].__get__


class Ignore:
    """Answer what the setting ``ignore`` names. Immutable, so safe to share between threads.

    Every name is tried both ways: as the dotted path of an exception class, which covers its subclasses (those of
    builtins may stand without ``builtins.``), and as a logger, which covers the loggers below it. The two
    can't be told apart by their looks, and a class path that is also a logger's name is the exception.
    """

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def covers_exception(self, exc: BaseException) -> bool:
        """Tell whether the exception's class or one of its bases is ignored."""
        if not self._names:
            return False
        # type() and its own descriptors: __class__ and a metaclass's attributes may be code of the application's.
        return any(not self._names.isdisjoint(_paths(base)) for base in _MRO(type(exc)))

    def covers_logger(self, name: str) -> bool:
        """Tell whether the logger or one above it is ignored."""
        if not self._names:
            return False
        while name:
            if name in self._names:
                return True
            name = name.rpartition(".")[0]
        return False


def _paths(kind: type) -> tuple[str, ...]:
    try:
        module, name = _MODULE(kind), _NAME(kind)
    except AttributeError:  # deleted from the class
        return ()
    if type(module) is not str:  # a class body may put anything there
        return ()
    return (f"{module}.{name}", name) if module == "builtins" else (f"{module}.{name}",)
