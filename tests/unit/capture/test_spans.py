"""What is parsed of an application's source is bounded, and what is found is the same on each Python."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import Any

import pytest
from tests.unit.capture.test_operation import operation

from tocsin.capture.operation import operation_of
from tocsin.capture.spans import parsed
from tocsin.event import limits

_CRASH = """
import sys, threading
from tocsin.capture.operation import operation_of
source = sys.argv[1]
names = {}
exec(compile(source, "shop.py", "exec"), names)
code = names["f"].__code__
threading.stack_size(65_536)  # as services with many threads have it
thread = threading.Thread(target=lambda: [operation_of(code, at, source.split("\\n")) for at in range(0, 20, 2)])
thread.start()
thread.join()
"""


@pytest.mark.parametrize(
    "text",
    [
        "(" * 90 + "p" + ")" * 90,
        "[" * 90 + "p[1]" + "]" * 90,
        "p.a" + "(1).a" * 100,
        "p + " * 190 + "1",
        "-" * 190 + "p",
    ],
)
def test_what_is_nested_deeply_is_no_end_of_a_process_with_little_stack(text: str) -> None:
    """The parser recurs in C, and a thread whose stack is full ends the process."""
    done = subprocess.run(
        [sys.executable, "-c", _CRASH, f"def f(p):\n    return {text}\n"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_too_much_is_not_parsed() -> None:
    """It is read on the thread that failed."""
    deep = limits.OPERATION_BRACKETS
    assert parsed("(" * deep + "1" + ")" * deep) is not None
    assert parsed("(" * (deep + 1) + "1" + ")" * (deep + 1)) is None
    assert parsed(") ] }" * 50) is None
    assert parsed("x = [" + "1, " * limits.OPERATION_SOURCE_CHARS + "]") is None
    assert parsed("-" * 20_000 + "1") is None


def test_lines_before_are_counted() -> None:
    """Positions are those of the file."""
    tree = parsed("f(x)", 41)
    assert tree is not None
    assert isinstance(tree.body[0], ast.Expr)
    assert tree.body[0].lineno == 42


def test_where_little_of_the_stack_is_left_nothing_wrong_is_said() -> None:
    """What failed is the same whether it was asked for near the end of the stack, or is not told."""
    source = "def f(p):\n    return p['a'] + len([each for each in p['b'] if each.c])\n"
    names: dict[str, Any] = {}
    exec(compile(source, "shop.py", "exec"), names)
    code, lines = names["f"].__code__, source.split("\n")
    wanted = operation_of(code, 10, lines)
    found = set()

    def asked(depth: int) -> str:
        return asked(depth - 1) if depth else operation_of(code, 10, lines)

    for depth in range(sys.getrecursionlimit()):
        try:
            found.add(asked(depth))
        except RecursionError:
            break
    assert found == {wanted}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("return p.keys().nothing.more", "return (p\n        .keys()\n        .nothing\n        .more)"),
        ("x = p.keys(); return x.nothing(1)", "x = (\n        p.keys()\n    )\n    return (x\n        .nothing(1))"),
    ],
)
def test_a_chain_over_several_lines_is_the_same_as_on_one(one: str, other: str) -> None:
    """There Python says where the last name is, and not where its chain began."""
    assert operation(f"def f(p):\n    {one}\n", {}) == operation(f"def f(p):\n    {other}\n", {})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return f'{p:.2f} of it'", "JoinedStr(FormattedValue(_0,JoinedStr(#"),
        ("return f'{p:d}'", "JoinedStr(FormattedValue(_0,JoinedStr(#"),
        ("return f'a {f\"{p:d}\"} b'", "JoinedStr(FormattedValue(_0,JoinedStr(#"),
        ("return f'{1} {p.a} {p.b}'", "uses _0.a"),
        ("return 1 if p.a else 2", "uses _0.a"),
        ("return 1 if TRUTH else 2", "TRUTH"),
        ("if 1 and TRUTH: pass", "BoolOp(And,1,TRUTH)"),
        ("if (p == 2\n    or TRUTH): pass", "BoolOp(Or,Compare(_0,Eq,2),TRUTH)"),
        ("if p: pass\n    elif TRUTH: pass", "TRUTH"),
        ("if not TRUTH: pass", "UnaryOp(Not,TRUTH)"),
        ("while not TRUTH and p: pass", "BoolOp(And,UnaryOp(Not,TRUTH),_0)"),
        ("assert not p and TRUTH", "BoolOp(And,UnaryOp(Not,_0),TRUTH)"),
        ("return [x for x in [1] if TRUTH]", "TRUTH"),
        ("assert (\n        p == 1\n    ), (\n        'x'\n    )", "refuses assert Compare(_0,Eq,1)"),
        ("return [p.z for x in [1]]", "_0.z"),
        ("return [x for x in p.z]", "uses _0.z"),
        ("return [y for x in [1] for y in ZERO]", "ZERO"),
        ("return {x: len(*p) for x in [1]}", "len(*_0)"),
        ("a = int(1); return [int(x) for x in ['x']]", "int(_0)"),
        ("import contextlib\n    with contextlib.nullcontext(), ZERO: pass", "ZERO"),
        ("import contextlib\n    with contextlib.nullcontext(), p: pass", "uses With _0"),
    ],
)
def test_is_the_same_on_each_python(body: str, expected: str) -> None:
    """Of a text that is filled in Python 3.11 knows the whole, later ones the one place."""
    truth = "class Truth:\n    def __bool__(self): return []\nTRUTH, ZERO = Truth(), 0\n"  # as a comparison of arrays
    assert operation(f"{truth}def f(p):\n    {body}\n", None).startswith(expected)


def test_of_very_many_that_read_alike_some_are_told_apart() -> None:
    """To look at each of them in a function of 500 lines took a third of a second."""

    def numbered(before: int) -> str:
        calls = "    p.a()\n" * before
        return operation(f"class P:\n    a = int\ndef f(q):\n    p = P()\n{calls}    p.a = 1\n    p.a()\n", 1)

    assert numbered(3) == "_0.a() #4"
    assert numbered(limits.OPERATION_ALIKE + 30) == f"_0.a() #{limits.OPERATION_ALIKE + 1}"
