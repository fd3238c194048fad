"""Local variables: frames of a traceback go in, names and texts leave, masked and within one event's room."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import islice
from time import monotonic
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, NamedTuple, TypeAlias

from tocsin.capture.describers.registry import load
from tocsin.capture.values import Key, Values, is_empty, named
from tocsin.capture.veils import VEILS, hidden
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.masking.sensitive import mask_of
from tocsin.system.interrupts import let_through

__all__ = ["LocalsReader", "LocalsRoom", "Stop"]

Locals: TypeAlias = dict[str, str]
# An entry of a traceback: its frame, the instruction it stopped at, whether it is the application's.
Stop: TypeAlias = tuple[FrameType, int, bool]

_OPTIMIZED: Final = 0x1  # CO_OPTIMIZED: a function's; modules and class bodies have namespaces of any kind instead
_IS_SNAPSHOT: Final = sys.version_info < (3, 13)  # f_locals is a dict that the frame keeps (PEP 667)
_OWN_REFERENCES: Final = 3  # to a snapshot that only the frame holds: the frame's, ours, and the question's argument
_OBJECTS: Final = frozenset({"self", "cls"})
_QUOTES: Final = frozenset("'\"")
_BYTES: Final = frozenset({"b'", 'b"'})
_SHOWN, _BY_TYPE, _MASKED = 0, 1, 2  # what becomes of a variable, by its name; all that is true is not just shown
_REPEATED: Final = limits.LOCAL_REPEATED_CHARS
_MORE: Final = "…"  # the name, which no variable has, under which is told what is not shown


class LocalsRoom:
    """Hold what is left for local variables within one event: frames, bytes, seconds."""

    __slots__ = ("frames", "left_bytes", "left_s")

    def __init__(self) -> None:
        self.frames = limits.LOCALS_FRAMES
        self.left_bytes = limits.LOCALS_BYTES
        self.left_s = limits.LOCALS_S


class LocalsReader:
    """Read the local variables of a traceback's frames. Thread-safe; keeps code objects and classes, never a value.

    No object of the application is asked for anything: exact builtin types are shown, some others described by what
    lies in them, all else named by type.
    """

    def __init__(self, scrubber: Scrubber, clock: Callable[[], float] = monotonic) -> None:
        load()
        self._clock: Final = clock
        self._scrubber: Final = scrubber
        self._keys: dict[str, Key] = {}
        self._known: dict[int, _Function] = {}  # by id of the code object, as in the cache of frames

    def room(self) -> LocalsRoom:
        """Return the room of one event."""
        return LocalsRoom()

    def read(self, stops: Sequence[Stop], room: LocalsRoom, entry: TracebackType | None = None) -> list[Locals | None]:
        """Return each frame's variables, None for a frame that shows none; ``stops`` begin at the outermost.

        The application's own frames have theirs, and the innermost one; the innermost first, as far as ``room`` goes.
        Where it ends, under the name ``…``, is told what is left out.
        ``entry`` is the traceback's outermost entry, by which it is known what the application hides.
        """
        found: list[Locals | None] = [None] * len(stops)
        innermost = len(stops) - 1
        names, veiled = hidden(entry) if VEILS and entry is not None else (frozenset[str](), frozenset[int]())
        begun = self._clock()
        texts = _Texts(self._scrubber, self._keys, names, begun + room.left_s, self._clock)
        for at in range(innermost, -1, -1):
            frame, lasti, in_app = stops[at]
            if not (in_app or at == innermost) or not frame.f_code.co_flags & _OPTIMIZED:
                continue
            if room.frames <= 0 or room.left_bytes <= 0 or texts.is_late():
                why = "out of time" if texts.is_late() else "out of room"
                found[at] = {_MORE: f"variables of this frame and those outside it: {why}"}
                break
            room.frames -= 1
            variables, more = _variables(frame, lasti)
            if variables:
                function = self._known_of(frame.f_code)
                found[at] = texts.of(function, variables, more, room, is_veiled=id(frame) in veiled)
        masked = texts.masked()
        room.left_s = min(room.left_s, room.left_s - (self._clock() - begun))
        if masked is not None:
            found = [shown and {name: masked.get(text, text) for name, text in shown.items()} for shown in found]
        return [shown and self._scrubber.without_rows(shown) for shown in found]

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

    __slots__ = ("_held", "_hidden", "_known", "_scrubber", "_values", "is_late")

    def __init__(
        self,
        scrubber: Scrubber,
        keys: dict[str, Key],
        hidden: frozenset[str],
        deadline: float,
        clock: Callable[[], float],
    ) -> None:
        self._scrubber = scrubber
        self._hidden = hidden
        self._values = Values(scrubber, keys, hidden, deadline=deadline, clock=clock)
        self.is_late = self._values.look_at_clock
        # By id, which is nobody else's as long as the object is held: the text, what other places show,
        # and how many bytes that is.
        self._known: dict[int, tuple[str, str, int]] = {}
        self._held: list[list[tuple[Any, Any]]] = []

    def of(
        self, function: _Function, variables: list[tuple[Any, Any]], more: int, room: LocalsRoom, *, is_veiled: bool
    ) -> Locals:
        """Return the variables of one frame; what `exec` left in its namespace is none of them."""
        self._held.append(variables)
        values, known, manners, hidden = self._values, self._known, function.manners, self._hidden
        shown: Locals = {}
        left = room.left_bytes
        is_hiding = is_veiled or bool(hidden)
        for name, value in variables if len(variables) <= limits.LOCALS else variables[: limits.LOCALS]:
            manner = manners.get(name) if type(name) is str else None
            if manner is None:
                continue
            if is_hiding and (is_veiled or name in hidden):
                manner = _MASKED
            if manner and (text := self._apart(manner, name, value, is_veiled=is_veiled)):
                left -= len(text)
            elif (again := known.get(id(value))) is not None:  # most are: what a caller has it mostly hands on
                shown[name] = again[1]
                left -= again[2]
                if left > 0:
                    continue
                break
            else:
                text = values.first(value)
                size = len(text) if text.isascii() else _size(text)
                left -= size
                if len(text) > _REPEATED:
                    other = f"<as {name} in {function.name}>"
                    known[id(value)] = text, other, _size(other)
                else:
                    known[id(value)] = text, text, size
            shown[name] = text
            if left <= 0 or values.is_late:
                break
        names = "".join(shown)
        room.left_bytes = left - (len(names) if names.isascii() else _size(names))
        if len(variables) > limits.LOCALS or left <= 0 or values.is_late:
            number = more - len(shown) + sum(type(name) is str and name in manners for name, _ in variables)
            if number:
                shown[_MORE] = f"{number} more variables: {'out of time' if values.is_late else 'out of room'}"
        return shown

    def _apart(self, manner: int, name: str, value: Any, *, is_veiled: bool) -> str:
        """Return the text of a variable by its name, "" of one whose value is to be shown all the same."""
        if manner == _BY_TYPE:
            return repr(value) if is_empty(value) else named(value)
        return mask_of(name) if is_veiled and not is_empty(value) else self._values.mask(name, value)

    def masked(self) -> dict[str, str] | None:
        """Return what has a secret's shape with its masked form, None if nothing has: mostly one look is enough."""
        texts = {text for text, _, _ in self._known.values()}
        # Names of secrets that are masked already would make every container's text a suspect.
        if self._scrubber.is_clean("\n".join(map(self._bared, texts) if self._values.masked else texts)):
            return None
        return {text: self._scrubber.text(text, limits.FIELD_CHARS) for text in texts}

    def _bared(self, text: str) -> str:
        if "[masked" in text and text[:1] not in _QUOTES and text[:2] not in _BYTES:
            for part in self._values.masked:
                text = text.replace(part, "")
        return text


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _variables(frame: FrameType, lasti: int) -> tuple[list[tuple[Any, Any]], int]:
    """Return names and values, bounded, and how many more there are; they are only read.

    Up to Python 3.12 reading leaves a dict with the frame, and whatever is in it lives as long as the frame runs. A
    frame that stopped at ``lasti`` has ended, one that is elsewhere by now may run on for hours: of its variables none
    is left in the dict, unless somebody else has it, from `locals()` or a debugger.
    """
    try:
        space = frame.f_locals
        variables = list(islice(space.items(), limits.LOCALS * 4))
        more = len(space) - len(variables) if len(variables) >= limits.LOCALS * 4 else 0
    except Exception as fault:  # noqa: BLE001 - another thread runs the frame, or changes the dict: no harm
        let_through(fault)
        return [], 0
    is_running = _IS_SNAPSHOT and frame.f_lasti != lasti
    if is_running and sys.gettrace() is None and sys.getrefcount(space) == _OWN_REFERENCES:
        code = frame.f_code
        for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
            space.pop(name, None)
    return variables, more
