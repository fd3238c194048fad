"""A server, addresses and a mail's bytes go in; one SMTP conversation is held; who took it or why not leaves.

Imported at the first mail: smtplib and ssl cost every application's start that never sends one.
"""

from __future__ import annotations

import base64
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tocsin.event.errors import DeliveryError
from tocsin.render import harmless
from tocsin.sinks.base import Refused, Unavailable
from tocsin.sinks.endpoint import is_loopback
from tocsin.sinks.mail.client import Client
from tocsin.sinks.mail.options import Server
from tocsin.sinks.network import STEPS, Deadline, tls_context
from tocsin.sinks.resolving import connected

__all__ = ["Report", "hold"]

_SEE_LOG: Final = "check host and port, and see the server's log"
_QUIT_S: Final = 2.0
_REPLY_CHARS: Final = 200
# RFC 4954 §6 and RFC 3463 §3.8: a login is needed, or the host may not send there; some say it in words only.
_OF_RIGHTS: Final = re.compile(r"530 |5\d\d[ -]5\.7\.|.*\brelay", re.IGNORECASE)
_TOO_BIG: Final = 552  # RFC 1870 §6.1; for a recipient it means another thing, a mailbox that is full


@dataclass(frozen=True, slots=True)
class Report:
    """Tell how a conversation went.

    ``taken`` are the recipients the server took the mail for. ``deferred`` (4xx) and ``refused`` (5xx) are
    others with its reply. ``failure`` is set if nobody got it.
    """

    taken: tuple[str, ...] = ()
    deferred: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""  # TLS version and the final reply
    failure: Unavailable | Refused | None = None
    is_too_big: bool = False  # a smaller mail would have been taken


def hold(
    server: Server,
    sender: str,
    recipients: Sequence[str],
    mail: bytes,
    *,
    host: str,
    mask: Callable[[str], str],
) -> Report:
    """Hand ``mail`` to the server for all ``recipients``; connect, talk and hang up within a bounded time.

    ``host`` is this machine's name for EHLO. ``mask`` is applied to the server's words, which may repeat
    anything.
    """
    talk = _Talk(server, mask)
    try:
        return talk.deliver(sender, recipients, mail, host)
    except _Failed as failed:
        return Report(failure=failed.outcome)
    except (OSError, smtplib.SMTPException) as error:
        return Report(failure=talk.explain(error))
    finally:
        talk.close()


