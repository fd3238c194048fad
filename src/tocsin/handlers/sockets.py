"""SocketHandler and DatagramHandler: records go in; JSON lines leave by the socket sink, never a pickle."""

from __future__ import annotations

import logging
import logging.handlers
from typing import Any, Final

from tocsin.event.errors import ConfigError
from tocsin.handlers.channel import Names
from tocsin.handlers.destination import Destination
from tocsin.handlers.drop_in import DropIn

__all__ = ["DatagramHandler", "SocketHandler"]

_NEVER_CALLED: Final = ("makePickle", "makeSocket", "createSocket", "send")


class SocketHandler(DropIn, logging.handlers.SocketHandler):
    """Take the place of `logging.handlers.SocketHandler`: JSON lines to `tocsin receive`, spooled while it is away.

    The arguments are the standard handler's: with ``port`` None, ``host`` is the path of a Unix socket. `makePickle` is
    never called: whoever reads a pickle runs what the sender wants. ``acknowledge=False`` is for a receiver that only
    reads lines. Raises ConfigError for a place that nothing could be sent to.
    """

    _never_called = _NEVER_CALLED

    def __init__(
        self,
        host: str,
        port: int | None,
        *,
        acknowledge: bool = True,
        application: str = "",
        environment: str = "",
    ) -> None:
        logging.handlers.SocketHandler.__init__(self, host, port)
        options: dict[str, Any] = {"path": host} if port is None else {"host": host, "port": port, "transport": "tcp"}
        options["acknowledge"] = acknowledge
        destination = Destination("SocketHandler", "socket", options, (host, str(port)))
        self._drop_in(destination, Names(application, environment))

    def close(self) -> None:
        """Have `logging` forget the handler; there is no socket to be closed."""
        DropIn.close(self)

    def handleError(self, record: logging.LogRecord) -> None:
        """Do as every handler does; the standard one closes its socket here."""
        logging.Handler.handleError(self, record)


class DatagramHandler(DropIn, logging.handlers.DatagramHandler):
    """Take the place of `logging.handlers.DatagramHandler`: send each event as a JSON line in one UDP datagram.

    `makePickle` is never called. Raises ConfigError for a place that nothing could be sent to, and for a Unix socket.
    """

    _never_called = _NEVER_CALLED

    def __init__(self, host: str, port: int | None, *, application: str = "", environment: str = "") -> None:
        logging.handlers.DatagramHandler.__init__(self, host, port)
        if port is None:
            raise ConfigError("DatagramHandler: port is required; for a Unix socket use SocketHandler(path, None)")
        options = {"host": host, "port": port, "transport": "udp"}
        destination = Destination("DatagramHandler", "socket", options, (host, str(port)))
        self._drop_in(destination, Names(application, environment))

    def close(self) -> None:
        """Have `logging` forget the handler; there is no socket to be closed."""
        DropIn.close(self)

    def handleError(self, record: logging.LogRecord) -> None:
        """Do as every handler does; the standard one closes its socket here."""
        logging.Handler.handleError(self, record)
