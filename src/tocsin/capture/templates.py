"""Templates: a frame of Jinja2, or a tag of Django's, goes in; the template's line it stands for leaves, unmasked.

Nothing of an engine is imported, and nothing of it runs: objects are known by what the engine puts into the globals of
compiled code and into its objects' own dicts, which are only read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final, NamedTuple

from tocsin.capture import anatomy
from tocsin.event import limits
from tocsin.event.model import Frame

__all__ = [
    "TemplateLine",
    "exact_int",
    "exact_text",
    "jinja_line",
    "lines_of",
    "module_in_file",
    "operation",
    "shown",
    "template_name",
]

_MADE_OF_TEXT: Final = "<"  # such as <template>, <unknown>, <unknown source>
_FOLDERS: Final = re.compile(r"(?:.*/)?(?:templates|jinja2)/(?=.)", re.DOTALL)
_INSTALLED: Final = re.compile(r".*/(?:site|dist)-packages/", re.DOTALL)
_TAG: Final = re.compile(r"\{\{.{0,500}?\}\}|\{%.{0,500}?%\}")
_OPENING: Final = re.compile(r"\{[{%]")
_DEBUG_INFO_CHARS: Final = 65_536


class TemplateLine(NamedTuple):
    """Name a line of a template. ``file`` is "<…>" for one that came from no file."""

    name: str
    function: str
    file: str
    line: int

    @property
    def has_file(self) -> bool:
        return not self.file.startswith(_MADE_OF_TEXT)


def jinja_line(frame: FrameType, line: int | None) -> TemplateLine | None:
    """Return the line of a Jinja2 template that a frame stands for, None for a frame of anything else.

    While a template is rendered, Jinja2 puts frames of its own making into the traceback, with the template's file and
    line. A macro that Python code calls has a frame of the compiled code, whose lines are not the template's.
    """
    space = frame.f_globals
    code = frame.f_code
    if "__jinja_exception__" in space:
        return TemplateLine(template_name(code.co_filename), code.co_name, code.co_filename, line or 1)
    template = space.get("__jinja_template__")
    if template is None:
        return None
    stored = anatomy.stored(template)
    file = exact_text(dict.get(stored, "filename"), limits.PATH_CHARS) or code.co_filename
    name = template_name(file)
    if name.startswith(_MADE_OF_TEXT):
        name = exact_text(dict.get(stored, "name"), limits.NAME_CHARS) or name
    at = _corresponding(exact_text(dict.get(stored, "_debug_info"), _DEBUG_INFO_CHARS), line or 1)
    return TemplateLine(name, _function(code.co_name), file, at)


def _function(name: str) -> str:
    """Return the words that Jinja2 has for a compiled function of a template."""
    if name == "root":
        return "top-level template code"
    return f"block {name[6:]!r}" if name.startswith("block_") else "template"


def _corresponding(debug_info: str, line: int) -> int:
    """Return the template's line of a line of compiled code, by ``template=code&…`` with both in ascending order."""
    found = 1
    for pair in debug_info.split("&"):
        own, _, compiled = pair.partition("=")
        if not (own.isascii() and own.isdigit() and compiled.isascii() and compiled.isdigit()):
            break
        if len(compiled) > 9 or int(compiled) > line:
            break
        found = int(own[:9])
    return found


def template_name(file: str) -> str:
    """Return what names a template wherever the application is installed: its path within the folder of templates.

    Where no folder is called ``templates`` or ``jinja2`` it is the file's name alone.
    """
    if file.startswith(_MADE_OF_TEXT):
        return file[: limits.NAME_CHARS]
    path = file[: limits.PATH_CHARS * 4].replace("\\", "/")
    within = _FOLDERS.match(path)
    return path[within.end() :] if within else path.rpartition("/")[2]


def module_in_file(file: str) -> str:
    """Return the dotted name of an installed file, to be compared with the modules that are the application's."""
    path = file[: limits.PATH_CHARS * 4].replace("\\", "/")
    within = _INSTALLED.match(path)
    return path[within.end() :].replace("/", ".") if within else ""


def operation(source: str) -> str:
    """Return the tags and expressions of a template's line; the line itself where none begins and ends in it.

    What stands around them is text for a browser, and none of the fault.
    """
    tags = _TAG.findall(source[: limits.SOURCE_LINE_CHARS * 4])
    return " ".join(" ".join(tags or [source]).split())[: limits.NAME_CHARS]


def shown(at: TemplateLine, lines: Sequence[str], tag: str = "") -> Frame:
    """Return the raw frame of a template's line; its columns are those of ``tag``, or of the only tag on the line."""
    source = lines[at.line - 1].rstrip() if 0 < at.line <= len(lines) else ""
    first, last = _columns(source, tag)
    return Frame(
        module=at.name,
        function=at.function,
        file=at.file,
        line=at.line,
        source=source,
        before=tuple(text.rstrip() for text in lines[max(0, at.line - 1 - limits.CONTEXT_LINES) : max(0, at.line - 1)]),
        after=tuple(text.rstrip() for text in lines[at.line : at.line + limits.CONTEXT_LINES]) if source else (),
        end_line=None if first is None else at.line,
        column=first,
        end_column=last,
        operation=operation(tag or source),
    )


def _columns(source: str, tag: str) -> tuple[int, int] | tuple[None, None]:
    part = source[: limits.SOURCE_LINE_CHARS * 4]
    if not tag and len(_OPENING.findall(part)) != 1:
        return None, None
    found = [match.span() for match in _TAG.finditer(part) if not tag or match[0][2:-2].strip() == tag]
    return found[0] if len(found) == 1 else (None, None)


def exact_text(value: Any, bound: int) -> str:
    """Return the characters of a text or of what is derived from it, such as one marked as safe; "" for all else."""
    return str.__getitem__(value, slice(bound)) if issubclass(type(value), str) else ""


def exact_int(value: Any) -> int | None:
    """Return an exact integer that may count lines or columns, None for all else."""
    return value if type(value) is int and -1 <= value < 1 << 31 else None


def lines_of(text: str) -> Sequence[str]:
    """Return the lines of a template's source, as the engines count them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if text else ()
