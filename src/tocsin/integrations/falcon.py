"""Falcon: an application (WSGI or ASGI) and an intake go in, the same application leaves, reporting.

A middleware names the request and looks at its answer; a handler of `Exception` makes our page where the application
has none; the error reporter, of Falcon 4.4, tells what handlers of the application took.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import falcon
from falcon.inspect import inspect_error_handlers

from tocsin.capture import anatomy
from tocsin.capture.requests import MIDDLEWARE_CODES
from tocsin.capture.scopes import ENVIRON, SCOPE, environ_of
from tocsin.complaints import complain
from tocsin.event.environ import ENDPOINT, ROUTE
from tocsin.event.environ import text as environ_text
from tocsin.event.error_id import ERROR_ID_HEADER
from tocsin.event.typename import type_name
from tocsin.integrations.answer import HANDLED, put_headers
from tocsin.integrations.binding import Binding
from tocsin.integrations.wsgi.body import CODES, stream
from tocsin.integrations.wsgi.exchange import Environ, Exchange, observer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tocsin.intake import Intake

    App: TypeAlias = Any  # a `falcon.App` or, derived from it, a `falcon.asgi.App`

__all__ = ["install"]

_MATCHED: Final = "tocsin.falcon"  # what was routed to: template and resource
_ANSWER: Final = "tocsin.answer"  # the response that is being made
_TOKEN: Final = "tocsin.scope"

# By id; an application of Falcon has neither room for an attribute nor weak references. One entry per application.
_installed: Final[dict[int, tuple[Any, Binding]]] = {}


def install(app: App, intake: Intake) -> App:
    """Make a Falcon application report to ``intake``; the same object comes back.

    Installing again only binds it to the intake given last. Outside production nothing is connected. Handlers and an
    error reporter of the application's own stay what they are; a reporter that is set later takes our place.
    """
    if intake.settings.mode != "production":
        return app
    known = _installed.get(id(app))
    if known is not None:
        known[1].intake = intake
    else:
        binding = Binding(intake)
        _installed[id(app)] = (app, binding)
        guest: Any = _AsgiGuest(app, binding) if _speaks_asgi(app) else _WsgiGuest(app, binding)
        app.add_middleware(guest)
        if any(handler.error == "Exception" and handler.internal for handler in inspect_error_handlers(app)):
            app.add_error_handler(Exception, guest.handle)
        if hasattr(app, "set_error_reporter"):
            app.set_error_reporter(guest.told)
    intake.add_describer(_describe)
    return app


def _speaks_asgi(app: App) -> bool:
    asgi = sys.modules.get("falcon.asgi")
    return asgi is not None and isinstance(app, asgi.App)


class _Guest:
    """What both interfaces have in common. A request's notes are kept in its environ or its scope: `_notes`."""

    def __init__(self, app: App, binding: Binding) -> None:
        self.app = app
        self.binding = binding
        # Falcon has one reporter, and says by no public name which.
        self.others: Callable[..., None] | None = getattr(app, "_report_error", None)
        for code in CODES:
            MIDDLEWARE_CODES[id(code)] = code

    def _notes(self, req: Any) -> dict[str, Any]:
        raise NotImplementedError

    def _environ(self, req: Any) -> Environ:
        raise NotImplementedError

    # -- what is reported ----------------------------------------------------------------------------------

    def told(self, req: Any, error: Exception, params: dict[str, Any], handled: bool) -> None:
        """Be Falcon's error reporter. What was handled is a fault if the answer to it is one."""
        try:
            self._take(req, error, handled)
        except Exception as own:  # noqa: BLE001 - Falcon leaves undefined what a reporter that raises does
            complain("falcon", "an exception could not be reported", own)
        if self.others is not None:
            self.others(req, error, params, handled)

    def _take(self, req: Any, error: Exception, handled: bool) -> None:
        if issubclass(type(error), (falcon.HTTPError, falcon.HTTPStatus)):
            return
        notes = self._notes(req)
        if not handled:
            self._notice(req, error, "reporter")
            _leave(notes)  # it leaves Falcon, past `process_response`
            return
        if _ANSWER not in notes:
            notes[HANDLED] = error
            return
        resp = notes[_ANSWER]  # None for a websocket: what is handled there, nobody tells how
        if resp is not None and resp.status_code >= 500:
            error_id = self._notice(req, error, "reporter")
            if error_id is not None:
                resp.set_header(ERROR_ID_HEADER, error_id)

    def _notice(self, req: Any, fault: BaseException, phase: str) -> str | None:
        return self._exchange(req).notice(fault, phase)

    def _exchange(self, req: Any) -> Exchange:
        return observer(self.binding, self._environ(req))

    # -- what is answered ----------------------------------------------------------------------------------

    def _begin(self, req: Any, resp: Any) -> None:
        if self.binding.intake.is_asleep:
            self.binding.intake.wake()  # delivery starts with a process's first request, not before its forks
        self._notes(req)[_ANSWER] = resp

    def _page(self, req: Any, resp: Any, fault: Exception) -> None:
        """Make the answer to what no handler of the application took; Falcon's, where it is not reported."""
        error_id = self._notice(req, fault, "handler")
        if error_id is None:
            raise falcon.HTTPInternalServerError
        _, headers, body = self.binding.intake.page(self._environ(req), error_id)
        resp.status = falcon.HTTP_500
        resp.data = body
        put_headers(headers, resp.set_header, lambda value: resp.append_header("Vary", value))

    def _look(self, req: Any, resp: Any) -> None:
        """Look at an answer that may have an error status."""
        notes = self._notes(req)
        fault, status = notes.pop(HANDLED, None), resp.status_code
        if status < 400:
            return
        if status >= 500 and fault is not None:
            self._notice(req, fault, "reporter")
        environ = self._environ(req)
        error_id = self.binding.intake.answer(falcon.code_to_http_status(resp.status), environ)
        if error_id and status >= 500:
            resp.set_header(ERROR_ID_HEADER, error_id)

    def _end(self, req: Any, resp: Any) -> None:
        _leave(self._notes(req))
        if resp.status != falcon.HTTP_200:
            try:
                self._look(req, resp)
            except Exception as own:  # noqa: BLE001 - the answer leaves as it is, whatever happens to its report
                complain("falcon", "an answer could not be looked at", own)


