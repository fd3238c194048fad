"""What an exception amounts to in an ASGI framework: the exception goes in; the fault behind it, or none, leaves.

By names and words, so that no framework is imported for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tocsin.capture import anatomy
from tocsin.event import limits
from tocsin.event.typename import type_name
from tocsin.intake.mark import is_told

__all__ = ["fault_behind", "is_departure", "lone_members", "original", "told_within"]

# Raised to be the answer: a status that was meant, and no fault by itself.
_ANSWERS: Final = frozenset(
    {
        "litestar.exceptions.http_exceptions.HTTPException",
        "starlette.exceptions.HTTPException",
    }
)
# Such a one too, although it derives from what Litestar raises for faults.
_UNAVAILABLE: Final = "litestar.exceptions.http_exceptions.ServiceUnavailableException"
# Derived from those, and raised where something is wrong.
_INTERNAL: Final = "litestar.exceptions.http_exceptions.InternalServerException"
_FAULTS: Final = frozenset({"litestar.exceptions.http_exceptions.ImproperlyConfiguredException", _INTERNAL})
_DEPARTURE: Final = "client disconnected prematurely"

_LATE: Final = "litestar.exceptions.base_exceptions.LitestarException"
_LATE_WORDS: Final = "Exception caught after response started"


def fault_behind(exc: BaseException, *, is_watched: bool) -> BaseException | None:
    """Return the fault behind an answer of 500 or above; None for an exception that was raised to be the answer.

    Where such a one was raised for another, and the status is one that is reported anyway, that other one says what is
    wrong.
    """
    if not _is_answer(exc):
        return exc
    behind = anatomy.successor(exc) if is_watched else None
    return None if behind is None or _is_answer(behind) else behind


def original(exc: BaseException) -> BaseException:
    """Return what Litestar has put into an exception of its own, once or twice, because an answer had begun.

    A stream is sent from a task group, so there it is alone in a group: all broken streams would be told as that.
    """
    late = exc
    while type_name(type(exc)) == _LATE and _detail(exc) == _LATE_WORDS:
        cause = anatomy.cause(exc)
        if cause is None:
            break
        exc = cause
    return exc if exc is late else next(lone_members(exc), exc)


def told_within(exc: BaseException, via: str) -> BaseException:
    """Return what was told already before a middleware's task group was put around it; else the exception itself."""
    return next((inner for inner in lone_members(exc) if is_told(inner, via)), exc)


def lone_members(exc: BaseException) -> Iterator[BaseException]:
    """Iterate over what is alone in a group, in groups within each other: one occurrence by several names.

    Middlewares put such groups around an exception, and take them off again.
    """
    for _ in range(limits.GROUP_DEPTH):
        members = anatomy.members(exc)
        if len(members) != 1:
            return
        exc = members[0]
        yield exc


def is_departure(exc: BaseException) -> bool:
    """Tell whether this is what Litestar raises when a client goes in the middle of its upload."""
    return type_name(type(exc)) == _INTERNAL and _detail(exc) == _DEPARTURE


def _is_answer(exc: BaseException) -> bool:
    names = {type_name(cls) for cls in anatomy.mro(type(exc))}
    return _UNAVAILABLE in names or (not names.isdisjoint(_ANSWERS) and names.isdisjoint(_FAULTS))


def _detail(exc: BaseException) -> str:
    found = dict.get(anatomy.attributes(exc), "detail")  # the dict may be derived from dict
    return found if type(found) is str else ""
