"""What sinks that connect share: TLS settings become a context, what went wrong becomes an Unavailable in words."""

from __future__ import annotations

import errno
import socket
import sys
import time
from typing import TYPE_CHECKING, Final

from tocsin.event.errors import DeliveryError
from tocsin.event.limits import SAID_CHARS
from tocsin.render import harmless
from tocsin.sinks.base import Unavailable

if TYPE_CHECKING:
    import ssl

__all__ = ["STEPS", "Deadline", "explain", "is_patched_by_gevent", "tls_context"]

STEPS: Final = 6  # a whole delivery may take so many times the timeout of a step
_OUT_OF_TIME: Final = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


class Deadline:
    """Bound a step, and all steps together; both in seconds from now."""

    def __init__(self, step_s: float, whole_s: float) -> None:
        self._step_s = step_s
        self._end = time.monotonic() + whole_s
        self.begin()

    def begin(self) -> None:
        """Begin the next step."""
        self._step_end = min(time.monotonic() + self._step_s, self._end)

    def remaining_s(self) -> float:
        """Return how long the step may still take. Raises TimeoutError when that is over."""
        remaining_s = self._step_end - time.monotonic()
        if remaining_s <= 0:
            raise TimeoutError
        return remaining_s


def tls_context(ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    """Return a context that verifies the server; ``""`` for a file: the system's authorities, no certificate of ours.

    Raises DeliveryError, which names the file that can't be used.
    """
    import ssl

    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as fault:
        raise DeliveryError(f"ca_file {ca_file!r} can't be used: {fault.strerror or fault}") from None
    if cert_file:
        try:
            # A password of its own, or OpenSSL would ask for one on the terminal.
            context.load_cert_chain(cert_file, key_file or None, password="")
        except (OSError, ValueError) as fault:
            what = f"cert_file {cert_file!r}" + (f" with key_file {key_file!r}" if key_file else "")
            said = getattr(fault, "strerror", None) or str(fault)
            raise DeliveryError(f"{what} can't be used: {harmless.line(said, SAID_CHARS)}") from None
    return context


def is_patched_by_gevent() -> bool:
    """Tell whether sockets belong to the event loop of the thread they were made in: then none may be kept."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))


def explain(fault: Exception, where: str, step: str) -> Unavailable:
    """Return what a fault of a connection means, and what to mend; ``step`` is what was being done."""
    for known in (_of_tls, _of_the_network):
        told = known(fault, where, step)
        if told is not None:
            return told
    if isinstance(fault, DeliveryError):
        return Unavailable(str(fault), "name readable PEM files; a key must not be encrypted")
    said = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
    return Unavailable(f"{where} failed while {step}: {harmless.line(said, SAID_CHARS)}", "check the network")


def _of_tls(fault: Exception, where: str, step: str) -> Unavailable | None:
    ssl = sys.modules.get("ssl")
    if ssl is None or not isinstance(fault, ssl.SSLError) or isinstance(fault, TimeoutError):
        return None
    if isinstance(fault, ssl.SSLCertVerificationError):
        said = harmless.line(fault.verify_message, SAID_CHARS)
        remedy = "name its authority's PEM file by ca_file; host must be a name in the certificate"
        if fault.verify_code in _OUT_OF_TIME:
            remedy = "renew it, and see that this machine's clock is right"
        return Unavailable(f"the certificate of {where} is not trusted: {said}", remedy)
    said = harmless.line(fault.reason or str(fault), SAID_CHARS)
    if "CERTIFICATE" in said.upper() or "UNKNOWN_CA" in said:
        remedy = "name a certificate it trusts, and its key, by cert_file and key_file"
        return Unavailable(f"{where} refused this client's certificate: {said}", remedy)
    return Unavailable(f"{where} failed while {step}: {said}", "check the port, and whether it speaks TLS")


_WORDS: Final = {
    errno.ENOENT: ("there is no {where}", "check the path, and whether the server runs"),
    errno.EACCES: ("{where} may not be used by this user", "give it the right to"),
    errno.ECONNREFUSED: ("nothing listens on {where}", "check host and port, and whether the server runs"),
    errno.EPIPE: ("{where} hung up while {step}", "see the server's log"),
    errno.ECONNRESET: ("{where} hung up while {step}", "see the server's log"),
    errno.ECONNABORTED: ("{where} hung up while {step}", "see the server's log"),
}


def _of_the_network(fault: Exception, where: str, step: str) -> Unavailable | None:
    if isinstance(fault, TimeoutError):
        return Unavailable(f"{where} did not answer in time while {step}", "check host, port and firewall")
    if isinstance(fault, socket.gaierror):
        return Unavailable(f"the name of {where} can't be resolved", "check host and this machine's DNS")
    if isinstance(fault, OSError) and fault.errno in _WORDS:
        reason, remedy = _WORDS[fault.errno]
        return Unavailable(reason.format(where=where, step=step), remedy)
    return None
