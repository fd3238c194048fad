"""What the interpreter itself makes: functions, generators, modules, containers of its library; their texts leave.

All of exact types, known by identity. Their getters and iterators are C code that looks into the object alone.
"""

from __future__ import annotations

import _io
import _thread
import gc
import re
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from functools import partial
from itertools import islice
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any, Final

from tocsin.capture import anatomy
from tocsin.event.limits import LOCAL_ITEMS, LOCAL_MEMBERS
from tocsin.event.typename import function_name, type_name

if TYPE_CHECKING:
    from tocsin.capture.describers.registry import Describe
    from tocsin.capture.values import Values

__all__ = ["EXACT"]

_GLOBALS: Final = vars(ModuleType)["__dict__"].__get__


def _running(prefix: str) -> Describe:
    """Return the describer of what a function with a frame of its own made: its name, and where it stands."""

    def describe(values: Values, value: Any, depth: int) -> str:
        code: CodeType = anatomy.read(value, f"{prefix}_code")
        name = code.co_qualname
        return f"<{type(value).__name__} {values.word(name)} ({_standing(value, prefix)})>"

    return describe


def _standing(value: Any, prefix: str) -> str:
    if anatomy.read(value, f"{prefix}_running"):
        return "running"
    frame: FrameType | None = anatomy.read(value, f"{prefix}_frame")
    if frame is None:
        return "finished"
    is_suspended = anatomy.read(value, f"{prefix}_suspended")
    if is_suspended is None:  # of asynchronous generators from Python 3.12 on
        return "not running"
    return f"suspended at line {frame.f_lineno}" if is_suspended else "not started"


def _function(values: Values, value: Any, depth: int) -> str:
    return f"<{type(value).__name__} {values.word(function_name(value))}>"


def _builtin(values: Values, value: Any, depth: int) -> str:
    name = anatomy.read(value, "__name__")  # not the qualified one, for which the object it is bound to is asked
    return f"<built-in {values.word(name)}>"


def _module(values: Values, value: Any, depth: int) -> str:
    return f"<module {values.word(dict.get(_GLOBALS(value), '__name__'))}>"


def _partial(values: Values, value: Any, depth: int) -> str:
    function, args, names = (anatomy.read(value, name) for name in ("func", "args", "keywords"))
    if depth <= 0:
        return f"<partial of {values.word(function_name(function) or type_name(type(function)))}>"
    named = ((name, item) for name, item in islice(dict.items(names), LOCAL_MEMBERS) if type(name) is str)
    return values.members("partial", named, depth, (function, *args[:LOCAL_ITEMS]))


def _mapping(name: str) -> Describe:
    """Return the describer of a dict with manners of its own: items as dict itself has them, which hashes no key."""

    def describe(values: Values, value: Any, depth: int) -> str:
        return f"{name}({values.table(value, depth)})"

    return describe


def _proxy(values: Values, value: Any, depth: int) -> str:
    found = gc.get_referents(value)  # what it shows: any mapping, of which no method is called
    if len(found) == 1 and type(found[0]) is dict:
        return f"mappingproxy({values.table(found[0], depth)})"
    return ""


def _chain(values: Values, value: Any, depth: int) -> str:
    maps = dict.get(anatomy.stored(value), "maps")
    return f"ChainMap({values.text(maps, depth - 1)})" if type(maps) is list and depth > 0 else ""


def _deque(values: Values, value: Any, depth: int) -> str:
    return f"deque({values.sequence(value, depth, '[', ']')})"


def _pattern(values: Values, value: Any, depth: int) -> str:
    return f"re.compile({values.text(anatomy.read(value, 'pattern'), 1)})"


def _range(values: Values, value: Any, depth: int) -> str:
    parts = [anatomy.read(value, name) for name in ("start", "stop", "step")]
    return f"range({', '.join(values.text(part, 0) for part in parts[: 2 if parts[2] == 1 else 3])})"


def _slice(values: Values, value: Any, depth: int) -> str:
    parts = (anatomy.read(value, name) for name in ("start", "stop", "step"))
    return f"slice({', '.join(values.text(part, depth - 1) for part in parts)})" if depth > 0 else ""


def _bytearray(values: Values, value: Any, depth: int) -> str:
    return f"bytearray({values.start(value)})"


def _memoryview(values: Values, value: Any, depth: int) -> str:
    try:
        size, sort = anatomy.read(value, "nbytes"), anatomy.read(value, "format")
    except ValueError:
        return "<memoryview (released)>"
    return f"<memoryview of {size:,} bytes{'' if sort == 'B' else f', format {sort!r}'}>"


def _complex(values: Values, value: Any, depth: int) -> str:
    return repr(value)


def _lock(values: Values, value: Any, depth: int) -> str:
    return f"<lock ({'locked' if anatomy.called(value, 'locked') else 'unlocked'})>"


def _raw_file(value: Any) -> Any:
    """Return the file below a text and a buffer, as long as each is of an exact type; else None."""
    for name in ("buffer", "raw"):
        if type(value) is not _io.FileIO:
            value = anatomy.read(value, name) if name == "raw" or type(value) is _io.TextIOWrapper else value
    return value if type(value) is _io.FileIO else None


def _file(values: Values, value: Any, depth: int) -> str:
    try:
        raw = _raw_file(value)
    except (AttributeError, ValueError):
        return f"<{type(value).__name__} (detached)>"
    if raw is None:
        return ""
    name = dict.get(anatomy.stored(raw), "name")
    state = "closed" if anatomy.read(raw, "closed") else "open"  # whether it has a descriptor: no call of the system
    mode = dict.get(anatomy.stored(value), "mode")  # of a text, as it was opened
    mode = mode if type(mode) is str else anatomy.read(raw, "mode")
    return f"<{type(value).__name__} {values.text(name, 0)} mode={values.text(mode, 0)} ({state})>"


def _memory_file(values: Values, value: Any, depth: int) -> str:
    return f"<{type(value).__name__} ({'closed' if anatomy.read(value, 'closed') else 'open'})>"


_BUFFERS: Final = (_io.TextIOWrapper, _io.BufferedReader, _io.BufferedWriter, _io.BufferedRandom, _io.FileIO)

EXACT: Final[dict[int, Describe]] = {
    id(GeneratorType): _running("gi"),
    id(CoroutineType): _running("cr"),
    id(AsyncGeneratorType): _running("ag"),
    id(FunctionType): _function,
    id(MethodType): _function,
    id(BuiltinFunctionType): _builtin,
    id(ModuleType): _module,
    id(partial): _partial,
    id(OrderedDict): _mapping("OrderedDict"),
    id(Counter): _mapping("Counter"),
    id(defaultdict): _mapping("defaultdict"),
    id(MappingProxyType): _proxy,
    id(ChainMap): _chain,
    id(deque): _deque,
    id(re.Pattern): _pattern,
    id(range): _range,
    id(slice): _slice,
    id(bytearray): _bytearray,
    id(memoryview): _memoryview,
    id(complex): _complex,
    id(type(_thread.allocate_lock())): _lock,
    **dict.fromkeys(map(id, _BUFFERS), _file),
    **dict.fromkeys(map(id, (_io.BytesIO, _io.StringIO)), _memory_file),
}
