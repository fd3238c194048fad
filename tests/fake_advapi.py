"""A strict stand-in for advapi32 and winreg: it takes what their documentation allows, and nothing else.

It reads the very memory that it is handed: UTF-16 by address, to the first NUL. What Windows would log wrongly without
a word (a half surrogate pair, a ``%1``) is an AssertionError here.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

LONGEST = 31_839
ACCESS_DENIED, INVALID_HANDLE, INVALID_PARAMETER, RPC_UNAVAILABLE, INVALID_BOUND = 5, 6, 87, 1722, 1734


@dataclass(frozen=True)
class Logged:
    """One event as it lies in the log."""

    server: str
    source: str
    type: int
    category: int
    event_id: int
    text: str


@dataclass
class FakeAdvapi:
    """Log into a list. ``fails_with`` are the codes of the next calls; ``servers`` are the machines that answer."""

    servers: frozenset[str] = frozenset({""})
    longest: int = LONGEST
    logged: list[Logged] = field(default_factory=list)
    fails_with: list[int] = field(default_factory=list)
    handles: dict[int, tuple[str, str]] = field(default_factory=dict)
    opened: int = 0
    _code: int = 0

    def restart(self) -> None:
        """Forget all handles, as the event log's service does when it starts anew."""
        self.handles.clear()

    def last_error(self) -> int:
        return self._code

    def RegisterEventSourceW(self, server: Any, source: Any) -> int:
        machine = "" if server is None else _wide_at(server, 256)
        name = _wide_at(source, 256)
        assert machine is not None and name, "a source needs a name, of no more than a registry key has"
        assert "\\" not in name, "a source is a key of the registry"
        assert not machine or machine.startswith("\\\\"), "a server is named by \\\\name"
        if self._failed():
            return 0
        if machine.lstrip("\\") not in self.servers:
            return self._fail(RPC_UNAVAILABLE)
        if name.lower() == "security":
            return self._fail(ACCESS_DENIED)
        self.opened += 1
        handle = 0x1000 + self.opened
        self.handles[handle] = (machine.lstrip("\\"), name)
        return handle

    def ReportEventW(
        self,
        handle: int,
        type_: int,
        category: int,
        event_id: int,
        sid: None,
        strings: int,
        data_bytes: int,
        texts: Any,
        data: None,
    ) -> int:
        assert isinstance(handle, int)
        assert 0 <= type_ < 2**16 and 0 <= category < 2**16 and 0 <= event_id < 2**32  # WORD, WORD, DWORD
        assert (sid, data_bytes, data) == (None, 0, None)
        assert strings == len(texts)
        if self._failed():
            return 0
        if handle not in self.handles:
            return self._fail(INVALID_HANDLE)
        if type_ not in (0, 1, 2, 4, 8, 16):
            return self._fail(INVALID_PARAMETER)
        told = [_wide_at(address, self.longest) for address in texts]
        (text,) = told
        if text is None:
            return self._fail(INVALID_BOUND)
        assert text, "an event says something"
        assert not re.search(r"%[0-9]", text), "the Event Viewer puts something else in there"
        self.logged.append(Logged(*self.handles[handle], type_, category, event_id, text))
        return 1

    def DeregisterEventSource(self, handle: int) -> int:
        if handle not in self.handles:
            return self._fail(INVALID_HANDLE)
        del self.handles[handle]
        return 1

    def _failed(self) -> bool:
        if self.fails_with and (code := self.fails_with.pop(0)):
            self._code = code
            return True
        return False

    def _fail(self, code: int) -> int:
        self._code = code
        return 0


def _wide_at(address: Any, longest: int) -> str | None:
    """Return the NUL-terminated UTF-16 text at an address; None where it is longer than that many code units."""
    start = address.value if isinstance(address, ctypes.c_void_p) else address
    assert start, "no NULL pointer"
    read: list[int] = []
    while (unit := ctypes.c_uint16.from_address(start + 2 * len(read)).value) != 0:
        if len(read) == longest:
            return None
        read.append(unit)
    return b"".join(unit.to_bytes(2, "little") for unit in read).decode("utf-16-le")  # strict: no half pairs


class FakeRegistry:
    """The part of `winreg` that registers a source."""

    HKEY_LOCAL_MACHINE, KEY_SET_VALUE, REG_DWORD, REG_EXPAND_SZ = "HKLM", 2, 4, 2

    def __init__(self, *, may_write: bool = True) -> None:
        self.keys: dict[str, dict[str, tuple[Any, int]]] = {}
        self._may_write = may_write

    @contextmanager
    def OpenKey(self, root: str, path: str) -> Iterator[str]:
        if path not in self.keys:
            raise FileNotFoundError(2, "The system cannot find the file specified")
        yield path

    @contextmanager
    def CreateKeyEx(self, root: str, path: str, reserved: int, access: int) -> Iterator[str]:
        if not self._may_write:
            raise PermissionError(13, "Access is denied")
        self.keys.setdefault(path, {})
        yield path

    def SetValueEx(self, key: str, name: str, reserved: int, kind: int, value: Any) -> None:
        self.keys[key][name] = (value, kind)

    def QueryValueEx(self, key: str, name: str) -> tuple[Any, int]:
        if name not in self.keys[key]:
            raise FileNotFoundError(2, "The system cannot find the file specified")
        return self.keys[key][name]
