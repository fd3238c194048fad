"""Syntax: a node of Python's grammar goes in; a text leaves, without names of local variables and without literals."""

from __future__ import annotations

import ast
import copy
from hashlib import blake2b
from types import CodeType
from typing import Final

from tocsin.event import limits

__all__ = ["Names", "described", "outline"]

_SMALL: Final = 1_000  # numbers below it are told; greater ones may be somebody's
_SELF: Final = ("self", "cls")
_MORE: Final = "…"
_PLAIN: Final = (ast.Name, ast.Tuple, ast.List, ast.Starred, ast.expr_context)


class Names:
    """Know which names of a function are its own variables, and which of them it was given."""

    def __init__(self, code: CodeType) -> None:
        self.local = frozenset((*code.co_varnames, *code.co_cellvars, *code.co_freevars))
        flags = code.co_flags
        count = code.co_argcount + code.co_kwonlyargcount + bool(flags & 0x04) + bool(flags & 0x08)
        self.given = frozenset(code.co_varnames[:count]).difference(_SELF)
        self.free = frozenset(code.co_freevars)

    def of_a_comprehension(self) -> Names:
        """Return what is known within one: what its function was given is nothing that it was given itself."""
        inner = copy.copy(self)
        inner.given = frozenset()
        return inner

    def tells(self, node: ast.AST) -> bool:
        """Return whether an expression says more than names of variables."""
        return any(
            not isinstance(part, _PLAIN) or (isinstance(part, ast.Name) and part.id not in self.local)
            for part in ast.walk(node)
        )

    def asks_what_was_given(self, test: ast.AST) -> bool:
        """Return whether a condition looks at a parameter."""
        return any(isinstance(part, ast.Name) and part.id in self.given for part in ast.walk(test))

    def is_given(self, node: ast.AST) -> bool:
        """Return whether an expression is a parameter and nothing else."""
        return isinstance(node, ast.Name) and node.id in self.given

    def uses_what_was_given(self, node: ast.AST) -> bool:
        """Return whether an expression takes something of a parameter, or reckons with it."""
        match node:
            case ast.Attribute(value=value) | ast.Subscript(value=value):
                return self.is_given(value)
            case ast.BinOp(left=left, right=right):
                return self.is_given(left) or self.is_given(right)
            case ast.Compare(left=left, comparators=others):
                return self.is_given(left) or any(map(self.is_given, others))
        return False

    def is_handed_on(self, node: ast.AST, *, is_all: bool) -> bool:
        """Return whether an expression is a call of something with nothing but parameters, at least one of them.

        ``is_all``: whether that is all that its statement does. If not, it is one with ``*args``, as in a decorator.
        """
        node = node.value if isinstance(node, ast.Await) else node
        if not isinstance(node, ast.Call):
            return False
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        if not is_all and not any(isinstance(value, ast.Starred) for value in values):
            return False
        bare = [value.value if isinstance(value, ast.Starred) else value for value in values]
        return bool(bare) and all(isinstance(value, ast.Name) and value.id in self.given for value in bare)


def described(node: ast.AST, names: Names) -> str:
    """Return a text of an expression or statement that is the same wherever the same is done."""
    inner = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    return _Writer(names.local | inner).text(node)  # a comprehension's variables are the function's since Python 3.12


def outline(node: ast.AST) -> tuple[object, ...]:
    """Return what is quickly told of an expression, and the same of all that `described` finds the same."""
    match node:
        case ast.Call(func=func, args=args, keywords=keywords):
            return (*outline(func)[:2], len(args), *(one.arg for one in keywords))
        case ast.Attribute(attr=name):
            return (ast.Attribute, name)
        case ast.Subscript(slice=key):
            return (ast.Subscript, type(key), key.value if isinstance(key, ast.Constant) else None)
        case ast.BinOp(op=op):
            return (ast.BinOp, type(op))
    return (type(node), None)


class _Writer:
    def __init__(self, local: frozenset[str]) -> None:
        self._local = local
        self._seen: dict[str, str] = {}
        self._depth = 0
        self._left = limits.OPERATION_NODES

    def text(self, node: ast.AST) -> str:
        if self._left <= 0 or self._depth >= limits.OPERATION_DEPTH:
            return _MORE
        self._left -= 1
        self._depth += 1
        try:
            return self._text(node)
        finally:
            self._depth -= 1

    def _text(self, node: ast.AST) -> str:
        match node:
            case ast.Name(id=name):
                return self._seen.setdefault(name, f"_{len(self._seen)}") if name in self._local else name
            case ast.Attribute(value=value, attr=name):
                return f"{self.text(value)}.{name}"
            case ast.Await(value=value):  # a function that became asynchronous does the same
                return self.text(value)
            case ast.Constant(value=value):
                return _constant(value)
            case ast.Call(func=func, args=args, keywords=keywords):
                given = [*map(self.text, args), *(f"{one.arg or '**'}:{self.text(one.value)}" for one in keywords)]
                return f"{self.text(func)}({','.join(given)})"
            case ast.Subscript(value=value, slice=key):
                return f"{self.text(value)}[{self.text(key)}]"
            case ast.Starred(value=value):
                return f"*{self.text(value)}"
            case ast.Load() | ast.Store() | ast.Del():
                return ""
            case ast.JoinedStr(values=parts):  # Python 3.12 has empty texts behind what is filled in
                parts = [one for one in parts if not (isinstance(one, ast.Constant) and one.value == "")]
                return f"JoinedStr({','.join(map(self.text, parts))})"
        inner = ",".join(text for text in map(self._part, ast.iter_fields(node)) if text)
        return f"{type(node).__name__}({inner})" if inner else type(node).__name__

    def _part(self, field: tuple[str, object]) -> str:
        _, value = field
        if isinstance(value, ast.AST):
            return self.text(value)
        if isinstance(value, list):
            return ",".join(self.text(one) if isinstance(one, ast.AST) else str(one) for one in value)
        return value if isinstance(value, str) else ""


def _constant(value: object) -> str:
    """Return a mark of a literal, two bytes of a hash for texts and greater numbers: no secret is quoted."""
    if value is None or value is ... or isinstance(value, bool) or (isinstance(value, int) and abs(value) < _SMALL):
        return repr(value)
    return "#" + blake2b(repr(value).encode("utf-8", "backslashreplace"), digest_size=2).hexdigest()
