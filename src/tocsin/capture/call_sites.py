"""Call sites: a record whose message came formatted goes in; what was written in the log call leaves.

`log.error(f"order {number} failed")` gives logging another text each time. In the source it is one: `order {} failed`,
whatever is filled in. Where a function only logs what it is given, the text is with who called it.
"""

from __future__ import annotations

import ast
import logging
import re
import sys
from collections.abc import Sequence
from types import CodeType, FrameType
from typing import Final, NamedTuple

from tocsin.capture.piece import Piece
from tocsin.capture.source import SourceCache
from tocsin.capture.spans import parsed, span_of, within
from tocsin.event import limits
from tocsin.system.interrupts import let_through

__all__ = ["CallSites"]

_CALL: Final = re.compile(r"(?<!\w)(?:debug|info|warning|warn|error|exception|critical|fatal|(log))[ \t]*\(")
_HOLE: Final = "{}"


class _Site(NamedTuple):
    """``template`` is what a call was written with; else ``parameter`` is the name of what it passes on, or nothing."""

    template: str = ""
    parameter: str = ""


_NONE: Final = _Site()


class CallSites:
    """Read the templates of log calls from their source, each call once; at most `CACHED_CALL_SITES` are remembered.

    A call that is known costs half a microsecond. Thread-safe without a lock, never raises.
    """

    def __init__(self) -> None:
        self._sources = SourceCache()
        self._known: dict[tuple[str, int, int], _Site] = {}

    def read(self, record: logging.LogRecord, piece: Piece) -> Piece:
        """Return the piece with its template, and its place if that is another's; unchanged if neither is known."""
        file, line = record.pathname, record.lineno
        if not piece.is_formatted or type(file) is not str or type(line) is not int:
            return piece
        try:
            site = self._site(file, line)
            if site.template:
                return piece._replace(template=site.template, is_formatted=False)
            if site.parameter and (frame := _frame_at(file, line)) is not None:
                return self._passed_on(frame, site.parameter, piece)
        except Exception as fault:  # noqa: BLE001 - source may be anything; the message itself is told by then
            let_through(fault)
        return piece

    def _site(self, file: str, line: int) -> _Site:
        key = (file, line, -1)
        known = self._known.get(key)
        return self._kept(key, _logged(self._sources.lines(file), line)) if known is None else known

    def _kept(self, key: tuple[str, int, int], site: _Site) -> _Site:
        while len(self._known) >= limits.CACHED_CALL_SITES:
            self._known.pop(next(iter(list(self._known))), None)
        self._known[key] = site
        return site

    def _passed_on(self, frame: FrameType, parameter: str, piece: Piece) -> Piece:
        """Return the piece with the template and the place of who gave ``parameter`` to the function of ``frame``."""
        for _ in range(limits.CALL_SITE_DEPTH):
            called, caller = frame.f_code, frame.f_back
            if caller is None or parameter not in called.co_varnames[: called.co_argcount]:
                break
            key = (caller.f_code.co_filename, caller.f_lineno, caller.f_lasti)
            site = self._known.get(key)
            if site is None:
                lines = self._sources.lines(caller.f_code.co_filename)
                site = self._kept(key, _given(caller.f_code, caller.f_lasti, lines, called, parameter))
            if site.template:
                module = caller.f_globals.get("__name__")
                place = f"{module if type(module) is str else '?'}.{caller.f_code.co_qualname}:{caller.f_lineno}"
                return piece._replace(template=site.template, is_formatted=False, location=place)
            if not site.parameter:
                break
            frame, parameter = caller, site.parameter
        return piece


def _frame_at(file: str, line: int) -> FrameType | None:
    """Return the frame of a log call that is under way in this thread."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(limits.CALL_SITE_FRAMES):
        if frame is None:
            break
        if frame.f_lineno == line and frame.f_code.co_filename == file:
            return frame
        frame = frame.f_back
    return None


def _logged(lines: Sequence[str], line: int) -> _Site:
    """Return what the one log call that begins in a line is written with."""
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    calls = list(_CALL.finditer(text))
    if len(calls) != 1:
        return _NONE
    call = _call_in([text[calls[0].end() - 1 :], *lines[line : line + limits.OPERATION_LINES]])
    return _NONE if call is None else _site(_argument(call, 1 if calls[0].group(1) else 0, "msg"))


def _call_in(lines: Sequence[str]) -> ast.Call | None:
    """Return the call whose bracket a text begins with, over as many lines as it takes."""
    text = "call"
    for line in lines:
        text += f"{line}\n"
        if line.rstrip()[-1:] in (",", "(", "[", "{", ""):
            continue  # it goes on; parsing is what takes the time
        tree = parsed(text)
        if tree is not None:
            return next((node for node in ast.walk(tree) if isinstance(node, ast.Call)), None)
    return None


def _given(code: CodeType, lasti: int, lines: Sequence[str], called: CodeType, parameter: str) -> _Site:
    """Return what a call under way gives as a parameter to the function called."""
    span = span_of(code, lasti)
    node = None if span is None else within(span, lines)
    node = node.value if isinstance(node, ast.Await) else node
    if not isinstance(node, ast.Call):
        return _NONE
    names = called.co_varnames
    is_bound = names[:1] in (("self",), ("cls",))  # of a chain over several lines the span has the method's name alone
    given = _argument(node, names.index(parameter) - is_bound, parameter)
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        return _Site(template=given.value)  # nothing varies in it, but its place is here
    return _site(given)


def _argument(call: ast.Call, number: int, name: str) -> ast.expr | None:
    named = next((one.value for one in call.keywords if one.arg == name), None)
    if named is not None or number >= len(call.args):
        return named
    return None if any(isinstance(one, ast.Starred) for one in call.args[: number + 1]) else call.args[number]


def _site(node: ast.expr | None) -> _Site:
    if isinstance(node, ast.Name):
        return _Site(parameter=node.id)
    text = None if node is None or isinstance(node, ast.Constant) else _template(node)
    return _Site(template=text) if text and text.replace(_HOLE, "").strip() else _NONE


def _template(node: ast.expr) -> str:
    """Return the text of an expression, with a hole for whatever is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(_template, parts))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _template(left) + _template(right)
        case ast.BinOp(left=left, op=ast.Mod()):
            return _template(left)
        case ast.Call(func=ast.Attribute(value=base, attr="format")):
            return _template(base)
    return _HOLE