class _Failed(Exception):
    """Carry the outcome of a reply that ends the conversation."""

    def __init__(self, outcome: Unavailable | Refused) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class _Talk:
    """Be one conversation: its steps in order, and what the present one is called if it fails."""

    def __init__(self, server: Server, mask: Callable[[str], str]) -> None:
        self._server = server
        self._mask = mask
        self._step = "connecting"
        self._client = Client(server.timeout_s)
        self._where = f"{server.host}:{server.port}"

    def deliver(self, sender: str, recipients: Sequence[str], mail: bytes, host: str) -> Report:
        self._connect(host)
        self._login()
        self._step = "naming the sender"
        size = [f"size={len(mail)}"] if self._client.has_extn("size") else []
        reply = self._client.mail(sender, size)
        if reply[0] == _TOO_BIG:
            return Report(failure=self._mail_refused(reply), is_too_big=True)
        if reply[0] != 250:
            raise _Failed(self._sender_refused(sender, reply))
        taken, deferred, refused = self._recipients(recipients)
        if not taken:
            return self._nobody(deferred, refused)
        self._step = "sending the mail"
        # Servers that scan a mail answer late, and an answer missed is a mail sent twice: all the time left.
        self._client.step_s *= STEPS
        try:
            reply = self._client.data(mail)
        except smtplib.SMTPDataError as error:
            reply = (error.smtp_code, _bytes(error.smtp_error))
        if reply[0] != 250:
            return Report(failure=self._mail_refused(reply), is_too_big=reply[0] == _TOO_BIG)
        return Report(tuple(taken), deferred, refused, f"{self._tls()}, {self._words(reply)}")

    def close(self) -> None:
        client = self._client
        try:
            if client.sock is not None:
                client.step_s = min(_QUIT_S, client.step_s)
                client.docmd("QUIT")
        except (OSError, smtplib.SMTPException):
            pass  # the mail's fate is known; how the server says goodbye changes nothing
        finally:
            client.close()

    # -- the steps -----------------------------------------------------------------------------------------

    def _connect(self, host: str) -> None:
        server, client = self._server, self._client
        context = self._context() if server.tls != "none" else None
        sock = connected(server.host, server.port, Deadline(server.timeout_s, server.timeout_s * STEPS))
        client.sock = sock
        if context is not None and server.tls == "implicit":
            self._step = "agreeing on TLS"
            client.sock = context.wrap_socket(sock, server_hostname=server.host)
        self._step = "greeting"
        reply = client.getreply()
        if reply[0] != 220:
            raise _Failed(Unavailable(f"{self._where} turned the connection away: {self._words(reply)}", _SEE_LOG))
        client.local_hostname = host if "." in host else _literal(client.sock)
        client.ehlo_or_helo_if_needed()
        if context is not None and server.tls == "starttls":
            self._starttls(context)

    def _starttls(self, context: ssl.SSLContext) -> None:
        server, client = self._server, self._client
        self._step = "agreeing on TLS"
        reply = client.docmd("STARTTLS") if client.has_extn("starttls") else (0, b"")
        if reply[0] != 220:
            said = f": {self._words(reply)}" if reply[0] else ""
            remedy = 'use the port that has it (often 587), or tls = "implicit" (often port 465)'
            raise _Failed(Unavailable(f"{self._where} offers no STARTTLS{said}", remedy))
        sock = client.sock
        if sock is None:
            raise smtplib.SMTPServerDisconnected("closed before TLS")
        sock.settimeout(client.remaining_s())
        client.sock = context.wrap_socket(sock, server_hostname=server.host)
        # RFC 3207 §4.2: what the server said before TLS is forgotten.
        client.helo_resp = client.ehlo_resp = None
        client.esmtp_features = {}
        client.does_esmtp = False
        client.ehlo_or_helo_if_needed()

    def _context(self) -> ssl.SSLContext:
        server = self._server
        try:
            return tls_context(server.ca_file, server.cert_file, server.key_file)
        except DeliveryError as error:
            raise _Failed(Unavailable(str(error), "name readable PEM files; a key must not be encrypted")) from None

    def _login(self) -> None:
        server, client = self._server, self._client
        if not server.user:
            return
        self._step = "logging in"
        if (server.user + server.password).isascii():
            client.login(server.user, server.password)
            return
        # smtplib encodes credentials as ASCII; RFC 4616 says UTF-8.
        token = base64.b64encode(f"\0{server.user}\0{server.password}".encode()).decode()
        reply = client.docmd("AUTH", f"PLAIN {token}")
        if reply[0] != 235:
            raise smtplib.SMTPAuthenticationError(*reply)

    def _recipients(self, recipients: Sequence[str]) -> tuple[list[str], dict[str, str], dict[str, str]]:
        self._step = "naming the recipients"
        taken: list[str] = []
        deferred: dict[str, str] = {}
        refused: dict[str, str] = {}
        for address in recipients:
            reply = self._client.rcpt(address)
            if reply[0] in (250, 251):
                taken.append(address)
            elif reply[0] == 421:
                raise _Failed(Unavailable(f"{self._where} is closing: {self._words(reply)}", _SEE_LOG))
            else:
                (deferred if 400 <= reply[0] < 500 else refused)[address] = self._words(reply)
        return taken, deferred, refused

    # -- what went wrong, in words -------------------------------------------------------------------------

    def _nobody(self, deferred: dict[str, str], refused: dict[str, str]) -> Report:
        said = "; ".join(f"{address}: {words}" for address, words in (deferred | refused).items())
        reason = f"{self._where} took the mail for nobody ({said})"
        if deferred:
            return Report(deferred=deferred, refused=refused, failure=Unavailable(reason, _SEE_LOG))
        if any(_OF_RIGHTS.match(words) for words in refused.values()):  # who may send is mended without loss
            needs_login = "" if self._server.user else "set user and password, or "
            return Report(refused=refused, failure=Unavailable(reason, f"{needs_login}let this host send there"))
        return Report(refused=refused, failure=Refused(reason, "check the addresses in to"))

    def _sender_refused(self, sender: str, reply: tuple[int, bytes]) -> Unavailable:
        # For good or not, it is the configuration that is refused, not this mail: mended, the mail still goes.
        reason = f"{self._where} refuses mail from {sender}: {self._words(reply)}"
        needs_login = reply[0] == 530 and not self._server.user
        return Unavailable(reason, "set user and password" if needs_login else "set sender to an address it accepts")

    def _mail_refused(self, reply: tuple[int, bytes]) -> Unavailable | Refused:
        reason = f"{self._where} did not take the mail: {self._words(reply)}"
        return Refused(reason, _SEE_LOG) if 500 <= reply[0] < 600 else Unavailable(reason, _SEE_LOG)

    def explain(self, error: OSError | smtplib.SMTPException) -> Unavailable:
        """Return what an exception means and what to mend."""
        where, step = self._where, self._step
        if isinstance(error, smtplib.SMTPAuthenticationError):
            said = self._words((error.smtp_code, _bytes(error.smtp_error)))
            return Unavailable(f"{where} refused the login of {self._server.user}: {said}", "check user and password")
        if isinstance(error, smtplib.SMTPNotSupportedError):
            remedy = "leave out user and password, or use TLS: many servers offer a login only then"
            return Unavailable(f"{where} offers no login", remedy)
        if isinstance(error, smtplib.SMTPResponseException):
            said = self._words((error.smtp_code, _bytes(error.smtp_error)))
            return Unavailable(f"{where} failed while {step}: {said}", _SEE_LOG)
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            reason = f"{where} did not answer in time while {step}"
            return Unavailable(reason, "check host, port and firewall; with TLS from the start, set tls to implicit")
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = f"the certificate of {where} is not trusted: {harmless.line(error.verify_message, _REPLY_CHARS)}"
            return Unavailable(
                reason, "name its authority's PEM file by ca_file; host must be a name in the certificate"
            )
        if isinstance(error, ssl.SSLError):
            reason = f"{where} failed while {step}: {harmless.line(error.reason or str(error), _REPLY_CHARS)}"
            return Unavailable(reason, "check port and tls: implicit is usual on 465, starttls on 587 and 25")
        if isinstance(error, socket.gaierror):
            return Unavailable(f"the name {self._server.host} can't be resolved", "check host and this machine's DNS")
        if isinstance(error, ConnectionRefusedError):
            return Unavailable(f"nothing listens on {where}", "check host and port, and whether the server runs")
        if isinstance(error, smtplib.SMTPServerDisconnected):
            return Unavailable(f"{where} hung up while {step}", "check port and tls, and the server's log")
        said = harmless.line(self._mask(str(error)) or type(error).__name__, _REPLY_CHARS)
        return Unavailable(f"{where} failed while {step}: {said}", "check host, port and network")

    def _words(self, reply: tuple[int, bytes]) -> str:
        """Return a reply in one harmless line; a server that repeats the password is not repeated."""
        text = reply[1].decode("utf-8", "replace").replace("\n", " ")
        text = harmless.without([self._server.password], text)
        return harmless.line(f"{reply[0]} {self._mask(text)}", _REPLY_CHARS)

    def _tls(self) -> str:
        sock = self._client.sock
        if isinstance(sock, ssl.SSLSocket):
            return sock.version() or "TLS"
        return "no TLS (loopback)" if is_loopback(self._server.host) else "no TLS"


def _literal(sock: socket.socket) -> str:
    """Return the address literal that names a host without a full name (RFC 5321 §4.1.3)."""
    address = str(sock.getsockname()[0])
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _bytes(words: bytes | str) -> bytes:
    return words if isinstance(words, bytes) else words.encode("utf-8", "replace")
