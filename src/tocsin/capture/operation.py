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
from typing import Final

from tocsin.capture.spans import (
    Path,
    Span,
    Step,
    begins_and_ends,
    function_tree,
    header_of,
    is_in_comprehension,
    managed,
    meant,
    path_to,
    span_of,
    step_of,
    within,
)
from tocsin.capture.syntax import Names, described, outline
from tocsin.event import limits
from tocsin.event.identity.operations import GIVEN, GUARD, HANDS_ON
from tocsin.system.interrupts import let_through

__all__ = ["operation_of"]

_INLINED: Final = ("<listcomp>", "<setcomp>", "<dictcomp>")  # into the function around them, since Python 3.12
_RAISE: Final = opcode.opmap["RAISE_VARARGS"]
_RAISES: Final = (ast.Raise, ast.Assert)
_VARIADIC: Final = 0x04 | 0x08  # CO_VARARGS, CO_VARKEYWORDS


def operation_of(code: CodeType, lasti: int, lines: Sequence[str]) -> str:
    """Return what an instruction does, in a text that other releases of the same code have too.

    It begins with `HANDS_ON` where the function only hands on what it was given, with `GUARD` where it refuses what
    it was given, with `GIVEN` where it uses that as it is; it is empty where there is no source. It quotes no literal.
    50 to 500 µs, of a function of 500 lines up to 60 ms. Raises RecursionError alone, near the end of the stack.
    """
    try:
        found = _operation(code, lasti, lines)
    except RecursionError:  # a matter of this call, and not of the place: nothing that may be remembered of it
        raise
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
    tree = function_tree(code, lines)
    is_raise = code.co_code[lasti : lasti + 1] == bytes([_RAISE])
    if tree is not None and is_raise:
        path = path_to(tree, span, _RAISES)
        return _raised(path, names) if path else ""
    step = step_of(code, lasti)
    node = within(span, lines, step)
    if tree is not None:
        node, span = meant(node, span, tree, step)
    is_inner = code.co_name in _INLINED or (tree is not None and is_in_comprehension(tree, span))
    if is_inner:
        names = names.of_a_comprehension()
    path = () if tree is None else path_to(tree, span, (ast.stmt,))
    if node is None or not names.tells(node):
        return _statement(path[-1], names, span, step) if path else ""
    text = described(node, names)
    text += "" if tree is None or is_inner else _ordinal(tree, node, text, span, names)
    is_all = not path or _is_all(path[-1], span)
    if names.is_handed_on(node, is_all=is_all):
        return f"{HANDS_ON} {text}"
    return f"{GIVEN} {text}" if names.uses_what_was_given(node) else text


def _is_all(statement: ast.AST, span: Span) -> bool:
    """Return whether a statement does nothing but what its expression within the span does."""
    value = statement.value if isinstance(statement, ast.Return | ast.Expr) else None
    return value is not None and begins_and_ends(value) == ((span[0], span[2]), (span[1], span[3]))


def _statement(node: ast.AST, names: Names, span: Span, step: Step) -> str:
    header = managed(node, span, step) if isinstance(node, ast.With | ast.AsyncWith) else header_of(node, step)
    if header is node and hasattr(node, "body"):
        return type(node).__name__
    text = described(node, names) if header is node else f"{type(node).__name__} {described(header, names)}"
    return f"{GIVEN} {text}" if header is not node and names.is_given(header) else text


def _is_wrapper(code: CodeType) -> bool:
    """Return whether a function looks like what a decorator makes, where there is no source to tell."""
    return code.co_flags & _VARIADIC == _VARIADIC and bool(code.co_freevars)


def _raised(path: Path, names: Names) -> str:
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


def _is_raised_again(path: Path) -> bool:
    """Return whether a `raise` raises what the handler around it caught."""
    node = path[-1]
    handler = next((one for one in path[-2::-1] if isinstance(one, ast.ExceptHandler)), None)
    if not isinstance(node, ast.Raise) or handler is None:
        return False
    return node.exc is None or (isinstance(node.exc, ast.Name) and node.exc.id == handler.name)


def _ordinal(tree: ast.AST, node: ast.AST, text: str, span: Span, names: Names) -> str:
    """Return which one of several that read alike it is: nothing for the first."""
    alike = _before(tree, _bare(node), (span[0], span[2]))
    number = sum(described(other, names) == text for other in islice(alike, limits.OPERATION_ALIKE))
    return f" #{number + 1}" if number else ""


def _bare(node: ast.AST) -> ast.AST:
    return node.value if isinstance(node, ast.Await) else node


def _before(tree: ast.AST, node: ast.AST, begin: tuple[int, int]) -> Iterator[ast.expr]:
    """Yield the expressions before a place that may read like a node; to describe all takes ten times as long."""
    kind, sketch = type(node), outline(node)
    for other in ast.walk(tree):
        if type(other) is kind and isinstance(other, ast.expr) and begins_and_ends(other)[0] < begin:  # noqa: SIM102
            if outline(other) == sketch:
                yield other
