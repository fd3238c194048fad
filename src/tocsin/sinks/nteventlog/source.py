"""The registration of a source: its log and message file go into the registry; whether they are there leaves."""

from __future__ import annotations

from typing import Any, Final

from tocsin.sinks.nteventlog.options import Destination

__all__ = ["register"]

_ALL_TYPES: Final = 7  # error, warning, information


def register(destination: Destination, registry: Any = None) -> str:
    """Register a source where there is none; return how it stands, in a few words. What is there stays as it is.

    ``registry`` is the module `winreg`. Without a message file the Event Viewer still shows the text, below a
    sentence that says that it has no description.
    """
    if destination.server or not destination.is_registered:
        return "not registered from here"
    if registry is None:
        import winreg as registry
    path = rf"SYSTEM\CurrentControlSet\Services\EventLog\{destination.log}\{destination.source}"
    if _has_messages(registry, path):
        return "registered"
    try:
        with registry.CreateKeyEx(registry.HKEY_LOCAL_MACHINE, path, 0, registry.KEY_SET_VALUE) as key:
            registry.SetValueEx(key, "TypesSupported", 0, registry.REG_DWORD, _ALL_TYPES)
            registry.SetValueEx(key, "CustomSource", 0, registry.REG_DWORD, 1)  # lets `eventcreate` use it as well
            registry.SetValueEx(key, "EventMessageFile", 0, registry.REG_EXPAND_SZ, destination.message_dll)
    except OSError:
        return "not registered, since this user may not"
    return "registered just now"


def _has_messages(registry: Any, path: str) -> bool:
    try:
        with registry.OpenKey(registry.HKEY_LOCAL_MACHINE, path) as key:
            return bool(registry.QueryValueEx(key, "EventMessageFile")[0])
    except OSError:
        return False
