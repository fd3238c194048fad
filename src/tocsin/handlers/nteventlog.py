"""NTEventLogHandler: records go in; entries of the Windows event log leave, by the sink of that name."""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Mapping
from typing import Any, Final

from tocsin.handlers.channel import Names
from tocsin.handlers.destination import Destination
from tocsin.handlers.drop_in import DropIn, shortened

__all__ = ["NTEventLogHandler"]

# The types of ReportEventW, which the standard handler takes from pywin32.
_ERROR: Final = 1
_WARNING: Final = 2
_INFORMATION: Final = 4


class NTEventLogHandler(DropIn, logging.handlers.NTEventLogHandler):
    """Take the place of `logging.handlers.NTEventLogHandler`: needs no pywin32, and no rights in the registry.

    The arguments are the standard handler's. ``application`` and ``environment`` prevail over those of `tocsin.setup`
    and of the variables; where there are none, ``appname`` is the application. Raises ConfigError off Windows.
    """

    def __init__(
        self,
        appname: str,
        dllname: str | None = None,
        logtype: str = "Application",
        *,
        application: str = "",
        environment: str = "",
    ) -> None:
        # Not the standard one's, which prints to stdout where there is no pywin32, and then does nothing.
        logging.Handler.__init__(self)
        self.appname = appname
        self.dllname = dllname or ""
        self.logtype = logtype
        self.deftype = _ERROR
        self.typemap = {
            logging.DEBUG: _INFORMATION,
            logging.INFO: _INFORMATION,
            logging.WARNING: _WARNING,
            logging.ERROR: _ERROR,
            logging.CRITICAL: _ERROR,
        }
        options: dict[str, Any] = {"source": appname, "log": logtype}
        if dllname:
            options["message_dll"] = dllname
        destination = Destination("NTEventLogHandler", "nteventlog", options, (appname, logtype))
        self._drop_in(destination, Names(application, environment, fallback=appname))

    def _to_send(self, record: logging.LogRecord) -> Mapping[str, Any]:
        """Return the text, and what `getMessageID`, `getEventCategory` and `getEventType` say."""
        return {
            "text": shortened(self.format(record)),
            "event_id": self.getMessageID(record),
            "category": self.getEventCategory(record),
            "type": self.getEventType(record),
        }

    def close(self) -> None:
        """Have `logging` forget the handler."""
        DropIn.close(self)
