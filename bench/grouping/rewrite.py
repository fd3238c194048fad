"""Source text goes in; text of the same program leaves, written as another release or another hand would have it.

Each rewriting is pure: text in, text out. Those that concern one function are given its name (`Class.method`).
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Sequence
from typing import Final, TypeAlias

__all__ = [
    "TOOLS",
    "caught_and_chained",
    "caught_and_grouped",
    "caught_and_raised",
    "caught_and_raised_as",
    "decorated",
    "explode",
    "rename_locals",
    "reprint",
    "shift",
    "toggle",
]

Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"

#: Modules that rewritten sources import, by file name.
TOOLS: Final = {
    "timing.py": '''\
"""Measures how long things take."""

import functools
import inspect
import time

SPENT = {}


def timed(function):
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def around(*args, **kwargs):
            begun = time.monotonic()
            try:
                return await function(*args, **kwargs)
            finally:
                SPENT[function.__name__] = time.monotonic() - begun

    else:

        @functools.wraps(function)
        def around(*args, **kwargs):
            begun = time.monotonic()
            try:
                return function(*args, **kwargs)
            finally:
                SPENT[function.__name__] = time.monotonic() - begun

    return around
''',
    "layers.py": '''\
class Failed(Exception):
    """What a layer says instead of what the one below it said."""
''',
    "edge.py": '''\
"""The application's own outermost layer, for whichever interface it has."""


class WsgiEdge:
    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        environ["edge.seen"] = True
        return self.application(environ, start_response)


class AsgiEdge:
    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        scope["edge.seen"] = True
        await self.application(scope, receive, send)


def django_edge(get_response):
    def middleware(request):
        request.edge_seen = True
        return get_response(request)

    return middleware
''',
}

_NOTICE: Final = """\
# Reviewed for the new release. See the changelog for what became of the old
# behaviour, and the tickets there for why.

"""
_ADDED: Final = '''\
{indent}def added_{number}(value=None):
{indent}    """Return what was given, twice if it can be."""
{indent}    if value is None:
{indent}        return None
{indent}    return value * 2


