"""Quart: an application and an intake go in; the same application leaves, reporting by its documented signals.

`got_request_exception` tells what Quart turns into a 500 itself, `request_finished` gives the answer its error id and,
where it is the default one, our page. Websockets and background tasks have signals of their own. What goes past them
(streamed bodies, teardown, the lifespan) meets the ASGI layer, which is put around ``app.asgi_app``.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from quart import (
    got_request_exception,
    got_websocket_exception,
    has_request_context,
    has_websocket_context,
    request,
    request_finished,
)
from quart import websocket as current_websocket
from quart.signals import got_background_exception, websocket_finished
from werkzeug.exceptions import HTTPException, InternalServerError

from tocsin.capture.scopes import environ_of
from tocsin.complaints import complain
from tocsin.event.environ import ENDPOINT, ROUTE
from tocsin.event.error_id import ERROR_ID_HEADER
from tocsin.integrations.answer import HANDLED, put_headers
from tocsin.integrations.asgi import guard
from tocsin.integrations.binding import Binding
from tocsin.integrations.echo import settle_echo

if TYPE_CHECKING:
    from quart import Quart, Response

    from tocsin.intake import Intake

__all__ = ["install"]

_EXTENSION: Final = "tocsin"
_AGAIN: Final = "Request finalizing errored"


def install(app: Quart, intake: Intake) -> Quart:
    """Make a Quart application report to ``intake``; the same object comes back.

    Installing again only binds it to the intake given last. Outside production nothing is connected.
    """
    bound = app.extensions.get(_EXTENSION)
    if bound is not None:
        bound.intake = intake
    elif intake.settings.mode == "production":
        _hook(app)
        app.extensions[_EXTENSION] = binding = Binding(intake, propagates=lambda: _propagates(app))
        app.asgi_app = guard(app.asgi_app, binding)  # type: ignore[method-assign,arg-type,assignment]
    return app


def _hook(app: Quart) -> None:
    app.before_request(_describe_request)
    app.before_websocket(_describe_websocket)
    got_request_exception.connect(_on_exception, app)
    got_websocket_exception.connect(_on_exception, app)
    got_background_exception.connect(_on_background_exception, app)
    request_finished.connect(_on_answer, app)
    websocket_finished.connect(_on_end, app)
    app.handle_user_exception = _remembering(app.handle_user_exception)  # type: ignore[method-assign,assignment]
    logger = logging.getLogger(app.name)  # not `app.logger`, which would be given its handler too early
    if _settle not in logger.filters:
        logger.addFilter(_settle)


def _remembering(handle: Callable[[Exception], Awaitable[Any]]) -> Callable[[Exception], Awaitable[Any]]:
    """Return Quart's `handle_user_exception` with a memory: a handler of the application may make it a 500.

    No signal tells of an exception that an `errorhandler(Exception)` took; the answer's status says whether it was a
    fault. Put on the application itself, as Quart's documentation does with `asgi_app`.
    """

    async def handle_user_exception(error: Exception) -> Any:
        answer = await handle(error)  # raises what no handler takes
        if not isinstance(error, HTTPException):
            _scope_of(_connection())[HANDLED] = error
        return answer

    return handle_user_exception


def _settle(record: logging.LogRecord) -> bool:
    """Take Quart's record of an ``after_request`` that fails again, on the answer to its own failure, for told."""
    if type(record.msg) is str and record.msg == _AGAIN and (has_request_context() or has_websocket_context()):
        settle_echo(record, environ_of(_scope_of(_connection())))
    return True


async def _describe_request() -> None:
    """Put route template and endpoint into the scope, where every capture of this request finds them."""
    _describe(request)


async def _describe_websocket() -> None:
    _describe(current_websocket)


def _describe(connection: Any) -> None:
    rule = connection.url_rule
    if rule is not None:
        scope = _scope_of(connection)
        scope[ROUTE] = rule.rule
        scope[ENDPOINT] = rule.endpoint


