"""Forks and our threads: a piece of work goes in; no fork of this process begins in the middle of it.

A forked child has only the thread that forked. A lock that another thread held at that moment is held in the child for
ever: one within SQLite, which makes the child's next use of SQLite hang, or that of a module which is being imported.
Locks of libraries can't be taken or made anew from here; so a fork waits until our threads are between two pieces of
work, as it does for the locks of `logging`. Not for long: a thread that waits for a dead disk must not keep the
application from forking.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from tocsin.system.native import native

__all__ = ["importing", "stepping_aside", "unforked"]

_WAIT_S: Final = 1.0
_LOOK_S: Final = 0.001
_IMPORT: Final = "<frozen importlib._bootstrap>"

# By thread, what our threads do just now. Plain dictionaries, whose single steps are atomic: no lock to be left held.
_working: dict[int, None] = {}
_calling: dict[int, None] = {}  # a sink, which may wait for a network: only its imports are waited for
_forking: list[int] = []
_hooked: list[int] = []


@contextmanager
def unforked() -> Iterator[None]:
    """Keep forks by other threads off until the end of the context, or for a second at most."""
    _hook()
    thread = _thread()
    _enter(thread)
    try:
        yield
    finally:
        _working.pop(thread, None)


@contextmanager
def stepping_aside() -> Iterator[None]:
    """Let forks pass for the length of the context, within `unforked`: its thread holds nothing just now."""
    thread = _thread()
    was_working = thread in _working
    _working.pop(thread, None)
    try:
        yield
    finally:
        if was_working:
            _enter(thread)


@contextmanager
def importing() -> Iterator[None]:
    """Keep forks off while this thread imports something within the context; all else in it may wait for a network."""
    _hook()
    thread = _thread()
    _calling[thread] = None
    try:
        yield
    finally:
        _calling.pop(thread, None)


def _enter(thread: int) -> None:
    end = time.monotonic() + _WAIT_S
    sleep: Callable[[float], None] = native("time", "sleep")
    while True:
        _working[thread] = None  # before the look at who forks, which in turn looks here after it has said so
        if not _forking or thread in _forking or time.monotonic() > end:
            return
        _working.pop(thread, None)
        sleep(_LOOK_S)


def _hook() -> None:
    """Have forks wait from now on, once per process and its children: hooks can't be taken back."""
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked.append(1)
        os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_begin_anew)


def _before() -> None:
    thread = _thread()
    _forking.append(thread)
    end = time.monotonic() + _WAIT_S
    sleep: Callable[[float], None] = native("time", "sleep")
    while _is_anybody_at_work(thread) and time.monotonic() < end:
        sleep(_LOOK_S)


def _after() -> None:
    thread = _thread()
    if thread in _forking:
        _forking.remove(thread)


def _begin_anew() -> None:
    """Forget the threads, which the child has not, and what forks were under way."""
    _working.clear()
    _calling.clear()
    _forking.clear()


def _is_anybody_at_work(but: int) -> bool:
    if any(thread != but for thread in list(_working)):
        return True
    callers = [thread for thread in list(_calling) if thread != but]
    if not callers:
        return False
    frames = sys._current_frames()
    return any(_is_importing(frames.get(thread)) for thread in callers)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT:
            return True
        frame = frame.f_back
    return False


def _thread() -> int:
    ident: int = native("_thread", "get_ident")()
    return ident