'''


def shift(source: str) -> str:
    """Put comments and functions above what is there: every line of a function gets another number."""
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    for number, node in enumerate(reversed(tree.body)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            lines.insert(first - 1, _ADDED.format(indent="", number=number))
    at = _after_heading(tree)
    lines.insert(at, _NOTICE)
    return "".join(lines)


def reprint(source: str) -> str:
    """Print the program anew from its syntax tree: no comments, other quotes, other wrapping."""
    return ast.unparse(ast.parse(source)) + "\n"


def explode(source: str) -> str:
    """Give every argument of a call, and every item of a bracket, a line of its own, where there are several."""
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    wide = _with_commas(tokens)
    lines = source.splitlines(keepends=True)
    out: list[str] = []
    depths: list[int] = []  # of the brackets that are open, the indentation inside; 0: left as it is
    last, turned = (1, 0), ""
    for number, token in enumerate(tokens):
        between = _exact(lines, last, token.start) if last < token.start else ""
        out.append(turned if turned and "\n" not in between and token.string != "#" else between)
        turned = ""
        last = token.end
        text = _exact(lines, token.start, token.end)
        out.append(text)
        if token.type != tokenize.OP:
            continue
        line = lines[token.start[0] - 1]
        if text in "([{":
            depths.append(len(line) - len(line.lstrip()) + 4 * (len(depths) + 1) if number in wide else 0)
        elif text in ")]}":
            depths.pop()
        if (text in "([{" or text == ",") and depths and depths[-1]:
            turned = "\n" + " " * depths[-1]
    made = "\n".join(line.rstrip() if line.strip() else "" for line in "".join(out).split("\n"))
    return made if ast.dump(ast.parse(made)) == ast.dump(ast.parse(source)) else source


def rename_locals(source: str) -> str:
    """Give the local variables of functions other names; parameters keep theirs, since callers name them."""
    tree = ast.parse(source)
    spots: dict[tuple[int, int], tuple[str, str]] = {}
    for function in _functions(tree):
        if any(isinstance(node, _NESTED) for node in ast.walk(function) if node is not function):
            continue  # what an inner scope shares would have to be renamed there too
        names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        given = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
        shared = {
            name for node in ast.walk(function) if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names
        }
        own = {node.id for node in names if isinstance(node.ctx, ast.Store)} - given - shared
        inside = {id(node) for text in ast.walk(function) if isinstance(text, ast.JoinedStr) for node in ast.walk(text)}
        own -= {node.id for node in names if id(node) in inside}  # columns in f-strings are not to be had before 3.12
        for node in names:
            if node.id in own:
                spots[node.lineno, node.col_offset] = (node.id, f"{node.id}_of_it")
    return _replaced(source, spots)


def toggle(source: str, functions: Sequence[str]) -> str:
    """Make the functions asynchronous, or synchronous again, and their calls among themselves with them."""
    tree = ast.parse(source)
    found = [function for name in functions if (function := _found(tree, name)) is not None]
    called = {name.rpartition(".")[2] for name in functions}
    for function in found:
        is_async = isinstance(function, ast.AsyncFunctionDef)
        change = _WithoutAwait(called) if is_async else _WithAwait(called)
        function.body = [change.visit(statement) for statement in function.body]
        kind = ast.FunctionDef if is_async else ast.AsyncFunctionDef
        made = kind(**{field: getattr(function, field) for field in function._fields})
        _swap(tree, function, ast.copy_location(made, function))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def decorated(source: str, function: str) -> str:
    """Put the decorator `timed` next to a function, beneath any others."""
    tree = ast.parse(source)
    node = _required(tree, function)
    lines = source.splitlines(keepends=True)
    lines.insert(node.lineno - 1, " " * node.col_offset + "@timed\n")
    return _importing(lines, tree, "from timing import timed\n")


def caught_and_raised(source: str, function: str) -> str:
    """Have a function catch what it raises, and raise it again."""
    return _caught(source, function, "except Exception:", "raise")


def caught_and_raised_as(source: str, function: str) -> str:
    """Have a function catch what it raises, and raise it again by its name."""
    return _caught(source, function, "except Exception as error:", "raise error")


def caught_and_chained(source: str, function: str) -> str:
    """Have a function raise the error of its layer from what it caught."""
    import_line = "from layers import Failed\n"
    return _caught(source, function, "except Exception as error:", 'raise Failed("no success") from error', import_line)


def caught_and_grouped(source: str, function: str) -> str:
    """Have a function raise a group of the one that it caught."""
    return _caught(
        source, function, "except Exception as error:", 'raise ExceptionGroup("one of them", [error]) from None'
    )


# -- how ---------------------------------------------------------------------------------------------------

_NESTED: Final = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ClassDef,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Match,
)


class _WithAwait(ast.NodeTransformer):
    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return ast.Await(node) if _called(node) in self.names else node


class _WithoutAwait(_WithAwait):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> ast.AST:
        self.generic_visit(node)
        is_ours = isinstance(node.value, ast.Call) and _called(node.value) in self.names
        return node.value if is_ours else node


def _called(node: ast.Call) -> str:
    target = node.func
    return target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""


def _functions(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _found(tree: ast.Module, name: str) -> Function | None:
    inside: ast.AST | None = tree
    for part in name.split("."):
        inside = next((node for node in getattr(inside, "body", ()) if getattr(node, "name", None) == part), None)
    return inside if isinstance(inside, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _required(tree: ast.Module, name: str) -> Function:
    found = _found(tree, name)
    if found is None:
        raise LookupError(f"no function {name}")
    return found


def _swap(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and old in body:
            body[body.index(old)] = new


def _after_heading(tree: ast.Module) -> int:
    """Return how many lines the docstring and imports from __future__ take."""
    at = 0
    for node in tree.body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not (is_text or is_future):
            break
        at = node.end_lineno or at
    return at


def _importing(lines: list[str], tree: ast.Module, import_line: str) -> str:
    lines.insert(_after_heading(tree), import_line)
    return "".join(lines)


def _caught(source: str, function: str, clause: str, action: str, import_line: str = "") -> str:
    tree = ast.parse(source)
    node = _required(tree, function)
    lines = source.splitlines(keepends=True)
    first, last = node.body[0].lineno - 1, (node.body[-1].end_lineno or node.body[-1].lineno)
    indent = " " * node.body[0].col_offset
    body = [f"    {line}" if line.strip() else line for line in lines[first:last]]
    if not body[-1].endswith("\n"):
        body[-1] += "\n"
    around = [f"{indent}try:\n", *body, f"{indent}{clause}\n", f"{indent}    {action}\n"]
    made = [*lines[:first], *around, *lines[last:]]
    return _importing(made, tree, import_line) if import_line else "".join(made)


def _replaced(source: str, spots: dict[tuple[int, int], tuple[str, str]]) -> str:
    lines = source.splitlines(keepends=True)
    for (line, column), (old, new) in sorted(spots.items(), reverse=True):
        raw = lines[line - 1].encode()
        if raw[column : column + len(old)] == old.encode():
            lines[line - 1] = (raw[:column] + new.encode() + raw[column + len(old) :]).decode()
    return "".join(lines)


def _with_commas(tokens: Sequence[tokenize.TokenInfo]) -> set[int]:
    """Return the numbers of the opening brackets that have a comma of their own."""
    found: set[int] = set()
    opened: list[int] = []
    for number, token in enumerate(tokens):
        if token.type == tokenize.OP and token.string in "([{":
            opened.append(number)
        elif token.type == tokenize.OP and token.string in ")]}":
            opened.pop()
        elif token.type == tokenize.OP and token.string == "," and opened:
            found.add(opened[-1])
    return found


def _exact(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[0] > len(lines):
        return ""
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    middle = lines[start[0] : end[0] - 1]
    ending = lines[end[0] - 1][: end[1]] if end[0] <= len(lines) else ""
    return "".join([lines[start[0] - 1][start[1] :], *middle, ending])
