"""Functions whose variables are sensitive: names and functions go in; what a frame of such a one hides leaves.

The decorator leaves the function as it is and only remembers its code, so a call that succeeds costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FrameType, FunctionType
from typing import Any, Final, TypeVar, overload
from weakref import ref

from tocsin.capture.veils import EVERYTHING, VEILS

__all__ = ["sensitive"]

_Function = TypeVar("_Function")

# By id: two functions of equal code are equal as keys. An entry goes with its code object.
_marked: dict[int, tuple[ref[CodeType], frozenset[str]]] = {}
_NOTHING: Final[frozenset[str]] = frozenset()
# What decorators around the function hold the same values as.
_ARGUMENTS: Final = frozenset({"args", "kwargs"})
_ALL: Final = EVERYTHING | _ARGUMENTS
_WRAPPERS: Final = 32


@overload
def sensitive(function: _Function, /) -> _Function: ...
@overload
def sensitive(*names: str) -> Callable[[_Function], _Function]: ...
def sensitive(*names: Any) -> Any:
    """Mark variables of a function as sensitive: ``@tocsin.sensitive("card", "pin")``; without names, all of them.

    Reports show ``[masked]`` for variables of these names in every frame of a traceback that goes through the
    function, and for its decorators' ``args`` and ``kwargs``; without names, for all variables of its frame and of
    what it calls. Functions, coroutine functions, generators, methods, properties, and what decorators made of them by
    `functools.wraps`. The function is returned as it is. Raises TypeError for what is none.
    """
    if len(names) == 1 and not isinstance(names[0], str):
        return _mark(names[0], _ALL)
    if not all(isinstance(name, str) and name.isidentifier() for name in names):
        raise TypeError("sensitive() takes names of variables: @sensitive('card', 'pin')")
    hidden = frozenset(names) | _ARGUMENTS if names else _ALL
    return lambda function: _mark(function, hidden)


def _mark(function: _Function, hidden: frozenset[str]) -> _Function:
    codes = list(_codes(function))
    if not codes:
        raise TypeError(f"sensitive() decorates functions and methods, not {type(function).__name__}")
    for code in codes:
        known = _marked.get(id(code))
        _marked[id(code)] = ref(code, _forgetting(id(code))), hidden | known[1] if known else hidden
    if _veil not in VEILS:
        VEILS.append(_veil)
    return function


def _forgetting(key: int) -> Callable[[ref[CodeType]], object]:
    return lambda _: _marked.pop(key, None)


def _codes(function: Any) -> list[CodeType]:
    if isinstance(function, property):
        parts = (function.fget, function.fset, function.fdel)
        return [code for part in parts if part is not None for code in _codes(part)]
    for _ in range(_WRAPPERS):
        inner = getattr(function, "__wrapped__", None) or getattr(function, "__func__", None)
        inner = inner or (getattr(function, "func", None) if not isinstance(function, FunctionType) else None)
        if inner is None:
            break
        function = inner
    return [function.__code__] if isinstance(function, FunctionType) else []


def _veil(frame: FrameType) -> frozenset[str]:
    known = _marked.get(id(frame.f_code))
    return known[1] if known is not None else _NOTHING
