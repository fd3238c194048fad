"""SysLogHandler: records go in; RFC 5424 messages with its own text and priority leave, by the syslog sink."""

from __future__ import annotations

import logging
import logging.handlers
import socket
from collections.abc import Mapping
from typing import Any, Final

from tocsin.handlers.channel import Names
from tocsin.handlers.destination import Destination
from tocsin.handlers.drop_in import DropIn, shortened

__all__ = ["SysLogHandler"]

_PORT: Final = logging.handlers.SYSLOG_UDP_PORT
_USER: Final = logging.handlers.SysLogHandler.LOG_USER


class SysLogHandler(DropIn, logging.handlers.SysLogHandler):
    """Take the place of `logging.handlers.SysLogHandler`: messages a server can parse, spooled while it is away.

    The arguments are the standard handler's, of Python 3.14 also ``timeout``. `ident`, `priority_map`, `mapPriority`
    and `encodePriority` work as there; `append_nul` is without effect. ``application`` and ``environment`` prevail
    over those of `tocsin.setup` and of the variables. Raises ConfigError for an address that nothing could be sent to.
    """

    _never_called = ("createSocket", "_connect_unixsocket")

    def __init__(
        self,
        address: str | tuple[str, int] = ("localhost", _PORT),
        facility: str | int = _USER,
        socktype: socket.SocketKind | None = None,
        timeout: float | None = None,
        *,
        application: str = "",
        environment: str = "",
    ) -> None:
        # Not the standard one's, which opens a socket.
        logging.Handler.__init__(self)
        self.address = address
        self.facility = facility  # type: ignore[assignment]  # names are as good, by `encodePriority`
        self.socktype = socktype  # type: ignore[assignment]  # None is the standard's own default
        self.timeout = timeout
        self.unixsocket = isinstance(address, str)
        self.socket = None
        asides = {"facility": self._facility_name(facility)}
        destination = Destination("SysLogHandler", "syslog", self._options(), _key(address), asides)
        self._drop_in(destination, Names(application, environment))

    def _to_send(self, record: logging.LogRecord) -> Mapping[str, Any]:
        """Return the text, `ident` before it, and the priority."""
        text = f"{self.ident or ''}{self.format(record)}"
        priority = self.encodePriority(self.facility, self.mapPriority(record.levelname))
        return {"text": shortened(text), "priority": priority}

    def close(self) -> None:
        """Have `logging` forget the handler; there is no socket to be closed."""
        DropIn.close(self)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self.timeout is not None:
            options["timeout"] = self.timeout
        if isinstance(self.address, str):
            return {**options, "path": self.address}  # datagram or stream: the sink finds out
        host, port = self.address
        transport = "tcp" if self.socktype == socket.SOCK_STREAM else "udp"
        return {**options, "host": host, "port": port, "transport": transport}

    def _facility_name(self, facility: str | int) -> str:
        """Return the name by which the sink knows the facility, for what tocsin itself tells (a loss)."""
        names = {number: name for name, number in self.facility_names.items() if name not in _OTHER_NAMES}
        return names.get(self.facility_names.get(facility, 1) if isinstance(facility, str) else facility, "user")


# Second names of a facility, and facilities that other systems number in another way.
_OTHER_NAMES: Final = frozenset({"security", "console", "ntp", "solaris-cron"})


def _key(address: str | tuple[str, int]) -> tuple[str, ...]:
    return (address,) if isinstance(address, str) else tuple(map(str, address))
