"""One answer: what a WSGI application says goes in, is held back until its body begins, and leaves to the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tocsin.capture.disconnects import is_worker_timeout
from tocsin.complaints import complain
from tocsin.event.environ import text as environ_text
from tocsin.event.error_id import ERROR_ID_HEADER
from tocsin.integrations.binding import Binding
from tocsin.integrations.faults import is_error
from tocsin.integrations.wsgi.body import close, stream

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

__all__ = ["Environ", "Exchange", "Headers", "observer"]

Environ = dict[str, Any]
Headers = list[tuple[str, str]]

_HEADER: Final = ERROR_ID_HEADER.lower()


class Exchange:
    """Stand between an application and its server for one request: hold back what it says until its body begins.

    `start` is its ``start_response``, and the object itself the ``write`` that returns and, unless that is a list, a
    file or a generator, the body. One slotted object costs less per request than closures or several objects do, and
    least without an ``__init__`` (by 0.1 µs): the guest in wsgi.py fills it.

    As a body it is an iterable with a generator in `__iter__`, not a generator: that could only close the
    application's body *before* the server knows that the body has ended, and an error in ``close()`` would then cut
    off an answer that was complete. (A generator's own ``close()`` has nothing left to do by then.)
    """

    __slots__ = ("binding", "body", "environ", "headers", "is_sent", "server_start", "server_write", "status")

    binding: Binding
    environ: Environ
    server_start: StartResponse
    status: str | None
    headers: Headers
    is_sent: bool  # the server's start_response was called
    server_write: Callable[[bytes], object]
    body: Any  # while the server has the exchange for a body

    # -- what the application calls ------------------------------------------------------------------------

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
        """Be the application's ``start_response`` (PEP 3333): keep status and headers.

        The headers as they are now, as servers take them: a list that changes later changes nothing.
        """
        if exc_info or self.status is not None:
            return self._start_again(status, headers, exc_info)
        self.status = status
        self.headers = [*headers] if type(headers) is list else headers
        return self

    def _start_again(self, status: str, headers: Headers, exc_info: Any) -> Callable[[bytes], object]:
        if not exc_info:
            # A fatal error by PEP 3333, yet gevent and uWSGI take it. So this is not held back but left to the server.
            self.begin()
            self.server_write = self.server_start(status, headers)
            return self
        try:
            if self.is_sent:
                # The server raises exc_info again if the headers have left.
                self.server_write = self.server_start(status, headers, exc_info)
                return self
            self.status = status
            self.headers = [*headers] if type(headers) is list else headers
            if status.startswith("5"):  # an error handler within the application made it an answer
                self.notice(exc_info[1], "exc_info")
            return self
        finally:
            exc_info = None  # PEP 3333: no circular reference through the traceback

    def __call__(self, data: bytes) -> object:
        """Be the ``write`` callable of PEP 3333."""
        self.begin()
        return self.server_write(data)

    # -- what the server calls -----------------------------------------------------------------------------

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the application's body."""
        return stream(self.environ, self, self.body, False)

    def close(self) -> None:
        """Close the application's body, exactly once."""
        body, self.body = self.body, ()
        close(self.environ, self, body)

    # -- what leaves ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Hand status and headers to the server, once.

        What the server raises (it validates headers) leaves as it came: it has been told a start, so a second
        one, for our page, can't be relied on.
        """
        if self.is_sent:
            return
        status = self.status
        if status is None:
            raise AssertionError("the application gave a body before it called start_response")
        headers = self.headers
        try:
            is_error = status >= "4"
        except TypeError:
            raise TypeError(f"the status given to start_response is {type(status).__name__}, not str") from None
        if is_error:
            headers = self._marked(status, headers)
        self.is_sent = True
        self.server_write = self.server_start(status, headers)

    def _marked(self, status: str, headers: Headers) -> Headers:
        """Return the headers of an answer with an error status, with the request's error id if it has one."""
        environ = self.environ
        try:
            intake = self.binding.intake
            if status.startswith("5") and _has_error_id(headers):
                return headers  # an inner middleware of ours has reported it, in an environ of its own
            error_id = intake.answer(status, environ)
            return _with_error_id(headers, error_id) if error_id and status.startswith("5") else headers
        except Exception as fault:  # noqa: BLE001 - an answer leaves as it is, whatever happens to its report
            complain("wsgi", f"an answer with status {status[:3]} could not be reported", fault)
            return headers

    # -- what fails ----------------------------------------------------------------------------------------

    def notice(self, fault: BaseException, phase: str) -> str | None:
        """Report an exception, and return its error id; None if it is not to be reported.

        ``phase`` is where it came out: an exception that comes out of the body and again out of ``close()`` is one.
        SystemExit, KeyboardInterrupt, GeneratorExit and their like are no errors, but for a worker's timeout.
        """
        if not is_error(fault) and not is_worker_timeout(fault):
            return None
        if issubclass(type(fault), StopIteration) and self._is_upgrade():
            return None  # how websocket libraries tell gunicorn that they are done with the connection
        binding = self.binding
        try:
            error_id = binding.intake.exception(
                fault, kind="traceback", via=f"{binding.name}.{phase}", environ=self.environ
            )
            if error_id is not None:
                binding.intake.announce(error_id, self.environ)
            return error_id
        except Exception as own:  # noqa: BLE001 - the application's exception wins over ours
            complain("wsgi", "an exception could not be reported", own)
            return None

    def failed(self, fault: BaseException, phase: str) -> list[bytes] | None:
        """Report what the application raised; return our page, begun, or None: it must be raised again.

        What intake does not report (a client that has gone, an ignored class) is not ours to answer either. The
        server is then told what was held back: without us it would know by now, and some send it.
        """
        error_id = self.notice(fault, phase)
        if self.is_sent:
            return None
        page = self._page(fault, error_id) if error_id is not None else None
        if page is None and not self.is_sent and self.status is not None:
            with suppress(Exception):
                self.begin()
        return page

    def _is_answered(self, fault: BaseException) -> bool:
        # An upgraded connection's socket may speak another protocol by now.
        return is_error(fault) and not self._is_upgrade() and not self.binding.propagates()

    def _page(self, fault: BaseException, error_id: str) -> list[bytes] | None:
        try:
            if not self._is_answered(fault):
                return None
            status, headers, body = self.binding.intake.page(self.environ, error_id)
            self.is_sent = True
            self.server_write = self.server_start(status, _with_error_id(headers, error_id))
            return [] if environ_text(self.environ, "REQUEST_METHOD") == "HEAD" else [body]
        except Exception as own:  # noqa: BLE001 - the application's exception wins over ours
            complain("wsgi", "the 500 page could not be sent", own)
            return None

    def _is_upgrade(self) -> bool:
        return environ_text(self.environ, "HTTP_UPGRADE").lower() == "websocket"


def observer(binding: Binding, environ: Environ) -> Exchange:
    """Return an exchange that only reports, for a framework that settles by itself what is sent."""
    exchange = Exchange()
    exchange.binding, exchange.environ = binding, environ
    exchange.status, exchange.is_sent = None, True
    return exchange


def _with_error_id(headers: Headers, error_id: str) -> Headers:
    """Return a copy with ``X-Error-Id``, unless a framework's integration has put it there."""
    if _has_error_id(headers):
        return headers
    return [*headers, (ERROR_ID_HEADER, error_id)]


def _has_error_id(headers: Headers) -> bool:
    return any(name.lower() == _HEADER for name, _ in headers)
