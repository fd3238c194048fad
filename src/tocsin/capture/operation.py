"""Operations: an instruction of a code object and its source go in; what it does leaves, without what varies.

Two faults may lie in one function, and raise one type. What tells them apart is the expression that failed, or the
condition of the `raise`: read from the syntax tree, so that other wrapping, other names of local variables, an `await`,
lines above it and another Python make no difference.
"""

from __future__ import annotations

import ast
import opcode
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from types import CodeType
from typing import Final, TypeAlias

from tocsin.capture.syntax import Names, described
from tocsin.event import limits
from tocsin.event.operations import GIVEN, GUARD, HANDS_ON
from tocsin.system.interrupts import let_through

__all__ = ["Span", "operation_of", "span_of", "within"]

Span: TypeAlias = tuple[int, int, int, int]  # line, end line, column, end column; columns in bytes of UTF-8
_Place: TypeAlias = tuple[int, int]
_Path: TypeAlias = tuple[ast.AST, ...]  # from the function inwards

_RAISE: Final = opcode.opmap["RAISE_VARARGS"]
_RAISES: Final = (ast.Raise, ast.Assert)
_VARIADIC: Final = 0x04 | 0x08  # CO_VARARGS, CO_VARKEYWORDS


def span_of(code: CodeType, lasti: int) -> Span | None:
    """Return where the source of an instruction lies (PEP 657), None where the interpreter has not kept it."""
    line, end_line, column, end_column = next(
        islice(code.co_positions(), max(lasti, 0) // 2, None), (None, None, None, None)
    )
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return line, end_line, column, end_column


def operation_of(code: CodeType, lasti: int, lines: Sequence[str]) -> str:
    """Return what an instruction does, in a text that other releases of the same code have too.

    It begins with `HANDS_ON` where the function only hands on what it was given, with `GUARD` where it refuses what
    it was given, with `GIVEN` where it uses that as it is; it is empty where there is no source. It quotes no literal. Never raises; 50 to 500 µs.
    """
    try:
        found = _operation(code, lasti, lines)
    except Exception as fault:  # noqa: BLE001 - source may be anything; without it there is a coarser identity
        let_through(fault)
        found = ""
    return _clipped(found) or (HANDS_ON if _is_wrapper(code) else "")


def _clipped(text: str) -> str:
    if len(text) <= limits.OPERATION_CHARS:
        return text
    rest = blake2b(text.encode("utf-8", "backslashreplace"), digest_size=4).hexdigest()
    return f"{text[: limits.OPERATION_CHARS]}#{rest}"


def _operation(code: CodeType, lasti: int, lines: Sequence[str]) -> str:
    span = span_of(code, lasti)
    if span is None or not 0 < span[0] <= len(lines):
        return ""
    names = Names(code)
    tree = _function(code, lines)
    is_raise = code.co_code[lasti : lasti + 1] == bytes([_RAISE])
    if tree is not None and is_raise:
        path = _path_to(tree, span, _RAISES)
        return _raised(path, names) if path else ""
    node = within(span, lines)
    path = () if tree is None else _path_to(tree, span, (ast.stmt,))
    if node is None or not names.tells(node):
        return _statement(path[-1], names) if path else ""
    text = described(node, names)
    text += "" if tree is None else _ordinal(tree, node, text, span, names)
    is_all = not path or _is_all(path[-1], span)
    if names.is_handed_on(node, is_all=is_all):
        return f"{HANDS_ON} {text}"
    return f"{GIVEN} {text}" if names.uses_what_was_given(node) else text


def _is_all(statement: ast.AST, span: Span) -> bool:
    """Return whether a statement does nothing but what its expression within the span does."""
    value = statement.value if isinstance(statement, ast.Return | ast.Expr) else None
    return value is not None and _extent(value) == ((span[0], span[2]), (span[1], span[3]))


def _statement(node: ast.AST, names: Names) -> str:
    header = _header(node)
    if header is node and hasattr(node, "body"):
        return type(node).__name__
    text = described(node, names) if header is node else f"{type(node).__name__} {described(header, names)}"
    return f"{GIVEN} {text}" if header is not node and names.is_given(header) else text


def _is_wrapper(code: CodeType) -> bool:
    """Return whether a function looks like what a decorator makes, where there is no source to tell."""
    return code.co_flags & _VARIADIC == _VARIADIC and bool(code.co_freevars)


def within(span: Span, lines: Sequence[str]) -> ast.AST | None:
    """Return the expression within a span; None if there is none. Of a statement, what in it is evaluated."""
    line, end_line, column, end_column = span
    if end_line - line > limits.OPERATION_LINES or end_line > len(lines):
        return None
    within = [text.encode("utf-8", "replace") for text in lines[line - 1 : end_line]]
    within[-1] = within[-1][:end_column]
    within[0] = within[0][column:]
    text = b"\n".join(within).decode("utf-8", "replace").strip()
    for source in (f"({text}\n)", text):
        try:
            body = ast.parse(source).body
        except (SyntaxError, ValueError):
            continue
        return _header(body[0]) if body else None
    return None


def _header(node: ast.AST) -> ast.AST:
    """Return the part of a statement that is evaluated where Python says that the statement is."""
    match node:
        case ast.Expr(value=value):
            return _header(value)
        case ast.For(iter=value) | ast.AsyncFor(iter=value):
            return value
        case ast.With(items=[item, *_]) | ast.AsyncWith(items=[item, *_]):
            return item.context_expr
        case ast.GeneratorExp(generators=[walk, *_]) | ast.ListComp(generators=[walk, *_]):
            return walk.iter  # what its first loop walks is evaluated where it stands
        case ast.SetComp(generators=[walk, *_]) | ast.DictComp(generators=[walk, *_]):
            return walk.iter
        case ast.If(test=value) | ast.While(test=value) | ast.Assert(test=value):
            return value
    return node


def _function(code: CodeType, lines: Sequence[str]) -> ast.AST | None:
    """Return the syntax tree of a function or module, with the line numbers of its file."""
    first = code.co_firstlineno
    last = max((end or 0 for _, end, _, _ in code.co_positions()), default=0)
    if last - first > limits.OPERATION_FUNCTION_LINES or not 0 < first <= len(lines):
        return None
    own = lines[first - 1 : last]
    # Behind an `if`, so that an indented function is a program, and the columns stay.
    source = "\n" * (first - 2) + "if 1:\n" + "\n".join(own) if own[0][:1] in " \t" and first > 1 else None
    try:
        return ast.parse(source if source is not None else "\n" * (first - 1) + "\n".join(own))
    except (SyntaxError, ValueError):
        return None


def _path_to(tree: ast.AST, span: Span, kinds: tuple[type[ast.AST], ...]) -> _Path:
    """Return the way to the innermost node of some kinds that covers a span; nothing where there is none."""
    found: _Path = ()
    path: _Path = (tree,)
    while True:
        inner = next((node for node in ast.iter_child_nodes(path[-1]) if _covers(node, span)), None)
        if inner is None:
            return found
        path = (*path, inner)
        if isinstance(inner, kinds):
            found = path


def _covers(node: ast.AST, span: Span) -> bool:
    if not isinstance(node, ast.stmt | ast.expr | ast.excepthandler | ast.match_case):
        return False
    if isinstance(node, ast.match_case):  # it has no position of its own
        return any(_covers(inner, span) for inner in node.body)
    begin, end = _extent(node)
    return begin <= (span[0], span[2]) and (span[1], span[3]) <= end


def _extent(node: ast.stmt | ast.expr | ast.excepthandler) -> tuple[_Place, _Place]:
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return (node.lineno, node.col_offset), end


def _raised(path: _Path, names: Names) -> str:
    """Return what a `raise` or `assert` stands for: what is raised, and on what condition; no message."""
    node = path[-1]
    if _is_raised_again(path):
        return f"{HANDS_ON} what it caught"
    if isinstance(node, ast.Assert):
        text = f"assert {described(node.test, names)}"
        return f"{GUARD} {text}" if names.asks_what_was_given(node.test) else text
    raised = node.exc if isinstance(node, ast.Raise) else None
    raised = raised.func if isinstance(raised, ast.Call) else raised
    text = "raise" if raised is None else f"raise {described(raised, names)}"
    for around, inside in zip(path[-2::-1], path[:0:-1], strict=False):
        if isinstance(around, ast.If | ast.While):
            branch = "if" if inside in around.body else "else"
            text += f" {branch} {described(around.test, names)}"
            return f"{GUARD} {text}" if names.asks_what_was_given(around.test) else text
        if isinstance(around, ast.ExceptHandler):
            return f"{text} except {'' if around.type is None else described(around.type, names)}"
        if isinstance(around, ast.match_case):
            return f"{text} case {described(around.pattern, names)}"
        if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            break
    return text


def _is_raised_again(path: _Path) -> bool:
    """Return whether a `raise` raises what the handler around it caught."""
    node = path[-1]
    handler = next((one for one in path[-2::-1] if isinstance(one, ast.ExceptHandler)), None)
    if not isinstance(node, ast.Raise) or handler is None:
        return False
    return node.exc is None or (isinstance(node.exc, ast.Name) and node.exc.id == handler.name)


def _ordinal(tree: ast.AST, node: ast.AST, text: str, span: Span, names: Names) -> str:
    """Return which one of several that read alike it is: nothing for the first."""
    alike = [_extent(other)[0] for other in _alike(tree, type(_bare(node))) if described(other, names) == text]
    number = sum(begin < (span[0], span[2]) for begin in alike)
    return f" #{number + 1}" if number else ""


def _bare(node: ast.AST) -> ast.AST:
    return node.value if isinstance(node, ast.Await) else node


def _alike(tree: ast.AST, kind: type[ast.AST]) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if type(node) is kind and isinstance(node, ast.expr):
            yield node
