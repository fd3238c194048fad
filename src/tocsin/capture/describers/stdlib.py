"""Objects of the standard library that are classes of Python, or not loaded everywhere; their texts leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tocsin.capture import anatomy
from tocsin.capture.describers.registry import Rule
from tocsin.capture.messages import message_of
from tocsin.event.typename import type_name

if TYPE_CHECKING:
    from tocsin.capture.describers.registry import Describe
    from tocsin.capture.values import Values

__all__ = ["RULES"]


def _exception(values: Values, value: Any, depth: int) -> str:
    text = message_of(value)
    return f"<{type_name(type(value))} {values.text(text, 0)}>" if text else ""


def _member(values: Values, value: Any, depth: int) -> str:
    """Describe a member of an Enum: its class, its name, its value."""
    name = dict.get(anatomy.stored(value), "_name_")
    shown = f".{values.word(name)}" if type(name) is str else ""
    return f"<{type_name(type(value))}{shown} {values.text(dict.get(anatomy.stored(value), '_value_'), depth - 1)}>"


def _logger(values: Values, value: Any, depth: int) -> str:
    return f"<{type_name(type(value))} {values.text(dict.get(anatomy.stored(value), 'name'), 0)}>"


def _socket(values: Values, value: Any, depth: int) -> str:
    return f"<{type_name(type(value))} ({'closed' if anatomy.member(value, '_closed') is True else 'open'})>"


def _array(values: Values, value: Any, depth: int) -> str:
    return f"array({anatomy.read(value, 'typecode')!r}, {values.sequence(value, depth, '[', ']')})"


def _task(values: Values, value: Any, depth: int) -> str:
    name = values.word(anatomy.called(value, "get_name"))
    coroutine = anatomy.read(value, "_coro")
    inner = "" if coroutine is None or depth <= 0 else f" {values.text(coroutine, 0)}"
    return f"<{type_name(type(value))} {name!r} ({_lowered(anatomy.read(value, '_state'))}){inner}>"


def _future(values: Values, value: Any, depth: int) -> str:
    return f"<{type_name(type(value))} ({_lowered(anatomy.read(value, '_state'))})>"


def _stored_state(values: Values, value: Any, depth: int) -> str:
    state = anatomy.member(value, "_state")
    return f"<{type_name(type(value))} ({_lowered(state)})>" if type(state) is str else ""


def _told(member: str, is_so: str, is_not: str) -> Describe:
    """Return the describer of an object one of whose members says which of two states it is in."""

    def describe(values: Values, value: Any, depth: int) -> str:
        found = anatomy.member(value, member)
        return f"<{type_name(type(value))} ({is_so if found else is_not})>" if type(found) is bool else ""

    return describe


def _semaphore(values: Values, value: Any, depth: int) -> str:
    count = anatomy.member(value, "_value")
    return f"<{type_name(type(value))} ({count} left)>" if type(count) is int else ""


def _thread(values: Values, value: Any, depth: int) -> str:
    return f"<{type_name(type(value))} {values.text(anatomy.member(value, '_name'), 0)}>"


def _lowered(state: object) -> str:
    return state.lower() if type(state) is str else "?"


_C: Final = {"is_exact": True, "is_c": True}

RULES: Final[dict[str, Rule]] = {
    "BaseException": Rule(_exception),
    "enum.Enum": Rule(_member),
    "logging.Logger": Rule(_logger),
    "socket.socket": Rule(_socket),
    "array.array": Rule(_array, **_C),
    "_asyncio.Task": Rule(_task, **_C),
    "_asyncio.Future": Rule(_future, **_C),
    "concurrent.futures._base.Future": Rule(_stored_state),
    "asyncio.locks.Lock": Rule(_told("_locked", "locked", "unlocked")),
    "asyncio.locks.Event": Rule(_told("_value", "set", "not set")),
    "threading.Event": Rule(_told("_flag", "set", "not set")),
    "threading.Semaphore": Rule(_semaphore),
    "asyncio.locks.Semaphore": Rule(_semaphore),
    "threading.Thread": Rule(_thread),
}
