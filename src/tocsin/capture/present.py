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
from tocsin.complaints import complain
from tocsin.event import limits
from tocsin.event.environ import RAISED
from tocsin.event.model import Task
from tocsin.event.typename import type_name
from tocsin.system.interrupts import let_through

__all__ = ["NOTHING", "PRESENT", "Present", "leave", "present_of", "remember", "table"]

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_KEY: Final = "__tocsin_raised__"


class Present(NamedTuple):
    """Hold unmasked fields and tags, the innermost task, and what holds around, ``depth`` levels of it."""

    fields: Mapping[str, Any] = NOTHING
    tags: Mapping[str, Any] = NOTHING
    task: Task | None = None
    outer: Present | None = None
    depth: int = 0

    def __repr__(self) -> str:
        return "<known to tocsin>"  # it lies in the environ, which applications log and show, and is not masked yet

    def within(self, inner: Present) -> Present:
        """Return what holds when ``inner`` is entered here; of equal names the inner one's count.

        Every so many levels what is around is forgotten: a task that starts its own successor, time and again, is in
        all that its predecessors were in.
        """
        fields, tags = {**self.fields, **inner.fields}, {**self.tags, **inner.tags}
        task = inner.task or self.task
        if self.depth >= limits.PRESENT_DEPTH:
            return Present(fields, tags, task)
        return Present(fields, tags, task, self, self.depth + 1)

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


def leave(variable: ContextVar[Any], token: Token[Any]) -> bool:
    """Give a context variable its value of before, where that is still this context; return whether it is."""
    try:
        variable.reset(token)
    except (ValueError, RuntimeError):
        # A coroutine that is closed late is closed in whatever context the collector runs in; and of an object that is
        # shared, another thread may just have used its token.
        return False
    return True


def table(given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return what was given as tags or fields, nothing in place of what is no mapping: said wrong, it costs no work."""
    if given is None:
        return NOTHING
    if type(given) is dict:
        return given
    try:
        return dict(given)
    except Exception as fault:  # noqa: BLE001 - what an application's own mapping raises is no reason to fail
        complain("context", f"tags or fields were given that are no mapping: {type_name(type(given))}", fault)
        return NOTHING


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
    except Exception as fault:  # noqa: BLE001 - another thread has just changed it; the report has less to say
        let_through(fault)


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
