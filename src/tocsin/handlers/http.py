"""HTTPHandler: records go in; a request with what `mapLogRecord` returns leaves for each. Needs the extra ``http``."""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tocsin.capture.plain import plain
from tocsin.capture.records import text_of
from tocsin.event import limits
from tocsin.event.typename import type_name
from tocsin.handlers.channel import Names
from tocsin.handlers.destination import Destination
from tocsin.handlers.drop_in import DropIn, shortened

if TYPE_CHECKING:
    import ssl

__all__ = ["HTTPHandler"]

_WITHOUT_TEXT: Final = ("args", "exc_info")  # nameless values, which can't be masked; an object


class HTTPHandler(DropIn, logging.handlers.HTTPHandler):
    """Take the place of `logging.handlers.HTTPHandler`: requests that are retried until the server says 2xx.

    The arguments are the standard handler's. ``application`` and ``environment`` prevail over those of `tocsin.setup`
    and of the variables. Raises ConfigError where urllib3 is missing, and for credentials that would travel in clear to
    another machine.
    """

    _never_called = ("getConnection",)

    def __init__(
        self,
        host: str,
        url: str,
        method: str = "GET",
        secure: bool = False,
        credentials: tuple[str, str] | None = None,
        context: ssl.SSLContext | None = None,
        *,
        application: str = "",
        environment: str = "",
    ) -> None:
        logging.handlers.HTTPHandler.__init__(self, host, url, method, secure, credentials, context)
        options: dict[str, Any] = {
            "url": f"{'https' if secure else 'http'}://{host}{url if url.startswith('/') else '/' + url}",
            "method": method.lower(),
        }
        if credentials:
            options["user"], options["password"] = credentials
        if context is not None:
            options["ssl_context"] = context
        destination = Destination("HTTPHandler", "tocsin.sinks.form:FormSink", options, (host, url))
        self._drop_in(destination, Names(application, environment))

    def _to_send(self, record: logging.LogRecord) -> Mapping[str, Any]:
        """Return what `mapLogRecord` does, as texts."""
        mapped = self.mapLogRecord(record)
        if mapped is not record.__dict__:
            form = {str(name): shortened(str(value), limits.MESSAGE_CHARS) for name, value in mapped.items()}
            return {"form": form}
        return {"form": _standard_form(record)}


def _standard_form(record: logging.LogRecord) -> dict[str, str]:
    """Return a record's attributes without running code of the objects among them, and its message."""
    form = {name: shortened(str(plain(value)), limits.MESSAGE_CHARS) for name, value in record.__dict__.copy().items()}
    for name in _WITHOUT_TEXT:
        value = record.__dict__.get(name)
        form[name] = "" if not value else f"<{type_name(type(value))}>"
    form["message"] = shortened(text_of(record).message, limits.MESSAGE_CHARS)
    return form
