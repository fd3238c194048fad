"""The setting `ignore`: names go in once, whether an exception or a logger is ignored leaves."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Ignore"]


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
        # type(), not __class__, which may be a property of the application's.
        return bool(self._names) and any(not self._names.isdisjoint(_paths(base)) for base in type(exc).__mro__)

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
    full = f"{kind.__module__}.{kind.__qualname__}"
    return (full, kind.__qualname__) if kind.__module__ == "builtins" else (full,)
