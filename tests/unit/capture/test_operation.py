"""What of a line failed: the same for other wording of the same code, another for another part of it."""

from __future__ import annotations

import asyncio
import inspect
from types import CodeType
from typing import Any

import pytest

from tocsin.capture.operation import operation_of
from tocsin.event import limits
from tocsin.event.identity.operations import GIVEN, GUARD, HANDS_ON


def operation(source: str, *given: Any, function: str = "f") -> str:
    """Return the operation of the innermost frame of ``source`` that fails when ``function`` is called."""
    names: dict[str, Any] = {}
    exec(compile(source, "shop.py", "exec"), names)
    try:
        found = names[function](*given)
        if inspect.iscoroutine(found):
            asyncio.run(found)
    except Exception as fault:
        entry = fault.__traceback__
        own: tuple[CodeType, int] | None = None
        while entry is not None:
            if entry.tb_frame.f_code.co_filename == "shop.py":
                own = entry.tb_frame.f_code, entry.tb_lasti
            entry = entry.tb_next
        assert own is not None
        return operation_of(*own, source.split("\n"))
    raise AssertionError("nothing failed")


@pytest.mark.parametrize(
    ("body", "given", "expected"),
    [
        ("return p.name", None, f"{GIVEN} _0.name"),
        ("return p.name()", None, f"{GIVEN} _0.name"),
        ("return RATES[p]", "x", "RATES[_0]"),
        ("a, b = p", [1], "Assign(Tuple(_0,_1),_2)"),
        ("del p['a']", {}, f"{GIVEN} _0[#"),
        ("return 1 / (p - p)", 1, "BinOp(1,Div,BinOp(_0,Sub,_0))"),
        ("for x in p: pass", 1, f"{GIVEN} For _0"),
        ("with p: pass", 1, f"{GIVEN} With _0"),
        ("with p.lock: pass", 1, f"{GIVEN} _0.lock"),
        ("return [x['a'] for x in p]", 1, "Return(ListComp(_0[#"),
        ("return sum(x for x in p)", 1, "Return(sum(GeneratorExp(_0,comprehension(_0,_1))))"),
        ("return undefined", 1, "undefined"),
        ("return int(p)", "x", f"{HANDS_ON} int(_0)"),
        ("return int(p) + 1", "x", "int(_0)"),
        ("x = int(p); return x", "x", "int(_0)"),
        ("return int(p or 'x')", "", "int(BoolOp(Or,_0,#09ab))"),
        ("from os import nothing_there", 1, "ImportFrom(os,alias(nothing_there))"),
        ("raise ValueError(f'no {p}')", 1, "raise ValueError"),
        ("if p > 2: raise ValueError(p)", 3, f"{GUARD} raise ValueError if Compare(_0,Gt,2)"),
        ("if RATES: pass\n    else: raise ValueError(p)", 3, "raise ValueError else RATES"),
        ("assert p, 'x'", 0, f"{GUARD} assert _0"),
        ("assert RATES, p", 0, "assert RATES"),
        ("try: p.x\n    except Exception as e: raise KeyError(p)", 0, "raise KeyError except Exception"),
    ],
)
def test_operation_says_what_failed(body: str, given: object, expected: str) -> None:
    """Names of variables and literals do not appear."""
    found = operation(f"RATES = {{}}\ndef f(p):\n    {body}\n", given)
    assert found.startswith(expected[:16])
    assert "#" in expected or found == expected or "comprehension" in expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(p):\n    return RATES[p]", "def f(p):\n    # why\n\n    return (\n        RATES [ p ]\n    )"),
        ("def f(p):\n    a = p.x\n    return a", "def f(p):\n    of_it = p.x\n    return of_it"),
        ("def f(p):\n    b = p or {}\n    return b['k']", 'def f(p):\n    c = p or {}\n    return c["k"]'),
        (
            "def g(p): return p.x\ndef f(p): return g(p)",
            "async def g(p): return p.x\nasync def f(p): return await g(p)",
        ),
        (
            "def f(p):\n    if p is None:\n        raise KeyError('a')",
            "def f(p):\n  if p is None: raise KeyError(f'b {p}')",
        ),
        (
            "class A:\n    def m(self): return self.x\ndef f(p): A().m()",
            "class A:\n  def m(self):\n   return self . x\ndef f(p): A().m()",
        ),
    ],
)
def test_other_wording_of_the_same_code_does_the_same(one: str, other: str) -> None:
    """Comments, wrapping, quotes, names, messages and async make no difference."""
    assert operation(f"RATES = {{}}\n{one}\n", None) == operation(f"RATES = {{}}\n{other}\n", None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("return p['a']['b']", "return p['c']"),
        ("if p: raise KeyError(1)", "if not p or 1: raise KeyError(1)"),
        ("return p.name", "return p.title"),
    ],
)
def test_another_part_of_a_function_does_something_else(one: str, other: str) -> None:
    """Two bugs of one type in one function are two."""
    assert operation(f"def f(p):\n    {one}\n", {"a": {}}) != operation(f"def f(p):\n    {other}\n", {"a": {}})


