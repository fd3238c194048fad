"""WSGI: an application and an intake go in, an application leaves that reports what breaks in it. A perfect guest.

Nothing of an answer changes but that a failure before its start becomes the 500 page, and that errors carry
``X-Error-Id``. Status and headers are held back until the body begins; `Exchange` is where that is done.
"""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING, Any

from tocsin.capture.requests import MIDDLEWARE_CODES
from tocsin.integrations.binding import BINDING, Binding
from tocsin.integrations.interface import require_wsgi
from tocsin.integrations.wsgi.body import CODES, SizedBody, dismiss, stream
from tocsin.integrations.wsgi.exchange import Environ, Exchange

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication

    from tocsin.intake import Intake

__all__ = ["guard", "wsgi"]


def wsgi(app: WSGIApplication, intake: Intake) -> WSGIApplication:
    """Return ``app`` wrapped, by the mode of the intake's settings.

    In production errors are reported and answered. Debug mode catches nothing: the application comes back as
    it is, behind Werkzeug's debugger if the setting ``debugger`` asks for it (ConfigError when Werkzeug is
    missing). In mode off it comes back as it is. An application that is wrapped already comes back unchanged, bound to
    ``intake`` from now on. Raises ConfigError for what is no WSGI application.
    """
    bound = getattr(app, BINDING, None)
    if bound is not None:
        bound.intake = intake
        return app
    require_wsgi(app)
    settings = intake.settings
    if settings.mode == "production":
        return guard(app, Binding(intake))
    if settings.mode == "debug" and settings.debugger:
        from tocsin.integrations.wsgi.debugger import debugger

        return debugger(app)
    return app


def guard(app: WSGIApplication, binding: Binding) -> WSGIApplication:
    """Return a callable that calls ``app`` and reports to the binding's intake whatever the mode is.

    Written at length within one function, since each call of another would cost a tenth of what there is to cost; the
    figures are in docs/explanation/performance.md.
    """

    def guest(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        # `environ` must stay a plain local of this frame: capture finds the request by it.
        if binding.intake.is_asleep:
            binding.intake.wake()  # delivery starts with a process's first request, not before its forks
        exchange = Exchange()
        exchange.binding = binding
        exchange.environ = environ
        exchange.server_start = start_response
        exchange.status = None
        exchange.is_sent = False
        body: Any = None
        try:
            body = app(environ, exchange.start)
            kind = type(body)
            if kind is list:  # what nearly every application returns, decided first
                status: Any = exchange.status
                if type(status) is str and status < "4" and not exchange.is_sent:  # as `begin` does, without its call
                    exchange.is_sent = True
                    exchange.server_write = start_response(status, exchange.headers)
                elif status is not None or any(body):
                    exchange.begin()  # without either: how websocket handlers of servers take their leave
                return body  # type: ignore[no-any-return]
            if kind is GeneratorType:
                return stream(environ, exchange, body, True)
            if kind is tuple or kind is bytes:
                if exchange.status is not None or any(body):
                    exchange.begin()
                return body  # type: ignore[no-any-return]
            if _is_file(body, environ):
                exchange.begin()
                return body  # type: ignore[no-any-return]
            exchange.body = body
            return SizedBody(exchange) if hasattr(body, "__len__") else exchange  # asked as servers ask
        except BaseException as fault:
            page = exchange.failed(fault, "call")
            if body is not None:  # the server never gets to see it
                dismiss(environ, exchange, body, is_answered=page is not None)
            if page is None:
                raise
            return page

    for code in (guest.__code__, *CODES):
        MIDDLEWARE_CODES[id(code)] = code
    wrapped: WSGIApplication = guest
    if binding.intake.deaths is not None:
        from tocsin.integrations.in_flight import noted_wsgi  # only for those who asked for it

        wrapped = noted_wsgi(guest, binding)
    wrapped.__dict__[BINDING] = binding
    return wrapped


def _is_file(body: Any, environ: Environ) -> bool:
    """Tell whether a body is a file for the server's sendfile, which must reach it as the very object it is.

    uWSGI's ``wsgi.file_wrapper`` is a function that returns the file itself and compares identity, so there
    anything that reads may be such a file.
    """
    wrapper = environ.get("wsgi.file_wrapper")
    if wrapper is None:
        return False
    if isinstance(wrapper, type):
        return isinstance(body, wrapper)
    return hasattr(body, "read") or hasattr(body, "fileno")
