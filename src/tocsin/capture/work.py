"""Work in the background: its name goes in; as long as it lasts, what is reported names it. Requests are elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextvars import Token
from typing import Any, Final

from tocsin.capture.present import PRESENT, Present, leave, table
from tocsin.capture.requests import find_environ
from tocsin.capture.scopes import ENVIRON, SCOPE, Scope
from tocsin.event.environ import WORK
from tocsin.event.model import Task

__all__ = ["WATCHERS", "Work"]

# Each is told of work that begins, and returns what is to be called at its end. They raise nothing.
WATCHERS: Final[list[Callable[[Task], Callable[[], None]]]] = []


class Work:
    """Be one task, job or block of work, from `begin` to `end`, or for the length of a ``with``.

    Like a request it has an environ, in which an occurrence is known again that comes by on two ways. Where a request
    or other work is under way already, that one's is kept: an exception that leaves both is still one occurrence.
    """

    __slots__ = ("_ends", "_own", "_present", "_tokens", "environ")

    def __init__(
        self,
        name: str,
        *,
        by: str,
        id: str = "",
        fields: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """``by`` names what runs it, ``id`` this one run. Nothing of it needs to be masked or bounded yet."""
        self._present = Present(table(fields), table(tags), Task(name, by, id))
        self._tokens: tuple[Token[Present], Token[Scope | None] | None] | None = None
        self._ends: list[Callable[[], None]] = []
        self._own: dict[str, Any] = {WORK: True}  # the same each time: a generator is begun anew for each of its steps
        self.environ: dict[str, Any] = {}  # what to give to the intake, once begun

    def begin(self) -> None:
        """Enter it in this thread or task."""
        if WATCHERS and self._present.task is not None:
            self._ends = [began(self._present.task) for began in WATCHERS]
        present = PRESENT.set(PRESENT.get().within(self._present))
        found = find_environ(sys._getframe(1))
        if type(found) is dict:
            self.environ = found
            self._tokens = present, None
            return
        self.environ = self._own
        self._tokens = present, SCOPE.set({ENVIRON: self.environ})

    def end(self) -> None:
        """Leave it. May be called again, and without a `begin`."""
        if self._tokens is None:
            return
        present, scope = self._tokens
        self._tokens = None
        while self._ends:
            self._ends.pop()()
        if scope is not None:
            leave(SCOPE, scope)
        leave(PRESENT, present)

    def __enter__(self) -> Work:
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
