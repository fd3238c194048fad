"""What a signal handler raises in the midst of our work: a fault goes in; it is raised again, or nothing happens.

It is the application's: Celery's soft time limit, RQ's time limit, an alarm of its own tell a task that way that it is
out of time. An edge of ours that took it for a failure of ours would keep it from ever being told.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from types import CodeType, FunctionType, MethodType, TracebackType
from typing import Any, Final

__all__ = ["let_present_through", "let_through", "signal_handlers"]

_OURS: Final = "tocsin."


def let_through(fault: BaseException | None) -> None:
    """Raise ``fault`` again where a signal handler raised it. Every edge that swallows exceptions calls it first."""
    if fault is not None and _is_of(_traceback(fault), signal_handlers()):
        raise fault


def let_present_through() -> None:
    """Do so with the exception that our caller handles just now, whatever it takes it for: an alarm's TimeoutError.

    One that our caller's caller handles is left alone: the application was told of that.
    """
    fault = sys.exception()
    entry = None if fault is None else _traceback(fault)
    own = entry
    while own is not None and _is_ours_or_pythons(own):
        own = own.tb_next
    if fault is not None and own is not None and own is not entry and id(own.tb_frame.f_code) in signal_handlers():
        raise fault


def signal_handlers() -> dict[int, CodeType]:
    """Return the code of the signal handlers that this thread may be in, by id; only the main thread runs any."""
    signals: Any = sys.modules.get("_signal")
    if signals is None or threading.current_thread() is not threading.main_thread():
        return {}
    codes = [_code(signals.getsignal(number)) for number in range(1, signals.NSIG)]
    return {id(code): code for code in codes if code is not None}


def _is_of(entry: TracebackType | None, codes: dict[int, CodeType]) -> bool:
    while entry is not None and codes:
        if id(entry.tb_frame.f_code) in codes:
            return True
        entry = entry.tb_next
    return False


def _is_ours_or_pythons(entry: TracebackType) -> bool:
    if id(entry.tb_frame.f_code) in signal_handlers():
        return False
    name = dict.get(entry.tb_frame.f_globals, "__name__")
    return type(name) is str and (name.startswith(_OURS) or name.partition(".")[0] in sys.stdlib_module_names)


def _traceback(fault: BaseException) -> TracebackType | None:
    entry: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(fault)
    return entry


def _code(handler: Any) -> CodeType | None:
    if type(handler) is partial:
        handler = handler.func
    if type(handler) is MethodType:
        handler = handler.__func__
    if type(handler) is not FunctionType:  # an object that can be called
        handler = type(handler).__dict__.get("__call__")
    return handler.__code__ if type(handler) is FunctionType else None
