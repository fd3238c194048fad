"""One ASGI lifespan: what an application receives, sends and raises goes in; reports of startups that fail leave."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from tocsin.complaints import complain
from tocsin.integrations.asgi.exchange import Message, Send, report
from tocsin.integrations.binding import Binding

__all__ = ["AsgiLifespan"]

_FAILURES: Final = frozenset({"lifespan.startup.failed", "lifespan.shutdown.failed"})
_LOGGER: Final = "tocsin.lifespan"


class AsgiLifespan:
    """Stand between an application and its server while it starts and stops.

    An application without a lifespan may raise whatever it likes when it sees the scope (ASGI specification,
    "Lifespan Protocol"), and servers go on; one that has asked for the first message has one.
    """

    __slots__ = ("_binding", "_receive", "_send", "has_lifespan")

    def __init__(self, binding: Binding, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        self._binding = binding
        self._receive = receive
        self._send = send
        self.has_lifespan = False

    def receive(self) -> Awaitable[Message]:
        """Be the application's ``receive``."""
        self.has_lifespan = True
        return self._receive()

    def send(self, message: Message) -> Awaitable[None]:
        """Be the application's ``send``; report a failure that it tells its server of."""
        try:
            if message["type"] in _FAILURES:
                self._told(message)
        except Exception as own:  # noqa: BLE001 - the message leaves as it is, whatever happens to its report
            complain("asgi", "a failed startup or shutdown could not be reported", own)
        return self._send(message)

    def failed(self, fault: BaseException) -> None:
        """Report what came out of the application."""
        if self.has_lifespan:
            report(self._binding, fault, None, "lifespan")

    def _told(self, message: Message) -> None:
        """Report the exception that is being handled as this is told, else the words."""
        fault = sys.exc_info()[1]
        if fault is not None:
            report(self._binding, fault, None, "lifespan.send")
            return
        kind, words = str(message["type"]), message.get("message", "")
        text = f"{kind}: {words}" if type(words) is str and words else kind
        self._binding.intake.message(text, kind="error", level=logging.ERROR, template=kind, logger=_LOGGER)