def _connection() -> Any:
    return request if has_request_context() else current_websocket


def _scope_of(connection: Any) -> dict[str, Any]:
    scope: dict[str, Any] = connection.scope
    return scope


def _propagates(app: Quart) -> bool:
    """Tell whether Quart lets exceptions through, by the rule of its documentation (PROPAGATE_EXCEPTIONS)."""
    said = app.config["PROPAGATE_EXCEPTIONS"]
    return bool(app.testing or app.debug) if said is None else bool(said)


# -- receivers are coroutines, since Quart runs any others in a thread -----------------------------------------


async def _on_exception(app: Quart, exception: Exception, **_: Any) -> None:
    """Capture what Quart is about to log and to answer with a 500, or with the close of a websocket."""
    try:
        connection = _connection()
        _describe(connection)  # what ran before our hook may have failed
        environ = environ_of(_scope_of(connection))
        app.extensions[_EXTENSION].intake.exception(exception, kind="traceback", via="quart", environ=environ)
    except Exception as own:  # noqa: BLE001 - the application's exception wins over ours
        complain("quart", "an exception could not be reported", own)


async def _on_background_exception(app: Quart, exception: Exception, **_: Any) -> None:
    """Capture what a background task raised; its context is that of the request that started it."""
    try:
        app.extensions[_EXTENSION].intake.exception(exception, kind="traceback", via="quart.background")
    except Exception as own:  # noqa: BLE001 - the application's exception wins over ours
        complain("quart", "an exception of a background task could not be reported", own)


async def _on_answer(app: Quart, response: Response, **_: Any) -> None:
    """Look at an error answer before it leaves; of any other, only at its status."""
    if response.status_code < 500:
        return
    try:
        environ = environ_of(_scope_of(request))
        intake = app.extensions[_EXTENSION].intake
        _report_handled(request, intake, environ)
        await _mark(response, intake, environ)
    except Exception as own:  # noqa: BLE001 - the answer leaves as it is, whatever happens to its report
        complain("quart", "an answer could not be marked with its error id", own)


async def _on_end(app: Quart, response: Response | None = None, **_: Any) -> None:
    """Look at what a websocket's handler returned: of an answer of 500 the client sees no more than a close."""
    if response is None or response.status_code < 500:
        return
    try:
        environ = environ_of(_scope_of(current_websocket))
        _report_handled(current_websocket, app.extensions[_EXTENSION].intake, environ)
    except Exception as own:  # noqa: BLE001 - the close is sent, whatever happens to its report
        complain("quart", "a websocket's exception could not be reported", own)


def _report_handled(connection: Any, intake: Intake, environ: dict[str, Any]) -> None:
    handled = _scope_of(connection).pop(HANDLED, None)
    if handled is not None:
        _describe(connection)
        intake.exception(handled, kind="traceback", via="quart", environ=environ)


async def _mark(response: Response, intake: Intake, environ: dict[str, Any]) -> None:
    """Give an answer its error id, and our page in place of the default one."""
    error_id = intake.answer(response.status, environ)
    if not error_id:
        return
    response.headers[ERROR_ID_HEADER] = error_id
    if await _is_default_page(response):
        _, headers, body = intake.page(environ, error_id)
        response.set_data(body)
        put_headers(headers, response.headers.__setitem__, response.vary.add)


async def _is_default_page(response: Response) -> bool:
    """Tell whether the body is the one Werkzeug makes for a 500 that nobody wrote a page for.

    Its length is compared first: a body is only read when that says that it is no stream of somebody's own. Quart
    leaves the page in a response of Werkzeug's, which is read without waiting.
    """
    default = InternalServerError().get_body().encode()
    if response.status_code != 500 or response.mimetype != "text/html" or response.content_length != len(default):
        return False
    body: Any = response.get_data(as_text=False)
    return bool((await body if inspect.isawaitable(body) else body) == default)
