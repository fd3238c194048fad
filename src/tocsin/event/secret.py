"""A value that nobody shows by mistake: any value goes in, only `Secret.reveal` hands it out again."""

from __future__ import annotations

import hmac
import os
from typing import Any, Final, Generic, NoReturn, TypeVar

from tocsin.event.masking.marks import mask_for

__all__ = ["Secret"]

_Value = TypeVar("_Value")
_SHOWN: Final = mask_for("secret")
_SALT: Final = os.urandom(16)


class Secret(Generic[_Value]):
    """Hold a value whose str, repr and format are ``[masked: secret]``; `reveal` returns it.

    Equal to another `Secret` of an equal value, never to the value itself; texts and bytes are compared in constant
    time. Its hash is salted per process, so that it tells nothing of a short value. True as its value is. A copy is
    the object itself. It can't be pickled, nor put into JSON: a pickle holds the value in the clear, and ends up in
    caches, queues and sessions; who means it pickles what `reveal` returns. Immutable, so far as Python allows.
    """

    __slots__ = ("__value", "__weakref__")

    def __init__(self, value: _Value) -> None:
        self.__value = value

    def reveal(self) -> _Value:
        """Return the value: call it where the value is used, and nowhere before."""
        return self.__value

    def __repr__(self) -> str:
        return _SHOWN

    def __format__(self, spec: str) -> str:
        return format(_SHOWN, spec) if spec.lstrip("<>^0123456789") == "" else _SHOWN

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if type(other) is not Secret:
            return NotImplemented
        mine: Any = self.__value
        theirs: Any = other.__value
        if type(mine) is str and type(theirs) is str:
            mine, theirs = (text.encode("utf-8", "surrogatepass") for text in (mine, theirs))
        if type(mine) is bytes and type(theirs) is bytes:
            return hmac.compare_digest(mine, theirs)
        return bool(mine == theirs)

    def __hash__(self) -> int:
        return hash((_SALT, self.__value))

    def __copy__(self) -> Secret[_Value]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret[_Value]:
        return self

    def __getstate__(self) -> NoReturn:
        """Refuse to be taken apart, as encoders do that look into any object. Raises TypeError."""
        self.__reduce_ex__(0)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled. Raises TypeError."""
        raise TypeError("a Secret can't be pickled: that would write it in the clear; pickle what reveal() returns")
