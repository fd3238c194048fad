"""Local variables: frames of a traceback go in, names and texts leave, masked and within one event's room."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, NamedTuple, TypeAlias

from tocsin.capture.values import Key, Values, is_empty, named
from tocsin.capture.veils import VEILS, hidden
from tocsin.event import limits
from tocsin.event.patterns import MASK
from tocsin.event.scrub import Scrubber
from tocsin.system.interrupts import let_through

__all__ = ["LocalsReader", "LocalsRoom", "Stop"]

Locals: TypeAlias = dict[str, str]
# An entry of a traceback: its frame, the instruction it stopped at, whether it is the application's.
Stop: TypeAlias = tuple[FrameType, int, bool]

_OPTIMIZED: Final = 0x1  # CO_OPTIMIZED: a function's; modules and class bodies have namespaces of any kind instead
_IS_SNAPSHOT: Final = sys.version_info < (3, 13)  # f_locals is a dict that the frame keeps (PEP 667)
_OWN_REFERENCES: Final = 3  # to a snapshot that only the frame holds: the frame's, ours, and the question's argument
_OBJECTS: Final = frozenset({"self", "cls"})
_OPENINGS: Final = frozenset("{[(f")  # of containers' texts: a string's begins with a quote
_SHOWN, _BY_TYPE, _MASKED = 0, 1, 2  # what becomes of a variable, by its name


class LocalsRoom:
    """Hold what is left for local variables within one event: frames and characters."""

    __slots__ = ("chars", "frames")

    def __init__(self) -> None:
        self.frames = limits.LOCALS_FRAMES
        self.chars = limits.LOCALS_CHARS


class LocalsReader:
    """Read the local variables of a traceback's frames. Thread-safe; keeps code objects and classes, never a value.

    No object of the application is asked for anything: exact builtin types are shown, all else is named by type.
    """

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber: Final = scrubber
        self._keys: dict[str, Key] = {}
        self._known: dict[int, _Function] = {}  # by id of the code object, as in the cache of frames

    def room(self) -> LocalsRoom:
        """Return the room of one event."""
        return LocalsRoom()

    def read(self, stops: Sequence[Stop], room: LocalsRoom, entry: TracebackType | None = None) -> list[Locals | None]:
        """Return each frame's variables, None for a frame that shows none; ``stops`` begin at the outermost.

        The application's own frames have theirs, and the innermost one; the innermost first, as far as ``room`` goes.
        ``entry`` is the traceback's outermost entry, by which it is known what the application hides.
        """
        found: list[Locals | None] = [None] * len(stops)
        innermost = len(stops) - 1
        names, veiled = hidden(entry) if VEILS and entry is not None else (frozenset[str](), frozenset[int]())
        texts = _Texts(self._scrubber, self._keys, names)
        for at in range(innermost, -1, -1):
            if room.frames <= 0 or room.chars <= 0:
                break
            frame, lasti, in_app = stops[at]
            if (in_app or at == innermost) and frame.f_code.co_flags & _OPTIMIZED:
                room.frames -= 1
                variables = _variables(frame, lasti)
                if variables:
                    found[at] = texts.of(self._known_of(frame.f_code), variables, room, is_veiled=id(frame) in veiled)
        masked = texts.masked()
        if masked is None:
            return found
        return [shown and {name: masked.get(text, text) for name, text in shown.items()} for shown in found]

    def _known_of(self, code: CodeType) -> _Function:
        known = self._known.get(id(code))
        if known is None:
            if len(self._known) >= limits.CACHED_FRAMES:
                self._known.clear()
            names = (*code.co_varnames, *code.co_cellvars, *code.co_freevars)
            # `.0` is what a comprehension runs over, `__class__` what super() needs.
            table = {name: self._manner(name) for name in names if name[0] != "." and name != "__class__"}
            function = self._scrubber.name(code.co_qualname)
            known = self._known[id(code)] = _Function(code, function, table)
        return known

    def _manner(self, name: str) -> int:
        return _BY_TYPE if name in _OBJECTS else _MASKED if self._scrubber.covers(name) else _SHOWN


class _Function(NamedTuple):
    """Say what becomes of each variable of a function, by name."""

    code: CodeType
    name: str
    manners: dict[str, int]


class _Texts:
    """Make the texts of one traceback.

    The same object mostly goes through many frames: its text is made once, and a long one shown once, in the
    innermost of them. The others name that place.
    """

    __slots__ = ("_held", "_hidden", "_known", "_scrubber", "_values")

    def __init__(self, scrubber: Scrubber, keys: dict[str, Key], hidden: frozenset[str]) -> None:
        self._scrubber = scrubber
        self._hidden = hidden
        self._values = Values(scrubber, keys, hidden)
        # By id, which is nobody else's as long as the object is held: the text, and what other places show.
        self._known: dict[int, tuple[str, str]] = {}
        self._held: list[list[tuple[Any, Any]]] = []

    def of(self, function: _Function, variables: list[tuple[Any, Any]], room: LocalsRoom, *, is_veiled: bool) -> Locals:
        """Return the variables of one frame; what `exec` left in its namespace is none of them."""
        self._held.append(variables)
        known, manners = self._known, function.manners
        shown: Locals = {}
        chars = room.chars
        for name, value in variables[: limits.LOCALS]:
            manner = manners.get(name) if type(name) is str else None
            if manner is not None and (is_veiled or name in self._hidden):
                manner = _MASKED
            if manner == _SHOWN:
                again = known.get(id(value))
                if again is not None:
                    text = again[1]
                else:
                    text = self._values.first(value)
                    is_long = len(text) > limits.LOCAL_REPEATED_CHARS
                    known[id(value)] = text, f"<as {name} in {function.name}>" if is_long else text
            elif manner is None:
                continue
            else:
                text = self._apart(manner, value)
            shown[name] = text
            chars -= len(text)
            if chars <= 0:
                break
        room.chars = chars
        if len(variables) > limits.LOCALS or chars <= 0:
            shown["…"] = "more variables are left out"
        return shown

    def masked(self) -> dict[str, str] | None:
        """Return what has a secret's shape with its masked form, None if nothing has: mostly one look is enough."""
        texts = {text for text, _ in self._known.values()}
        # Names of secrets that are masked already would make every container's text a suspect.
        if self._scrubber.is_clean("\n".join(map(self._bared, texts) if self._values.masked else texts)):
            return None
        return {text: self._scrubber.text(text, limits.FIELD_CHARS) for text in texts}

    def _bared(self, text: str) -> str:
        if text[:1] in _OPENINGS:
            for part in self._values.masked:
                text = text.replace(part, "")
        return text

    def _apart(self, manner: int, value: Any) -> str:
        if is_empty(value):
            return repr(value)
        return MASK if manner == _MASKED else named(value)


def _variables(frame: FrameType, lasti: int) -> list[tuple[Any, Any]]:
    """Return names and values, bounded; they are only read.

    Up to Python 3.12 reading leaves a dict with the frame, and whatever is in it lives as long as the frame runs. A
    frame that stopped at ``lasti`` has ended, one that is elsewhere by now may run on for hours: of its variables none
    is left in the dict, unless somebody else has it, from `locals()` or a debugger.
    """
    try:
        space = frame.f_locals
        variables = list(islice(space.items(), limits.LOCALS * 4))
    except Exception as fault:  # noqa: BLE001 - another thread runs the frame, or changes the dict: no harm
        let_through(fault)
        return []
    is_running = _IS_SNAPSHOT and frame.f_lasti != lasti
    if is_running and sys.gettrace() is None and sys.getrefcount(space) == _OWN_REFERENCES:
        code = frame.f_code
        for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
            space.pop(name, None)
    return variables
