"""The edges that must never raise: every broad `except` that swallows is on the list, with the reason it stands for.

A new one is a decision. Where it is right, write the list anew and look at what the difference says:

    python tests/unit/test_edges.py > tests/edges.txt
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import tocsin

PACKAGE = Path(tocsin.__file__).parent
LIST = Path(__file__).parents[1] / "edges.txt"
BROAD = {"Exception", "BaseException"}
REASON = re.compile(r"# noqa: BLE001(?:, \w+)* - (\S.{9,})$")


def edges() -> list[str]:
    """Return a line for each edge: where it is, and why it may swallow whatever comes."""
    return sorted(edge for path in PACKAGE.rglob("*.py") for edge in _edges_of(path))


def _edges_of(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for function, handler in _handlers(ast.parse(text), ""):
        if _is_broad(handler) and not _raises(handler):
            reason = REASON.search(lines[handler.lineno - 1])
            said = reason[1] if reason else "WITHOUT A REASON"
            yield f"{path.relative_to(PACKAGE).as_posix()} {function or 'module'}: {said}"


def _handlers(node: ast.AST, within: str) -> Iterator[tuple[str, ast.ExceptHandler]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ExceptHandler):
            yield within, child
        is_scope = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        name = f"{within}.{child.name}".lstrip(".") if is_scope else within  # type: ignore[attr-defined]
        yield from _handlers(child, name)


def _is_broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in BROAD) for kind in kinds)


def _raises(handler: ast.ExceptHandler) -> bool:
    """Tell whether it raises in its turn, if only in some cases: then it swallows by a decision that it makes."""
    if isinstance(handler.body[-1], ast.Raise):
        return True
    raised = [node for node in ast.walk(handler) if isinstance(node, ast.Raise)]
    return any(node.exc is None or _is_named(node.exc, handler.name) for node in raised)


def _is_named(value: ast.expr, name: str | None) -> bool:
    return isinstance(value, ast.Name) and value.id == name


def test_every_edge_that_must_never_raise_is_on_the_list() -> None:
    found, listed = edges(), LIST.read_text(encoding="utf-8").splitlines()
    new, gone = [e for e in found if e not in listed], [e for e in listed if e not in found]
    assert (new, gone) == ([], []), "decide, then write tests/edges.txt anew, as this file says"
    assert found == listed  # how often, too


def test_every_edge_says_why() -> None:
    assert [edge for edge in edges() if edge.endswith("WITHOUT A REASON")] == []


def test_an_edge_is_seen() -> None:
    """So that the list is not short for want of looking."""
    source = """
def swallows():
    try:
        work()
    except (OSError, Exception):
        pass

class Worker:
    def run(self):
        try:
            work()
        except BaseException as fault:
            keep(fault)
        try:
            work()
        except Exception:
            raise
        except OSError:
            pass
"""
    found = [name for name, handler in _handlers(ast.parse(source), "") if _is_broad(handler) and not _raises(handler)]
    assert found == ["swallows", "Worker.run"]


if __name__ == "__main__":
    print("\n".join(edges()))
