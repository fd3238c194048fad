"""What is being worked on: fields, tags and a task, entered by `context` and `Work`; a report made meanwhile has them.

An exception outlives the blocks that it leaves. What held where it was raised is kept with the request or task, under
a key that the exception carries: so it lasts no longer than they do, no other request can find it, and an exception
that is sent to another process takes nothing of it along.
"""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tocsin.capture import anatomy
from tocsin.capture.requests import find_environ
from tocsin.event import limits
from tocsin.event.environ import RAISED
from tocsin.event.model import Task

__all__ = ["NOTHING", "PRESENT", "Present", "leave", "present_of", "remember"]

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_KEY: Final = "__tocsin_raised__"


class Present(NamedTuple):
    """Hold unmasked fields and tags, the innermost task, and what holds around."""

    fields: Mapping[str, Any] = NOTHING
    tags: Mapping[str, Any] = NOTHING
    task: Task | None = None
    outer: Present | None = None

    def within(self, inner: Present) -> Present:
        """Return what holds when ``inner`` is entered here; of equal names the inner one's count."""
        fields, tags = {**self.fields, **inner.fields}, {**self.tags, **inner.tags}
        return Present(fields, tags, inner.task or self.task, self)

    def is_within(self, outer: Present) -> bool:
        """Tell whether it was entered in ``outer``, at whatever depth."""
        found: Present | None = self
        while found is not None and found is not outer:
            found = found.outer
        return found is outer


PRESENT: Final[ContextVar[Present]] = ContextVar("tocsin_present", default=Present())  # noqa: B039 - it can't change


class _Outside(threading.local):
    """What a thread raised last outside of any request or task."""

    def __init__(self) -> None:
        self.raised: dict[str, Present] = {}


_outside: Final = _Outside()


def leave(variable: ContextVar[Any], token: Token[Any]) -> None:
    """Give a context variable its value of before, where that is still this context."""
    try:
        variable.reset(token)
    except ValueError:
        pass  # a coroutine that is closed late is closed in whatever context the collector runs in


def remember(exc: BaseException) -> None:
    """Keep what holds now for an exception that leaves it, unless it comes from further within."""
    try:
        raised = _raised(find_environ(sys._getframe(1)), is_made=True)
        attributes = anatomy.attributes(exc)
        present = PRESENT.get()
        known = dict.get(attributes, _KEY)
        found = raised.get(known) if type(known) is str else None
        if found is not None and found.is_within(present):
            return
        while len(raised) >= limits.RAISED:
            raised.pop(next(iter(raised)), None)
        key = secrets.token_hex(8)
        dict.__setitem__(attributes, _KEY, key)
        raised[key] = present
    except Exception:  # noqa: BLE001, S110 - another thread of the request has just changed it; the report has less to say
        pass


def present_of(exc: BaseException | None, environ: Mapping[str, Any] | None) -> Present:
    """Return what held where an exception was raised, together with what holds now; its own counts first."""
    present = PRESENT.get()
    key = None if exc is None else dict.get(anatomy.attributes(exc), _KEY)
    found = _raised(environ).get(key) if type(key) is str else None
    return present if found is None or present.is_within(found) else present.within(found)


def _raised(environ: Mapping[str, Any] | None, *, is_made: bool = False) -> dict[str, Present]:
    """Return the table of a request or task, outside of any the thread's."""
    if type(environ) is not dict:
        if is_made:
            _outside.raised = {}  # only the last: what a thread did long ago is not to be kept alive
        return _outside.raised
    table = environ.get(RAISED)
    if type(table) is not dict:
        table = {}
        if is_made:
            environ[RAISED] = table
    return table
