"""Handlers for logging: records go in, and nothing blocks. One file each.

`LogHandler` reports through the process's Reporter, and `LeadUpHandler` remembers for it. The others take the place of
those of `logging.handlers`, each with a spool of its own (`channel`); they are loaded when they are asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from tocsin.handlers.lead_up import LeadUpHandler
from tocsin.handlers.log_handler import LogHandler

if TYPE_CHECKING:
    from tocsin.handlers.http import HTTPHandler
    from tocsin.handlers.nteventlog import NTEventLogHandler
    from tocsin.handlers.smtp import SMTPHandler
    from tocsin.handlers.sockets import DatagramHandler, SocketHandler
    from tocsin.handlers.syslog import SysLogHandler

__all__ = [
    "DatagramHandler",
    "HTTPHandler",
    "LeadUpHandler",
    "LogHandler",
    "NTEventLogHandler",
    "SMTPHandler",
    "SocketHandler",
    "SysLogHandler",
]

_MODULES: Final = {
    "DatagramHandler": "sockets",
    "HTTPHandler": "http",
    "NTEventLogHandler": "nteventlog",
    "SMTPHandler": "smtp",
    "SocketHandler": "sockets",
    "SysLogHandler": "syslog",
}


def __getattr__(name: str) -> Any:
    """Load a drop-in handler; `logging.handlers` below them costs every import that needs none of them."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
