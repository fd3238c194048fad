"""Django's templates: the frames of a traceback go in; those of nodes leave as the lines of templates they stand for.

Django's exceptions know the template's line only where its engine's ``debug`` is on. In production the nodes that were
rendered, or parsed, know it, and they are in the traceback's frames. They are only read; nothing of Django's runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tocsin.capture import anatomy
from tocsin.capture.frames import FrameCache, module_of
from tocsin.capture.templates import TemplateLine, exact_int, exact_text, lines_of, template_name
from tocsin.event import limits
from tocsin.event.typename import type_name
from tocsin.system.interrupts import let_through

if TYPE_CHECKING:
    from tocsin.event.model import Frame

__all__ = ["rendered_line", "tried", "with_templates"]

_DJANGO: Final = "django.template.base"
_RENDERED: Final = "Node.render_annotated"
_COMPILED: Final = "Template.compile_nodelist"
_TEMPLATES: Final = ("Template._render", "Template.render", _COMPILED)
_MISSING: Final = "django.template.exceptions.TemplateDoesNotExist"
_TAG_CHARS: Final = limits.SOURCE_LINE_CHARS * 2


class _Tag(NamedTuple):
    """Hold what is known of a tag: which entry it was worked on in, its token, and where its template is from."""

    at: int
    token: dict[str, Any]
    origin: object


def with_templates(
    exc: BaseException, frames: list[Frame], entries: Sequence[TracebackType], cache: FrameCache
) -> list[Frame]:
    """Return the frames with the innermost node of each template in a row told as the template's line.

    ``frames`` are what is shown of ``entries``. Never raises; where Django isn't among them, they are what is returned.
    """
    if _DJANGO not in sys.modules or _DJANGO not in [frame.module for frame in frames]:
        return frames
    try:
        tags = list(_tags(exc, frames, entries))
        shown = list(frames)
        for tag, following in zip(tags, [*tags[1:], None], strict=True):
            if following is None or following.origin is not tag.origin:
                shown[tag.at] = _frame(tag, entries, cache)
        return shown
    except Exception as fault:  # noqa: BLE001 - a report without the template's line is better than none
        let_through(fault)
        return frames


def _tags(exc: BaseException, frames: Sequence[Frame], entries: Sequence[TracebackType]) -> Iterator[_Tag]:
    compiled = [at for at, frame in enumerate(frames) if frame.function == _COMPILED and frame.module == _DJANGO]
    for at, frame in enumerate(frames):
        if frame.module != _DJANGO or frame.function not in (_RENDERED, _COMPILED):
            continue
        own = anatomy.stored(_self_of(entries[at]))
        # Of several templates in the making the innermost is the one that the exception's token is in.
        is_compiled = at in compiled[-1:]
        token = anatomy.stored(dict.get(anatomy.attributes(exc) if is_compiled else own, "token"))
        origin, line = dict.get(own, "origin"), exact_int(dict.get(token, "lineno"))
        if origin is not None and line is not None and line > 0:
            yield _Tag(at, token, origin)


def _frame(tag: _Tag, entries: Sequence[TracebackType], cache: FrameCache) -> Frame:
    told = anatomy.stored(tag.origin)
    file = exact_text(dict.get(told, "name"), limits.PATH_CHARS * 4) or "<template>"
    name = exact_text(dict.get(told, "template_name"), limits.NAME_CHARS) or template_name(file)
    at = TemplateLine(name, "template", file, exact_int(dict.get(tag.token, "lineno")) or 0)
    contents = exact_text(dict.get(tag.token, "contents"), _TAG_CHARS)

    def lines() -> Sequence[str]:
        source = _source_of(tag.origin, entries[: tag.at + 1])
        return source if source or not os.path.isabs(file) else cache.lines(file)  # noqa: PTH117 - text only

    return cache.template(at, lines, contents)


def _source_of(origin: object, entries: Sequence[TracebackType]) -> Sequence[str]:
    """Return the lines of the template of this origin, as it was compiled: the file may have been changed since."""
    for entry in reversed(entries):
        code = entry.tb_frame.f_code
        if code.co_qualname in _TEMPLATES and module_of(entry.tb_frame) == _DJANGO:
            template = anatomy.stored(_self_of(entry))
            if dict.get(template, "origin") is origin:
                return lines_of(exact_text(dict.get(template, "source"), limits.SOURCE_FILE_BYTES))
    return ()


def _self_of(entry: TracebackType) -> object:
    """Return the object whose method a frame was.

    Up to Python 3.12 a frame keeps the dict of its variables once somebody asked for it. These methods catch nothing
    for good, so they have ended when an exception that passed them is seen, and the dict goes with the traceback.
    """
    return entry.tb_frame.f_locals.get("self")


def rendered_line(exc: BaseException) -> tuple[str, int] | None:
    """Return file and line of the tag that was rendered innermost, None where none was.

    Two templates that fail alike fail at the same places in Django's code, and so have the same `fault_key`. Costs
    0.1 µs a frame where Django's templates are loaded, else nothing.
    """
    if _DJANGO not in sys.modules:
        return None
    found: TracebackType | None = None
    entry = anatomy.traceback(exc)
    while entry is not None:
        if entry.tb_frame.f_code.co_name == "render_annotated" and module_of(entry.tb_frame) == _DJANGO:
            found = entry
        entry = entry.tb_next
    if found is None:
        return None
    node = anatomy.stored(_self_of(found))
    file = dict.get(anatomy.stored(dict.get(node, "origin")), "name")
    line = exact_int(dict.get(anatomy.stored(dict.get(node, "token")), "lineno"))
    return exact_text(file, limits.PATH_CHARS), line or 0


def tried(exc: BaseException) -> tuple[str, ...]:
    """Return where Django looked for a template that does not exist, nothing for any other exception. Not masked."""
    space = anatomy.attributes(exc)
    if type(dict.get(space, "tried")) is not list or type_name(type(exc)) != _MISSING:
        return ()
    told: list[str] = []
    chain = dict.get(space, "chain")
    for each in (exc, *(chain[: limits.CHAIN] if type(chain) is list else ())):
        found = dict.get(anatomy.stored(each), "tried")
        told += [_look(pair) for pair in (found[: limits.NOTES] if type(found) is list else ())]
    return tuple(told[: limits.NOTES])


def _look(pair: object) -> str:
    origin, reason = pair if type(pair) is tuple and len(pair) == 2 else (None, "")
    name = exact_text(dict.get(anatomy.stored(origin), "name"), limits.PATH_CHARS)
    return f"tried {name}: {exact_text(reason, limits.NOTE_CHARS)}"
