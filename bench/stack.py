"""An application to fall through: a depth and a number of faults go in; functions that raise at that depth leave.

Its modules are written to a folder, since reporters read source. They are as long as such files commonly are, their
functions have six locals, and they call each other by the usual sorts of statements.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from measure import Step

__all__ = ["Order", "falls", "raising"]

_MODULES: Final = 5
_MODULE_LINES: Final = 300
_CALLS: Final = (
    "return {next}(request, order, number)",
    "response = {next}(request, order, number=number)\n    return response",
    "total = {next}(request, order, number) + quantity\n    return total",
)
_LEVEL: Final = '''
def level_{level}(request, order, number):
    """Do a part of the work on an order."""
    name = request["name"]
    quantity = order.quantity + {level}
    items = order.items
    {call}

'''
_FAULT: Final = '''
def fault_{number}(order, number):
    """Find out that an order isn't there."""
    key = f"order {{number:06d}}"
    raise LookupError(f"{{key}} is gone")

'''
_FILLER: Final = '''
def sum_{number}(items):
    """Add up what the items cost."""
    total = 0
    for item in items:
        total += item["price"] * item["quantity"]
    return total

'''


class Order:
    """Be a local of the frames: an object whose ``repr`` is the default one."""

    def __init__(self) -> None:
        self.quantity = 3
        self.items = [{"sku": f"sku-{n}", "price": n * 100, "quantity": 1, "title": "a kettle"} for n in range(12)]
        self.check: Callable[[Order, int], object] = lambda order, number: None


_REQUEST: Final = {
    "name": "checkout",
    "path": "/order/4711",
    "method": "POST",
    "client": "192.0.2.7",
    "user": "alice",
    "password": "correct horse battery staple",
    "languages": ["en", "de"],
    "form": {"quantity": "3", "voucher": "", "comment": "please ring twice" * 4},
    "accept": "text/html,application/xhtml+xml",
}


def falls(depth: int, faults: int = 1) -> list[Callable[[int], object]]:
    """Return functions that raise a LookupError each, at a place of its own.

    Called from a frame that catches it, the traceback has ``depth`` frames, and the message has the number given.
    """
    folder = Path(tempfile.mkdtemp(prefix="stack-"))
    levels = depth - 3  # besides: who catches, the function returned, the one that raises
    for number in range(_MODULES):
        mine = range(number, levels, _MODULES)
        text = "".join(_level(level, levels) for level in mine)
        (folder / f"shop_{number}.py").write_text(_imports() + _padded(text), encoding="utf-8")
    faulty = "".join(_FAULT.format(number=number) for number in range(faults))
    (folder / "shop_faults.py").write_text(_padded(faulty), encoding="utf-8")
    sys.path.insert(0, str(folder))
    first = import_module("shop_0").level_0
    checks = import_module("shop_faults")
    return [_fall(first, getattr(checks, f"fault_{number}")) for number in range(faults)]


def raising(functions: list[Callable[[int], object]], then: Callable[[BaseException], object]) -> Step:
    """Return a step that calls the next of the functions and hands what it raises to ``then``."""
    numbers = itertools.count()
    turns = itertools.cycle(functions)

    def step() -> None:
        try:
            next(turns)(next(numbers))
        except LookupError as fault:
            then(fault)

    return step


def _fall(first: Callable[..., object], check: Any) -> Callable[[int], object]:
    order = Order()
    order.check = check

    def fall(number: int) -> object:
        return first(_REQUEST, order, number)

    return fall


def _level(level: int, levels: int) -> str:
    if level == levels - 1:
        return _LEVEL.format(level=level, call="return order.check(order, number)")
    following = f"shop_{(level + 1) % _MODULES}.level_{level + 1}"
    return _LEVEL.format(level=level, call=_CALLS[level % len(_CALLS)].format(next=following))


def _imports() -> str:
    return "".join(f"import shop_{number}\n" for number in range(_MODULES))


def _padded(text: str) -> str:
    number = 0
    while text.count("\n") < _MODULE_LINES:
        text += _FILLER.format(number=number)
        number += 1
    return text