class _WsgiGuest(_Guest):
    """The middleware and the handler of a `falcon.App`."""

    def _notes(self, req: Any) -> dict[str, Any]:
        env: dict[str, Any] = req.env
        return env

    _environ = _notes

    def process_request(self, req: Any, resp: Any) -> None:
        self._begin(req, resp)
        req.env[_TOKEN] = SCOPE.set({ENVIRON: req.env})

    def process_resource(self, req: Any, resp: Any, resource: object, params: dict[str, Any]) -> None:
        req.env[_MATCHED] = req.uri_template, resource

    def process_response(self, req: Any, resp: Any, resource: object, req_succeeded: bool) -> None:
        self._end(req, resp)
        source = resp.stream
        if source is not None and not hasattr(source, "read"):  # what reads may be a file for the server's sendfile
            resp.stream = stream(req.env, self._exchange(req), source, True)

    def handle(self, req: Any, resp: Any, ex: Exception, params: dict[str, Any]) -> None:
        self._page(req, resp, ex)


class _AsgiGuest(_Guest):
    """The middleware and the handler of a `falcon.asgi.App`."""

    def _notes(self, req: Any) -> dict[str, Any]:
        scope: dict[str, Any] = req.scope
        return scope

    def _environ(self, req: Any) -> Environ:
        environ = environ_of(req.scope)
        matched = req.scope.get(_MATCHED)
        if matched is not None:
            environ[_MATCHED] = matched  # for what is reported once the scope is no longer the present one
        return environ

    async def process_request(self, req: Any, resp: Any) -> None:
        self._begin(req, resp)
        req.scope[_TOKEN] = SCOPE.set(req.scope)

    async def process_resource(self, req: Any, resp: Any, resource: object, params: dict[str, Any]) -> None:
        req.scope[_MATCHED] = req.uri_template, resource

    async def process_response(self, req: Any, resp: Any, resource: object, req_succeeded: bool) -> None:
        self._end(req, resp)
        for name in ("stream", "sse"):
            source = getattr(resp, name)
            if type(source) is AsyncGeneratorType:
                setattr(resp, name, self._watched(req, source))

    async def process_request_ws(self, req: Any, ws: Any) -> None:
        self._begin(req, None)
        SCOPE.set(req.scope)  # until its task ends: no hook tells of the end

    async def process_resource_ws(self, req: Any, ws: Any, resource: object, params: dict[str, Any]) -> None:
        req.scope[_MATCHED] = req.uri_template, resource

    async def handle(self, req: Any, resp: Any, ex: Exception, params: dict[str, Any], ws: Any = None) -> None:
        if ws is None:
            self._page(req, resp, ex)
        else:
            self._notice(req, ex, "handler")
            await ws.close(self.app.ws_options.error_close_code)  # as Falcon does

    async def _watched(self, req: Any, source: AsyncGeneratorType[Any, Any]) -> AsyncIterator[Any]:
        token = SCOPE.set(req.scope)
        try:
            async for chunk in source:
                yield chunk
        except BaseException as fault:
            self._notice(req, fault, "stream")
            raise
        finally:
            await source.aclose()
            with suppress(ValueError):  # closed by the collector, in a context of its own
                SCOPE.reset(token)


def _leave(notes: dict[str, Any]) -> None:
    """Have what comes after in this thread or task belong to no request."""
    token = notes.pop(_TOKEN, None)
    if token is not None:
        with suppress(ValueError):
            SCOPE.reset(token)


def _describe(environ: Any) -> None:
    """Fill in the template of the route, and the resource with the responder of the method, as far as it has one."""
    matched = environ.get(_MATCHED)
    if matched is None:
        scope = SCOPE.get()
        if scope is None or scope.get(ENVIRON) is not environ:
            return
        matched = scope.get(_MATCHED)
    if matched is None:
        return
    template, resource = matched
    environ[ROUTE] = template
    responder = f"on_{environ_text(environ, 'REQUEST_METHOD').lower()}"
    has_it = any(responder in anatomy.namespace(cls) for cls in anatomy.mro(type(resource)))
    environ[ENDPOINT] = type_name(type(resource)) + (f".{responder}" if has_it else "")