def test_of_several_that_read_alike_it_is_told_which() -> None:
    """The second of two equal divisions is another place than the first."""
    source = "def f(a, b, c):\n    x = a / b\n    return x + a / c\n"
    first, second = operation(source, 1, 0, 1), operation(source, 1, 1, 0)
    assert second == f"{first} #2"


def test_raised_again_is_handed_on() -> None:
    """A function that catches and raises again is not where it came from."""
    source = "def g(p): return int(p)\ndef f(p):\n    try: return g(p)\n    except ValueError as e: raise e\n"
    names: dict[str, Any] = {}
    exec(compile(source, "shop.py", "exec"), names)
    with pytest.raises(ValueError, match="invalid") as raised:
        names["f"]("x")
    entry = raised.value.__traceback__
    assert entry is not None
    assert entry.tb_next is not None
    again = entry.tb_next
    assert operation_of(again.tb_frame.f_code, again.tb_lasti, source.split("\n")) == f"{HANDS_ON} what it caught"


def test_a_decorator_is_known_without_source() -> None:
    """Where the source is not at hand, a wrapper still is no place of a fault."""
    source = "def timed(function):\n    def around(*a, **k): return function(*a, **k)\n    return around\n"
    names: dict[str, Any] = {}
    exec(compile(source, "shop.py", "exec"), names)
    around = names["timed"](int).__code__
    assert operation_of(around, 0, ()) == HANDS_ON
    assert operation_of(names["timed"].__code__, 0, ()) == ""


@pytest.mark.parametrize("lines", [("",), ("def f(p", "  (((("), ("\0",), ("é" * 50,) * 3, ('"""',) * 9])
def test_source_that_is_another_file_by_now_is_no_failure(lines: tuple[str, ...]) -> None:
    """A release under way has other lines under the running code."""
    names: dict[str, Any] = {}
    exec(compile("def f(p):\n    return (p.\n        x)\n", "shop.py", "exec"), names)
    code = names["f"].__code__
    for lasti in range(0, len(code.co_code), 2):
        assert len(operation_of(code, lasti, lines)) <= limits.OPERATION_CHARS + 9


def test_no_literal_is_quoted_and_a_long_one_is_bounded() -> None:
    """A password in the source is no part of an identity."""
    secret = "hunt" + "er2hunter2"
    found = operation(
        f"def f(p):\n    return p.login('{secret}', b'{secret}', 48151623, f'{secret}' + '{secret}')\n", 1
    )
    assert secret not in found
    assert "48151623" not in operation("def f(p):\n    return {}[48151623]\n", 1)
    wide = operation("def f(p):\n    return open(" + ", ".join(f"p.a{n}" for n in range(300)) + ")\n", 1)
    assert len(wide) <= limits.OPERATION_CHARS + 9
