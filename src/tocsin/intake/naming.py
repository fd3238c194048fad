"""An event goes in; what the application calls its fault leaves: by its own function, else by its rules.

It is asked on the failing thread for what is captured in full. What is only counted is told apart by what the function
or the rules looked at: `refinement` says so.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from tocsin.capture import anatomy
from tocsin.capture.messages import message_of
from tocsin.capture.piece import Piece
from tocsin.capture.present import present_of
from tocsin.complaints import complain
from tocsin.config.fingerprint_rules import function_name
from tocsin.config.settings import Settings
from tocsin.event import limits
from tocsin.event.environ import ENDPOINT, ROUTE, WORK
from tocsin.event.environ import text as environ_text
from tocsin.event.identity.fingerprint import fingerprint
from tocsin.event.identity.own_rules import MEMBERS, FingerprintRules, seen_in
from tocsin.event.identity.wording import normalise
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Event
from tocsin.event.typename import describe_value, type_name
from tocsin.limiter import Refine

__all__ = ["Naming"]

_EVERYTHING: Final = frozenset(MEMBERS)
_DEEPEST: Final = 8


class Naming:
    """Hold the settings ``fingerprint`` and ``fingerprints``. Thread-safe, never raises."""

    def __init__(self, settings: Settings, scrubber: Scrubber) -> None:
        self._path: Final = settings.fingerprint if type(settings.fingerprint) is str else ""
        self._said: Final = function_name(settings.fingerprint)
        self._function: Any = None if type(settings.fingerprint) is str else settings.fingerprint
        self._rules: Final = FingerprintRules(settings.fingerprints)
        self._scrubber: Final = scrubber
        self._asking: set[int] = set()  # threads that are within the function

    def __bool__(self) -> bool:
        return bool(self._path) or self._function is not None or bool(self._rules)

    def load(self) -> None:
        """Import the function that the setting names: before the first event, when the application is all there."""
        if not self._path or self._function is not None:
            return
        module, _, name = self._path.replace(":", ".").rpartition(".")
        try:
            found = getattr(importlib.import_module(module), name)
            if not callable(found):
                raise TypeError(f"{self._path} is not callable")
        except Exception as fault:  # noqa: BLE001 - the application's code; without it there are still the usual rules
            complain("fingerprint", f"fingerprint: {self._path} can't be used: {type_name(type(fault))}", fault)
            return
        self._function = found

    def forget_threads(self) -> None:
        """Forget who was within the function: a forked child has other threads, by the same numbers."""
        self._asking.clear()

    def name(self, event: Event, *, is_rest: bool = False) -> str:
        """Return what the application calls the fault of a masked event; "" where it has no opinion.

        ``is_rest``: it stands for all that is told apart no more. To rules each of these has a name of its own, so none
        counts; a function may well have one for all.
        """
        try:
            asked = self._asked(event)
            return asked or ("" if is_rest else self._rules.name(seen_in(event), lambda: fingerprint(event)))
        except Exception as fault:  # noqa: BLE001 - of whatever odd event: the usual rules know every one
            complain("fingerprint", f"fingerprints: they failed, the usual rules hold: {type_name(type(fault))}", fault)
            return ""

    def _asked(self, event: Event) -> str:
        thread = threading.get_ident()
        if self._function is None or thread in self._asking:  # what it reports itself goes by the usual rules
            return ""
        try:
            self._asking.add(thread)
            answer: object = self._function(event)
            if answer is None or (type(answer) is str and not answer):
                return ""
            if type(answer) is not str:
                raise TypeError(f"it returned {describe_value(answer)}, no text and not None")
            return self._scrubber.name(answer)
        except Exception as fault:  # noqa: BLE001 - the application's function: its failure must not lose the report
            text = f"fingerprint: {self._said} failed, the usual rules hold: {type_name(type(fault))}"
            complain("fingerprint", text, fault)
            return ""
        finally:
            self._asking.discard(thread)

    def refinement(self, event: Event, describe: Callable[[Mapping[str, Any]], None]) -> Refine | None:
        """Return what tells apart the faults that share the fault key of an event, named here or not; None for one.

        ``describe`` has frameworks fill in a request's view.
        """
        fixed = _fixed(event)
        members = _EVERYTHING - fixed.keys() if self._function is not None else self._rules.varying(fixed)
        if not members:
            return None

        def refine(piece: Piece, exc: BaseException | None, environ: Mapping[str, Any] | None) -> Hashable:
            seen = {**_raw(piece, exc, environ, describe, members), **fixed}
            if "message" in members:
                seen["message"] = self._scrubber.text(_message(piece, exc), limits.MESSAGE_CHARS)
            named = self._rules.name(seen, str)
            if self._function is None:
                return named
            # It may look at whatever it likes: told apart is what faults differ in, without what always differs.
            seen["message"] = normalise(seen["message"])[: limits.NAME_CHARS]
            tags = present_of(exc, environ).tags
            return named, *(seen[member] for member in sorted(members)), *_texts_of(tags)

        return refine


def _fixed(event: Event) -> dict[str, str]:
    """Return the members that are the same for all occurrences of one fault key."""
    if event.exception is None:
        return {"type": ""}
    seen = seen_in(event)
    # The key of an exception that was raised is its types and places in the code.
    is_raised = event.exception.frames or event.exception.members
    names = ("type", "module", "function") if is_raised else ("type",)
    return {name: seen[name] for name in names}


def _raw(
    piece: Piece,
    exc: BaseException | None,
    environ: Mapping[str, Any] | None,
    describe: Callable[[Mapping[str, Any]], None],
    members: frozenset[str],
) -> dict[str, str]:
    """Return what an occurrence is seen to be without making its event; the same as `seen_in` says, but not masked."""
    seen = dict.fromkeys(MEMBERS, "")
    seen["module"], _, seen["function"] = piece.location.rpartition(":")[0].rpartition(".")
    seen["logger"], seen["kind"] = piece.logger, piece.kind
    if environ is not None and WORK not in environ and not members.isdisjoint(("route", "endpoint")):
        describe(environ)
        seen["route"], seen["endpoint"] = environ_text(environ, ROUTE) or "", environ_text(environ, ENDPOINT) or ""
    if "task" in members:
        task = present_of(exc, environ).task
        seen["task"] = "" if task is None else task.name
    return seen


def _texts_of(tags: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in tags.items() if type(name) is str and type(value) is str)


def _message(piece: Piece, exc: BaseException | None) -> str:
    if exc is None:
        return piece.told()  # what rules see of what is captured in full, too
    for _ in range(_DEEPEST):
        inner = anatomy.members(exc)
        if len(inner) != 1:
            break
        exc = inner[0]
    return message_of(exc)
