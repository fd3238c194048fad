"""Frames: an entry of a traceback goes in, a masked Frame with its wire form leaves, from a bounded cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Final, TypeAlias

from tocsin.capture.installed import Installed
from tocsin.capture.main_module import imported_name
from tocsin.capture.operation import operation_of
from tocsin.capture.source import SourceCache
from tocsin.capture.templates import TemplateLine, jinja_line, module_in_file, operation, shown
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Frame
from tocsin.event.wire import frame_fragment

if TYPE_CHECKING:
    from tocsin.capture.locals import LocalsReader

__all__ = ["FrameCache", "InApp", "address", "in_app_rule", "is_hidden", "module_of"]

InApp: TypeAlias = Callable[[str, str], bool]

_HIDDEN_MODULES: Final = ("tocsin.integrations.", "tocsin.intake", "tocsin.capture.context")


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

    The application is what lies neither among installed packages nor in the standard library, and what was installed
    from a folder (see `Installed`); modules named in ``app_modules``, and those within them, belong to it wherever
    they lie.
    """
    own = tuple(app_modules)
    own_inside = tuple(f"{name}." for name in own)
    standard = _folder(os.__file__)
    tocsin = _folder(_folder(__file__).rstrip("/"))
    installed = Installed()

    def is_in_app(module: str, file: str) -> bool:
        if module in own or (own_inside and module.startswith(own_inside)):
            return True
        if file.startswith("<"):  # frozen modules, eval, interactive input
            return False
        path = file[: limits.PATH_CHARS * 4].replace("\\", "/")
        if path.startswith(tocsin):
            return False
        is_own = installed.is_own(path)
        return not path.startswith(standard) if is_own is None else is_own

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
        link: Callable[[str, int, int | None], str] | None = None,
    ) -> None:
        """``locals`` reads the variables of frames whose exceptions are described; without it they are left alone.

        ``link`` makes the address of a file, line and end line in the forge.
        """
        self.scrubber: Final = scrubber
        self.locals: Final = locals
        self.is_in_app: Final = is_in_app or in_app_rule(app_modules)
        self._link = link
        self._sources = SourceCache()
        # By the instruction's address: the hash of a code object is made anew each time, of all it
        # holds. The second table keeps the code, so that no id is given out again.
        self._frames: dict[int, Frame] = {}
        self._codes: dict[int, CodeType] = {}
        self._operated: set[int] = set()  # of which it is known what failed
        # Jinja2 compiles the code of its frames anew for each error: by what they stand for.
        self._templates: dict[tuple[TemplateLine, str], Frame] = {}
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
        template = jinja_line(frame, entry.tb_lineno)
        if template is not None:
            return self.template(template, lambda: self.lines(template.file))
        made = self.masked(self._raw(frame, code, entry.tb_lasti, entry.tb_lineno))
        object.__setattr__(made, "fragment", frame_fragment(made))
        if len(self._frames) >= limits.CACHED_FRAMES:
            for oldest in list(islice(list(self._frames), limits.CACHED_FRAMES // 8)):
                self._codes.pop(oldest, None)  # first: what is added anew meanwhile keeps its code
                self._operated.discard(oldest)
                self._frames.pop(oldest, None)
        self._codes[place] = code
        self._frames[place] = made
        return made

    def operated(self, entry: TracebackType) -> Frame:
        """Return the masked frame of an entry with its `operation`, which only those need whose fault it may be."""
        place = address(entry)
        frame = self.get(entry)
        if place in self._operated or place not in self._codes:  # a template's has none
            return frame
        code = entry.tb_frame.f_code
        try:
            found = operation_of(code, entry.tb_lasti, self.lines(code.co_filename))
        except RecursionError:  # little is left of the stack: with more of it, the same place will have its operation
            return frame
        # Not masked: it holds names of the program's text alone, and an identity is not to change with the rules.
        made = replace(frame, operation=found)
        object.__setattr__(made, "fragment", frame_fragment(made))
        self._codes[place] = code  # first, as in `get`: another thread may have made room meanwhile
        self._frames[place] = made
        self._operated.add(place)
        return made

    def lines(self, file: str) -> Sequence[str]:
        """Return the lines of a file, nothing if there are none to be had."""
        return self._sources.lines(file)

    def masked(self, raw: Frame) -> Frame:
        """Return a raw frame masked; what a mask takes from a template's line its operation loses too."""
        if self._link is not None and raw.in_app:
            raw = replace(raw, url=self._link(raw.file, raw.line, raw.end_line))
        made = self.scrubber.frame(raw)
        if raw.operation and made.source != raw.source:
            return replace(made, operation=self.scrubber.name(operation(made.source)))
        return made

    def of_template(self, at: TemplateLine, lines: Sequence[str], tag: str = "") -> Frame:
        """Return the raw frame of a template's line; a template that came from no file is the application's."""
        in_app = not at.has_file or self.is_in_app(module_in_file(at.file) or at.name, at.file)
        return replace(shown(at, lines, tag), in_app=in_app)

    def template(self, at: TemplateLine, lines: Callable[[], Sequence[str]], tag: str = "") -> Frame:
        """Return the masked frame of a template's line, kept if it is a file's; ``lines`` are asked for once."""
        key = (at, tag)
        known = self._templates.get(key)
        if known is not None:
            return known
        made = self.masked(self.of_template(at, lines(), tag))
        object.__setattr__(made, "fragment", frame_fragment(made))
        if at.has_file:
            while len(self._templates) >= limits.CACHED_TEMPLATE_LINES:
                self._templates.pop(next(iter(list(self._templates))), None)
            self._templates[key] = made
        return made

    def _raw(self, frame: FrameType, code: CodeType, lasti: int, line: int | None) -> Frame:
        module = imported_name(module_of(frame), frame.f_globals)
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
            in_app=self.is_in_app(module, file),
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
