"""Places that exceptions name: an exception and its frames go in; the line it speaks of leaves with them, masked.

A SyntaxError names a line of a file that never ran, and Jinja2's a line of a template that may be in no file.
"""

from __future__ import annotations

import sys
from typing import Final

from tocsin.capture import anatomy
from tocsin.capture.frames import FrameCache
from tocsin.capture.templates import TemplateLine, exact_int, exact_text, lines_of, module_in_file, template_name
from tocsin.event import limits
from tocsin.event.model import Frame
from tocsin.event.typename import type_name
from tocsin.system.interrupts import let_through

__all__ = ["named", "with_place"]

_SYNTAX: Final = {
    name: SyntaxError.__dict__[name].__get__
    for name in ("filename", "lineno", "offset", "text", "end_lineno", "end_offset")
}
_TEXT_CHARS: Final = limits.SOURCE_LINE_CHARS * 8


def with_place(exc: BaseException, frames: list[Frame], cache: FrameCache) -> tuple[list[Frame], Frame | None]:
    """Return the frames, and the masked place that an exception names: None for nearly every exception.

    Where a frame stands for that place but doesn't show it, as Jinja2 makes one for a template without a file, the
    place takes its stead. Never raises.
    """
    try:
        if issubclass(type(exc), SyntaxError):
            raw = _of_syntax_error(exc, cache)
            return frames, None if raw is None else cache.masked(raw)
        if "jinja2" not in sys.modules or dict.get(anatomy.attributes(exc), "translated") is None:
            return frames, None
        raw = _of_jinja(exc, frames, cache)
        if raw is None:
            return frames, None
        place = cache.masked(raw)
        stands_in = bool(frames) and frames[-1].line == place.line and frames[-1].file.startswith("<")
        return ([*frames[:-1], place], None) if stands_in else (frames, place)
    except Exception as fault:  # noqa: BLE001 - a report without the line is better than none
        let_through(fault)
        return frames, None


def named(exc: BaseException) -> tuple[str, int] | None:
    """Return file and line that an exception names, None for nearly every one; of a SyntaxError the file alone.

    Two plugins that can't be compiled fail at the same place of the code that imports them.
    """
    if issubclass(type(exc), SyntaxError):
        return exact_text(_SYNTAX["filename"](exc), limits.PATH_CHARS * 4), 0
    space = anatomy.attributes(exc)
    if dict.get(space, "translated") is None:  # as Jinja2's have it
        return None
    file = exact_text(dict.get(space, "filename"), limits.PATH_CHARS * 4)
    return file or exact_text(dict.get(space, "name"), limits.NAME_CHARS), exact_int(dict.get(space, "lineno")) or 0


# -- Python ------------------------------------------------------------------------------------------------------------


def _of_syntax_error(exc: BaseException, cache: FrameCache) -> Frame | None:
    filename, number, offset, text, end_number, end_offset = (read(exc) for read in _SYNTAX.values())
    file, line = exact_text(filename, limits.PATH_CHARS * 4), exact_int(number)
    said = exact_text(text, _TEXT_CHARS).partition("\n")[0].rstrip()
    if line is None or line < 0 or not (file or said):
        return None
    lines = cache.lines(file) if file else ()
    in_file = lines[line - 1].rstrip() if 0 < line <= len(lines) else ""
    # What the parser saw counts: the file may have been changed since. It has the context, though, and the indent.
    is_current = bool(in_file) and (not said or said.strip() == in_file.strip())
    source = in_file if is_current else said
    shift = _indent(source) - _indent(said) if said else 0
    ends_elsewhere = type(end_number) is int and end_number != line
    first, last = _carets(source, shift, exact_int(offset), None if ends_elsewhere else exact_int(end_offset))
    before = lines[max(0, line - 1 - limits.CONTEXT_LINES) : max(0, line - 1)] if is_current else ()
    return Frame(
        module=module_in_file(file).removesuffix(".py"),
        function="",
        file=file,
        line=line,
        source=source,
        before=tuple(text.rstrip() for text in before),
        after=tuple(text.rstrip() for text in lines[line : line + limits.CONTEXT_LINES]) if is_current else (),
        end_line=None if first is None else line,
        column=first,
        end_column=last if not ends_elsewhere or first is None else max(first + 1, len(source)),
        in_app=cache.is_in_app(module_in_file(file), file),
    )


def _carets(source: str, shift: int, offset: int | None, end: int | None) -> tuple[int, int] | tuple[None, None]:
    """Return the columns of offsets that count from 1; as in `traceback`, one behind the line points at its end."""
    if not source or offset is None or offset < 1:
        return None, None
    first = min(offset - 1 + shift, len(source))
    last = first + 1 if end is None or end <= offset else min(end - 1 + shift, len(source) + 1)
    return (first, max(last, first + 1)) if first >= 0 else (None, None)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


# -- Jinja2 ------------------------------------------------------------------------------------------------------------


def _of_jinja(exc: BaseException, frames: list[Frame], cache: FrameCache) -> Frame | None:
    """Return the raw line of a TemplateSyntaxError, if the frame that Jinja2 made for it doesn't show it already."""
    if not any(type_name(cls) == "jinja2.exceptions.TemplateSyntaxError" for cls in anatomy.mro(type(exc))):
        return None
    space = anatomy.attributes(exc)
    line = exact_int(dict.get(space, "lineno"))
    file = exact_text(dict.get(space, "filename"), limits.PATH_CHARS * 4)
    name = exact_text(dict.get(space, "name"), limits.NAME_CHARS)
    if line is None or line < 1:
        return None
    last = frames[-1] if frames else None
    if last is not None and last.source and (last.file, last.line) == (cache.scrubber.text(file), line):
        return None
    lines = lines_of(exact_text(dict.get(space, "source"), limits.SOURCE_FILE_BYTES)) or cache.lines(file)
    at = TemplateLine(template_name(file) if file else name, "template", file or name or "<template>", line)
    return cache.of_template(at, lines)
