"""SMTPHandler: records go in; one mail for each fault leaves, by the mail sink."""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Iterator, Mapping, Sequence
from email.utils import getaddresses, parseaddr
from typing import Any, Final

from tocsin.complaints import say
from tocsin.event.errors import ConfigError
from tocsin.handlers.channel import Names
from tocsin.handlers.destination import Destination
from tocsin.handlers.drop_in import DropIn
from tocsin.sinks.endpoint import is_loopback

__all__ = ["SMTPHandler"]

_PORT: Final = 25
_TLS_PORT: Final = 465
_TIMEOUT_S: Final = 5.0


class SMTPHandler(DropIn, logging.handlers.SMTPHandler):
    """Take the place of `logging.handlers.SMTPHandler`: mail each fault once, and count it; nothing waits for a server.

    The arguments are the standard handler's. ``ca_file`` names the authority that the server's certificate is verified
    by, instead of the system's; ``application`` and ``environment`` prevail over those of `tocsin.setup` and of the
    variables. Raises ConfigError for addresses, files and credentials that no mail could be sent with.
    """

    _is_told = True

    def __init__(
        self,
        mailhost: str | tuple[str, int],
        fromaddr: str,
        toaddrs: str | Sequence[str],
        subject: str,
        credentials: tuple[str, str] | None = None,
        secure: tuple[()] | tuple[str] | tuple[str, str] | None = None,
        timeout: float = _TIMEOUT_S,
        *,
        ca_file: str = "",
        application: str = "",
        environment: str = "",
    ) -> None:
        addresses = toaddrs if isinstance(toaddrs, str) else list(toaddrs)
        logging.handlers.SMTPHandler.__init__(
            self, mailhost, fromaddr, addresses, subject, credentials, secure, timeout
        )
        self._is_idle = not self.toaddrs
        if self._is_idle:
            say("SMTPHandler: toaddrs is empty, so nothing is mailed")
            return
        options = self._options(ca_file)
        key = (options["sender"], *sorted(options["to"]), str(subject))
        destination = Destination("SMTPHandler", "mail", options, key)
        self._drop_in(destination, Names(application, environment))

    def emit(self, record: logging.LogRecord) -> None:
        """Spool the record, or count it."""
        if not self._is_idle:
            super().emit(record)

    def _to_send(self, record: logging.LogRecord) -> Mapping[str, Any]:
        """Return the formatted text and the subject."""
        return {**super()._to_send(record), "subject": str(self.getSubject(record))}

    def _options(self, ca_file: str) -> dict[str, Any]:
        name, sender = parseaddr(str(self.fromaddr))
        user, password = (self.username, self.password) if self.username else ("", "")
        host = str(self.mailhost or "")
        options: dict[str, Any] = {
            "host": host,
            "port": self.mailport or _PORT,
            "to": list(dict.fromkeys(self._whole(each) for each in _addresses(self.toaddrs))),
            "sender": self._whole(sender or str(self.fromaddr)),
            "sender_name": name,
            "tls": self._tls(bool(user)),
            "timeout": _TIMEOUT_S if self.timeout is None else self.timeout,
            "gather": 0,  # each mail has its record's own subject
            **({"user": user, "password": password} if user else {}),
            **({"ca_file": ca_file} if ca_file else {}),
        }
        files = [str(path) if path else "" for path in self.secure or ()]
        if len(files) == 1 and files[0]:  # both in one file, as OpenSSL reads it
            options["cert_file"] = files[0]
        elif len(files) > 1:
            options |= {name: path for name, path in zip(("key_file", "cert_file"), files, strict=False) if path}
        return options

    def _tls(self, has_login: bool) -> str:
        """Return how the connection is secured: by STARTTLS if asked for, and before a password goes elsewhere."""
        if self.mailport == _TLS_PORT:
            return "implicit"
        is_wanted = self.secure is not None or (has_login and not is_loopback(str(self.mailhost).lower()))
        return "starttls" if is_wanted else "none"

    def _whole(self, address: str) -> str:
        """Return an address with a host: a bare name is a user of this machine."""
        if "@" in address:
            return address
        if not is_loopback(str(self.mailhost).lower()):
            raise ConfigError(f"SMTPHandler: {address!r} is no mail address for another machine's server; add its host")
        return f"{address}@localhost"


def _addresses(toaddrs: Sequence[object]) -> Iterator[str]:
    """Yield the bare addresses. One text may hold several, with commas: the standard handler mails to all of them."""
    for text in map(str, toaddrs):
        yield from [address for _, address in getaddresses([text]) if address] or [text]
