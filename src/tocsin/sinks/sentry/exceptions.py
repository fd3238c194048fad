"""An exception goes in; the protocol's list of exceptions leaves, the oldest first, with their frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from tocsin.event.limits import EXCEPTIONS, FRAMES, MESSAGE_CHARS, NAME_CHARS, SOURCE_LINE_CHARS
from tocsin.event.model import ExceptionInfo, Frame
from tocsin.render import harmless

__all__ = ["exception_values"]

_Values: TypeAlias = "list[dict[str, Any]]"
_DOTTED: Final = re.compile(r"\w+(?:\.[\w<>]+)+")


def exception_values(info: ExceptionInfo, *, is_handled: bool) -> _Values:
    """Return the chain as ``exception.values``: causes and members before what came of them.

    Each has a number and its parent's in ``mechanism``, so that a tree can be drawn. At most EXCEPTIONS of them.
    """
    found: _Values = []
    waiting: list[tuple[ExceptionInfo, int | None, str]] = [(info, None, "")]
    while waiting and len(found) < EXCEPTIONS:
        one, parent, source = waiting.pop()
        number = len(found)
        found.append(_value(one, _mechanism(one, number, parent, source, is_handled=is_handled)))
        inner = [(member, number, f"exceptions[{n}]") for n, member in enumerate(one.members)]
        if one.cause is not None:
            inner.insert(0, (one.cause, number, "__cause__"))
        elif one.context is not None:
            inner.insert(0, (one.context, number, "__context__"))
        waiting.extend(reversed(inner))
    found.reverse()
    return found


def _mechanism(
    info: ExceptionInfo, number: int, parent: int | None, source: str, *, is_handled: bool
) -> dict[str, Any]:
    mechanism: dict[str, Any] = {"type": "generic", "handled": is_handled, "exception_id": number}
    if parent is not None:
        mechanism |= {"type": "chained", "parent_id": parent, "source": source}
    if info.members:
        mechanism["is_exception_group"] = True
    return mechanism


def _value(info: ExceptionInfo, mechanism: dict[str, Any]) -> dict[str, Any]:
    whole = harmless.line(info.type, NAME_CHARS)
    module, _, name = whole.rpartition(".") if _DOTTED.fullmatch(whole) else ("", "", whole)
    words = [harmless.block(text[:MESSAGE_CHARS]) for text in (info.message, *info.notes)]
    value: dict[str, Any] = {"type": name or "Exception", "value": "\n".join(words), "mechanism": mechanism}
    if module:
        value["module"] = module
    if info.frames:
        value["stacktrace"] = {"frames": [_frame(frame) for frame in _ends(info.frames)]}
    return value


def _ends(frames: tuple[Frame, ...]) -> Iterator[Frame]:
    """Give all frames, of a stack deeper than any capture keeps both ends."""
    half = FRAMES // 2
    yield from frames if len(frames) <= FRAMES else (*frames[:half], *frames[-half:])


def _frame(frame: Frame) -> dict[str, Any]:
    path = harmless.line(frame.file)
    members: dict[str, Any] = {
        "module": harmless.line(frame.module, NAME_CHARS),
        "function": harmless.line(frame.function, NAME_CHARS),
        "filename": _short(path, frame.module),
        "abs_path": path,
        "lineno": frame.line,
        "in_app": frame.in_app,
    }
    if frame.source:
        members["context_line"] = _source(frame.source)
        members["pre_context"] = [_source(text) for text in frame.before]
        members["post_context"] = [_source(text) for text in frame.after]
    variables = {harmless.line(name, NAME_CHARS): harmless.block(value) for name, value in (frame.locals or {}).items()}
    if frame.repeats > 1:  # the protocol has no word for it, and a variable is what every server shows
        variables["[repeated]"] = f"{frame.repeats} times"
    return {**members, "vars": variables} if variables else members


def _source(line: str) -> str:
    return harmless.line(line.rstrip(), SOURCE_LINE_CHARS)


def _short(path: str, module: str) -> str:
    """Return the path from where imports begin: ``orders/money.py`` of the module ``orders.money``."""
    tail = harmless.line(module).replace(".", "/")
    for end in (f"{tail}.py", f"{tail}/__init__.py"):
        if path.replace("\\", "/").endswith(f"/{end}"):
            return end
    return path
