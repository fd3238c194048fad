"""One event, not two: an exception goes in, the error id it was captured under before leaves, if it was.

A framework logs an exception and then raises it, or a view logs it and lets it pass: the same object comes by twice on
different ways in. It is the same occurrence when it carries our mark, from the same request, and comes by a way on
which it was not seen yet: the same log call or hook seeing it again means that it happened again. Identity by `id()`
would be wrong (reused), weak references fail on built-in exceptions, and a mark alone would swallow an exception that
lives in a module and is raised time and again.
"""

from __future__ import annotations

import time
from typing import Final

__all__ = ["mark", "recall"]

_NAME: Final = "__tocsin__"
_OUTSIDE_S: Final = 2.0  # without a request: how long a sighting by another way is the same occurrence


def recall(exc: BaseException, token: str, via: str, *, is_request: bool) -> str | None:
    """Return the error id under which this very occurrence was captured, and note the new way; else None."""
    try:
        seen = object.__getattribute__(exc, _NAME)
        error_id, marked_token, at, ways = seen
    except (AttributeError, TypeError, ValueError):
        return None
    if marked_token != token or via in ways or not isinstance(error_id, str):
        return None
    if not is_request and time.monotonic() - at > _OUTSIDE_S:
        return None
    _set(exc, (error_id, token, at, (*ways, via)))
    return error_id


def mark(exc: BaseException, error_id: str, token: str, via: str) -> None:
    """Mark an exception as captured, with plain values only, past any `__setattr__` of its class."""
    _set(exc, (error_id, token, time.monotonic(), (via,)))


def _set(exc: BaseException, value: tuple[str, str, float, tuple[str, ...]]) -> None:
    try:
        BaseException.__setattr__(exc, _NAME, value)
    except (AttributeError, TypeError):
        return  # a class that takes no attributes at all: its exceptions may be told twice
