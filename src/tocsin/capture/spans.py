"""Spans: an instruction of a code object and its source go in; the nodes of the syntax tree that it is about leave.

Parsing takes time and, for each bracket within another one, 2 kB of the C stack, of which a thread may have little:
what is too much of either is not parsed.
"""

from __future__ import annotations

import ast
import opcode
import re
from collections.abc import Sequence
from itertools import islice, pairwise
from types import CodeType
from typing import Final, NamedTuple, TypeAlias

from tocsin.event import limits

__all__ = [
    "FIRST",
    "Path",
    "Place",
    "Span",
    "Step",
    "begins_and_ends",
    "function_tree",
    "header_of",
    "is_in_comprehension",
    "managed",
    "meant",
    "parsed",
    "path_to",
    "span_of",
    "step_of",
    "within",
]

Span: TypeAlias = tuple[int, int, int, int]  # line, end line, column, end column; columns in bytes of UTF-8
Place: TypeAlias = tuple[int, int]
Path: TypeAlias = tuple[ast.AST, ...]  # from the function inwards


class Step(NamedTuple):
    """Say which part of a statement or comprehension an instruction is of, where Python says that it is all of it.

    ``number`` is that of the context manager or loop; ``is_test``: whether a condition is asked for its truth.
    """

    number: int = 0
    is_test: bool = False


FIRST: Final = Step()
_COUNTED: Final = ("BEFORE_WITH", "BEFORE_ASYNC_WITH", "SEND", "GET_ITER", "GET_AITER")
_TESTS: Final = ("POP_JUMP_", "JUMP_IF_", "TO_BOOL")
_OWN_CODE: Final = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")  # its first loop's iterator is made outside
_COMPREHENSIONS: Final = (ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)
_NO_BRACKETS: Final = re.compile(r"[^()\[\]{}]+")


