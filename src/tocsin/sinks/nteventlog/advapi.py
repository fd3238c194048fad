"""The three functions of advapi32 that log: names and texts go in as UTF-16, handles and error codes leave."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Final, Protocol

from tocsin.event.errors import ConfigError, DeliveryError

__all__ = ["INVALID_HANDLE", "EventLog", "Library", "Win32Fault", "load"]

INVALID_HANDLE: Final = 6


class Win32Fault(DeliveryError):
    """Carry the code of a call that failed (GetLastError)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.code = code


class Library(Protocol):
    """The part of advapi32 that is used; arguments and results are those of its documentation."""

    RegisterEventSourceW: Any
    ReportEventW: Any
    DeregisterEventSource: Any

    def last_error(self) -> int:
        """Return the error code of the last call of this thread."""
        ...


def load() -> Library:
    """Return this system's advapi32. Raises ConfigError off Windows."""
    if os.name != "nt":
        raise ConfigError("type 'nteventlog' needs Windows; use type 'syslog' here, or leave this sink out")
    return _Advapi32()


class EventLog:
    """Open a source, report to it, close it. Strings are handed over as UTF-16, whatever Python's own are.

    A call may wait for the event log's service; nothing can end it from here.
    """

    def __init__(self, library: Library) -> None:
        self._library = library

    def open(self, server: str, source: str) -> int:
        """Return a handle. An unregistered source is fine: its events go to the log Application. Raises Win32Fault."""
        unc = _wide(f"\\\\{server}") if server else None
        handle = self._library.RegisterEventSourceW(_address(unc), _address(_wide(source)))
        if not handle:
            raise Win32Fault(self._library.last_error())
        return int(handle)

    def report(self, handle: int, type_: int, category: int, event_id: int, text: str) -> None:
        """Log one event with one string and no data. Raises Win32Fault."""
        string = _wide(text)
        strings = (ctypes.c_void_p * 1)(ctypes.addressof(string))
        is_logged = self._library.ReportEventW(handle, type_, category, event_id, None, 1, 0, strings, None)
        if not is_logged:
            raise Win32Fault(self._library.last_error())

    def close(self, handle: int) -> None:
        """Give a handle back."""
        self._library.DeregisterEventSource(handle)


def _wide(text: str) -> Any:
    """Return a NUL-terminated array of UTF-16 code units."""
    data = text.replace("\0", "\ufffd").encode("utf-16-le", "replace") + b"\0\0"
    return (ctypes.c_uint16 * (len(data) // 2)).from_buffer_copy(data)


def _address(array: Any) -> Any:
    # Unlike a bare address, what `cast` returns keeps the array alive.
    return None if array is None else ctypes.cast(array, ctypes.c_void_p)


class _Advapi32:
    def __init__(self) -> None:
        # An instance of our own: prototypes set on `ctypes.windll.advapi32` are everybody's.
        dll = getattr(ctypes, "WinDLL")("advapi32", use_last_error=True)  # noqa: B009 - there on Windows only
        word, number, pointer = ctypes.c_uint16, ctypes.c_uint32, ctypes.c_void_p
        self.RegisterEventSourceW = dll.RegisterEventSourceW
        self.RegisterEventSourceW.restype, self.RegisterEventSourceW.argtypes = pointer, (pointer, pointer)
        self.ReportEventW = dll.ReportEventW
        self.ReportEventW.restype = ctypes.c_int
        self.ReportEventW.argtypes = (pointer, word, word, number, pointer, word, number, pointer, pointer)
        self.DeregisterEventSource = dll.DeregisterEventSource
        self.DeregisterEventSource.restype, self.DeregisterEventSource.argtypes = ctypes.c_int, (pointer,)

    def last_error(self) -> int:
        return int(getattr(ctypes, "get_last_error")())  # noqa: B009 - there on Windows only
