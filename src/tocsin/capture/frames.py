"""Frames: an entry of a traceback goes in, a masked Frame with its wire form leaves, from a bounded cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import islice
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Final, TypeAlias

from tocsin.capture.source import SourceCache
from tocsin.event import limits
from tocsin.event.model import Frame
from tocsin.event.scrub import Scrubber
from tocsin.event.wire import frame_fragment

if TYPE_CHECKING:
    from tocsin.capture.locals import LocalsReader

__all__ = ["FrameCache", "InApp", "address", "in_app_rule", "is_hidden", "module_of"]

InApp: TypeAlias = Callable[[str, str], bool]

_HIDDEN_MODULES: Final = ("tocsin.integrations.", "tocsin.intake", "tocsin.capture.context")
_INSTALLED: Final = ("/site-packages/", "/dist-packages/")


def address(entry: TracebackType) -> int:
    """Return a number for the instruction that an entry of a traceback is at; see `capture.key`."""
    return id(entry.tb_frame.f_code) + entry.tb_lasti


def module_of(frame: FrameType) -> str:
    """Return the name of the module a frame runs in, ``?`` where its globals don't tell."""
    name = frame.f_globals.get("__name__")
    return name if type(name) is str else "?"


def is_hidden(module: str) -> bool:
    """Return whether frames of this module are tocsin's own, which help nobody."""
    return module.startswith(_HIDDEN_MODULES)


def in_app_rule(app_modules: Sequence[str] = ()) -> InApp:
    """Return a function of (module, file) that tells the application's frames from its libraries'.

    The application is what lies neither among installed packages nor in the standard library; modules named in
    ``app_modules``, and those within them, belong to it wherever they lie.
    """
    own = tuple(app_modules)
    own_inside = tuple(f"{name}." for name in own)
    standard = _folder(os.__file__)
    tocsin = _folder(_folder(__file__).rstrip("/"))

    def is_in_app(module: str, file: str) -> bool:
        if module in own or (own_inside and module.startswith(own_inside)):
            return True
        if file.startswith("<"):  # frozen modules, eval, interactive input
            return False
        path = file[: limits.PATH_CHARS * 4].replace("\\", "/")
        return not path.startswith((standard, tocsin)) and not any(part in path for part in _INSTALLED)

    return is_in_app


class FrameCache:
    """Turn traceback entries into masked frames, each place of the code once.

    Holds at most `CACHED_FRAMES`, the oldest leave first. Keeps code objects, never a frame or its values.
    Thread-safe without a lock: each step on the table is one operation of the interpreter.
    """

    def __init__(
        self,
        scrubber: Scrubber,
        is_in_app: InApp | None = None,
        *,
        app_modules: Sequence[str] = (),
        locals: LocalsReader | None = None,
    ) -> None:
        """``locals`` reads the variables of frames whose exceptions are described; without it they are left alone."""
        self.scrubber: Final = scrubber
        self.locals: Final = locals
        self._is_in_app = is_in_app or in_app_rule(app_modules)
        self._sources = SourceCache()
        # By the instruction's address: the hash of a code object is made anew each time, of all it
        # holds. The second table keeps the code, so that no id is given out again.
        self._frames: dict[int, Frame] = {}
        self._codes: dict[int, CodeType] = {}
        #: Returns the masked frame at an instruction's address, None for one that was not asked for yet.
        self.known: Final[Callable[[int], Frame | None]] = self._frames.get

    def __len__(self) -> int:
        return len(self._frames)

    def get(self, entry: TracebackType) -> Frame:
        """Return the masked frame of an entry of a traceback."""
        place = address(entry)
        known = self.known(place)
        if known is not None:
            return known
        frame = entry.tb_frame
        code = frame.f_code
        made = self.scrubber.frame(self._raw(frame, code, entry.tb_lasti, entry.tb_lineno))
        object.__setattr__(made, "fragment", frame_fragment(made))
        if len(self._frames) >= limits.CACHED_FRAMES:
            for oldest in list(islice(list(self._frames), limits.CACHED_FRAMES // 8)):
                self._codes.pop(oldest, None)  # first: what is added anew meanwhile keeps its code
                self._frames.pop(oldest, None)
        self._codes[place] = code
        self._frames[place] = made
        return made

    def _raw(self, frame: FrameType, code: CodeType, lasti: int, line: int | None) -> Frame:
        module = module_of(frame)
        file = code.co_filename
        start, end, first, last = _position(code, lasti)
        at = line or start or code.co_firstlineno
        lines = self._sources.lines(file, module, frame.f_globals.get("__loader__"))
        source = lines[at - 1].rstrip() if 0 < at <= len(lines) else ""
        ending = lines[end - 1] if end is not None and 0 < end <= len(lines) else ""
        is_exact = start == at and bool(source)  # else the positions belong to another line
        return Frame(
            module=module,
            function=code.co_qualname,
            file=file,
            line=at,
            source=source,
            before=tuple(text.rstrip() for text in lines[max(0, at - 1 - limits.CONTEXT_LINES) : max(0, at - 1)]),
            after=tuple(text.rstrip() for text in lines[at : at + limits.CONTEXT_LINES]) if source else (),
            end_line=end if is_exact else None,
            column=_characters(source, first) if is_exact else None,
            end_column=_characters(ending, last) if is_exact else None,
            in_app=self._is_in_app(module, file),
        )


def _position(code: CodeType, lasti: int) -> tuple[int | None, int | None, int | None, int | None]:
    """Return (line, end line, column, end column) of an instruction (PEP 657)."""
    found = next(islice(code.co_positions(), max(lasti, 0) // 2, None), None)
    return (None, None, None, None) if found is None else found


def _characters(line: str, offset: int | None) -> int | None:
    """Turn an offset in UTF-8 bytes into one in characters."""
    if offset is None or line.isascii():
        return offset
    return len(line.encode("utf-8", "replace")[:offset].decode("utf-8", "replace"))


def _folder(file: str) -> str:
    return os.path.dirname(os.path.abspath(file)).replace("\\", "/") + "/"  # noqa: PTH100, PTH120 - text only