def span_of(code: CodeType, lasti: int) -> Span | None:
    """Return where the source of an instruction lies (PEP 657), None where the interpreter has not kept it."""
    line, end_line, column, end_column = next(
        islice(code.co_positions(), max(lasti, 0) // 2, None), (None, None, None, None)
    )
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return line, end_line, column, end_column


def step_of(code: CodeType, lasti: int) -> Step:
    """Return of which part an instruction is; up to Python 3.12 several have the same position."""
    name = opcode.opname[code.co_code[lasti]] if 0 <= lasti < len(code.co_code) else ""
    if name.startswith(_TESTS):
        return Step(is_test=True)
    if name not in _COUNTED:
        return FIRST
    positions = list(islice(code.co_positions(), lasti // 2 + 1))
    alike = (at for at in range(0, lasti, 2) if code.co_code[at] == code.co_code[lasti])
    number = sum(positions[at // 2] == positions[-1] for at in alike)
    return Step(number + (name.endswith("ITER") and code.co_name in _OWN_CODE))


def parsed(source: str, lines_before: int = 0) -> ast.Module | None:
    """Return the syntax tree of a text; None if it is none, or too much. Raises RecursionError near the stack's end."""
    if len(source) > limits.OPERATION_SOURCE_CHARS or _depth(source) > limits.OPERATION_BRACKETS:
        return None
    try:
        return ast.parse("\n" * lines_before + source)  # a tenth of what `increment_lineno` takes
    except (SyntaxError, ValueError, MemoryError):  # the parser's own stack is full: it says so by a MemoryError
        return None
    except SystemError as fault:  # 3.11: "AST constructor recursion depth mismatch"
        raise RecursionError from fault


def _depth(source: str) -> int:
    """Return how deep brackets are within each other; those in texts and comments count, which is rarely more."""
    deepest = depth = 0
    for bracket in _NO_BRACKETS.sub("", source):
        if bracket in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif depth:
            depth -= 1
    return deepest


def within(span: Span, lines: Sequence[str], step: Step = FIRST) -> ast.AST | None:
    """Return the expression within a span; None if there is none. Of a statement, what in it is evaluated."""
    line, end_line, column, end_column = span
    if end_line - line > limits.OPERATION_LINES or end_line > len(lines):
        return None
    within = [text.encode("utf-8", "replace") for text in lines[line - 1 : end_line]]
    within[-1] = within[-1][:end_column]
    within[0] = within[0][column:]
    text = b"\n".join(within).decode("utf-8", "replace").strip()
    for source in (f"({text}\n)", text):
        tree = parsed(source)
        if tree is not None:
            return header_of(tree.body[0], step) if tree.body else None
    return None


def header_of(node: ast.AST, step: Step = FIRST) -> ast.AST:
    """Return the part of a statement that is evaluated where Python says that the statement is."""
    match node:
        case ast.Expr(value=value):
            return header_of(value, step)
        case ast.For(iter=value) | ast.AsyncFor(iter=value):
            return value
        case ast.With(items=items) | ast.AsyncWith(items=items):
            return items[step.number if step.number < len(items) else 0].context_expr
        case ast.GeneratorExp(generators=walks) | ast.ListComp(generators=walks):
            return _walked(walks, step)
        case ast.SetComp(generators=walks) | ast.DictComp(generators=walks):
            return _walked(walks, step)
        case ast.If(test=value) | ast.While(test=value) | ast.Assert(test=value) | ast.IfExp(test=value):
            return value  # Python 3.11 says of the condition in `a if b else c` that it is all of it
    return node


def managed(node: ast.With | ast.AsyncWith, span: Span, step: Step) -> ast.AST:
    """Return which context manager a span is of: Python 3.13 points at it, those before count them."""
    ends = (span[0], span[2]), (span[1], span[3])
    items = [item.context_expr for item in node.items]
    return next((item for item in items if begins_and_ends(item) == ends), header_of(node, step))


def _walked(walks: list[ast.comprehension], step: Step) -> ast.expr:
    """Return what of a comprehension is evaluated where it stands: what one of its loops walks, or its conditions."""
    tests = [test for walk in walks for test in walk.ifs] if step.is_test else []
    if tests:
        return tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests)
    return walks[step.number if step.number < len(walks) else 0].iter


def meant(node: ast.AST | None, span: Span, tree: ast.AST, step: Step) -> tuple[ast.AST | None, Span]:
    """Return (node, span) as they are in the tree of the function, where the span has only a part of what is meant.

    Of a chain of methods over several lines a span begins with the last name; of a text that is filled in, it is
    the one place since Python 3.12, all of the text before; and so of a condition with `and`, `or` and `not`.
    """
    path = path_to(tree, span, (ast.expr, ast.comprehension, ast.If, ast.While, ast.Assert))
    whole = path[-1] if path else None
    if step.is_test and whole is not None:
        whole = _tested(path, step)
        return whole, _span(whole) if isinstance(whole, ast.expr) and hasattr(whole, "lineno") else span
    if isinstance(whole, ast.FormattedValue | ast.JoinedStr) and _span(whole) == span:
        whole = _filled_in(path)
        return whole, _span(whole)
    if isinstance(whole, ast.Attribute | ast.Call):
        begin, end = begins_and_ends(whole)
        kind = ast.Name if isinstance(whole, ast.Attribute) else ast.Call
        if begin < (span[0], span[2]) and end == (span[1], span[3]) and isinstance(node, kind | type(whole)):
            return whole, _span(whole)
    return node, span


def _tested(path: Path, step: Step) -> ast.AST:
    """Return all of the condition of which a part is asked for its truth."""
    at = len(path) - 1
    while at and isinstance(path[at - 1], ast.BoolOp | ast.UnaryOp):
        at -= 1
    if at > 1 and isinstance(path[at - 1], ast.comprehension):
        at -= 2
    return header_of(path[at], step)


def _filled_in(path: Path) -> ast.expr:
    """Return the text that a place to be filled in belongs to; what says how it looks is a text of its own."""
    found = path[-1]
    for around, inside in zip(path[-2::-1], path[:0:-1], strict=False):
        is_format = isinstance(around, ast.FormattedValue) and around.format_spec is inside
        if isinstance(inside, ast.JoinedStr) and not is_format:
            break
        found = around
    return found if isinstance(found, ast.expr) else path[-1]  # type: ignore[return-value]


def _span(node: ast.expr) -> Span:
    (line, column), (end_line, end_column) = begins_and_ends(node)
    return line, end_line, column, end_column


def function_tree(code: CodeType, lines: Sequence[str]) -> ast.AST | None:
    """Return the syntax tree of a function or module, with the line numbers of its file."""
    first = code.co_firstlineno
    last = max((end or 0 for _, end, _, _ in code.co_positions()), default=0)
    if last - first > limits.OPERATION_FUNCTION_LINES or not 0 < first <= len(lines):
        return None
    own = list(lines[first - 1 : last])
    # Behind an `if`, so that an indented function is a program, and the columns stay.
    is_indented = own[0][:1] in (" ", "\t") and first > 1
    if is_indented:
        own.insert(0, "if 1:")
        first -= 1
    # No instruction has the brackets that a statement ends with.
    for following in lines[last : last + limits.OPERATION_LINES]:
        if not _is_open(own):
            break
        own.append(following)
    return parsed("\n".join(own), first - 1)


def _is_open(lines: Sequence[str]) -> bool:
    brackets = _NO_BRACKETS.sub("", "\n".join(lines))
    return sum(map(brackets.count, "([{")) > sum(map(brackets.count, ")]}"))


def path_to(tree: ast.AST, span: Span, kinds: tuple[type[ast.AST], ...]) -> Path:
    """Return the way to the innermost node of some kinds that covers a span; nothing where there is none."""
    found: Path = ()
    path: Path = (tree,)
    while True:
        inner = next((node for node in ast.iter_child_nodes(path[-1]) if _covers(node, span)), None)
        if inner is None:
            return found
        path = (*path, inner)
        if isinstance(inner, kinds):
            found = path


def _covers(node: ast.AST, span: Span) -> bool:
    if isinstance(node, ast.comprehension):
        return any(_covers(inner, span) for inner in (node.iter, *node.ifs))
    if not isinstance(node, ast.stmt | ast.expr | ast.excepthandler | ast.match_case):
        return False
    if isinstance(node, ast.match_case):  # it has no position of its own
        return any(_covers(inner, span) for inner in node.body)
    begin, end = begins_and_ends(node)
    return begin <= (span[0], span[2]) and (span[1], span[3]) <= end


def is_in_comprehension(tree: ast.AST, span: Span) -> bool:
    """Return whether a span is evaluated within a comprehension, which is a function of its own up to Python 3.11."""
    is_inside = False
    for around, inside in pairwise(path_to(tree, span, (ast.expr,))):
        if isinstance(around, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef):
            is_inside = False
        elif isinstance(around, _COMPREHENSIONS):
            walked = around.generators[0]
            is_inside = is_inside or inside is not walked or not _covers(walked.iter, span)
    return is_inside


def begins_and_ends(node: ast.stmt | ast.expr | ast.excepthandler) -> tuple[Place, Place]:
    """Return (line, column) of both ends of a node."""
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return (node.lineno, node.col_offset), end
