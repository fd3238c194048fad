"""FastAPI's validation errors: the exception goes in, what is wrong and where leaves; no value that was refused.

Their own ``__str__`` shows each input by its ``repr``: whatever object a view returned, with all that it holds.
"""

from __future__ import annotations

from typing import Any, Final

from tocsin.capture import anatomy
from tocsin.event import limits

__all__ = ["validation_message"]

_CONTAINERS: Final = (list, tuple)


def validation_message(exc: BaseException) -> str:
    """Return ``2 validation errors: response.price: Input should be …; …``, "" where its errors can't be read."""
    errors: Any = dict.get(anatomy.attributes(exc), "_errors")  # the dict may be derived from dict
    if type(errors) not in _CONTAINERS:
        return ""
    told = [text for text in map(_told, errors[: limits.VALIDATION_ERRORS]) if text]
    if not told:
        return ""
    more = len(errors) - len(told)
    shown = "; ".join(told) + (f"; and {more} more" if more else "")
    return f"{len(errors)} validation error{'' if len(errors) == 1 else 's'}: {shown}"


def _told(error: Any) -> str:
    if type(error) is not dict:
        return ""
    where: Any = error.get("loc")
    what: Any = error.get("msg")
    if type(where) not in _CONTAINERS or type(what) is not str:
        return ""
    steps = [str(step) for step in where[: limits.VALIDATION_ERRORS] if type(step) is str or type(step) is int]
    return f"{'.'.join(steps)}: {what}" if steps else what
