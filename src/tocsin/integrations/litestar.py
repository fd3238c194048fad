"""Litestar: an application and an intake go in; the same application leaves, reporting by its hooks and handlers.

The ASGI layer is put around ``app.asgi_handler``; Litestar sends what it makes of an exception while handling it, so
that layer sees both. Only what becomes the close of a websocket needs the hook ``after_exception``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from litestar import Response
from litestar.exceptions import HTTPException, WebSocketException
from litestar.exceptions.responses import create_exception_response

from tocsin.capture.scopes import environ_of
from tocsin.complaints import complain
from tocsin.event.environ import ENDPOINT, ROUTE
from tocsin.event.errors import ConfigError
from tocsin.integrations.asgi import guard
from tocsin.integrations.asgi.exchange import PASSED, report
from tocsin.integrations.asgi.user import fill_in_user
from tocsin.integrations.binding import BINDING, Binding

if TYPE_CHECKING:
    from litestar import Litestar, Request

    from tocsin.intake import Intake

__all__ = ["install"]

_UNCAUGHT: Final = "Uncaught exception (connection_type="


def install(app: Litestar, intake: Intake) -> Litestar:
    """Make a Litestar application report to ``intake``; the same object comes back.

    Installing again only binds it to the intake given last. Outside production nothing is done. Raises ConfigError for
    a version of Litestar that works otherwise.
    """
    handler = getattr(app, "asgi_handler", None)
    bound = getattr(handler, BINDING, None)
    if bound is not None:
        bound.intake = intake
        _attend(app, intake)
    elif intake.settings.mode == "production":
        if handler is None:
            raise ConfigError("install(Litestar): needs Litestar 2; write app = reporter.asgi(app) instead")
        _hook(app, Binding(intake))
        _attend(app, intake)
    return app


def _attend(app: Litestar, intake: Intake) -> None:
    intake.add_describer(_describe)
    logger = app.logger
    if (
        isinstance(logger, logging.Logger) and _leave_out not in logger.filters
    ):  # picologging's is none, nor structlog's
        logger.addFilter(_leave_out)
        intake.on_close(lambda: logger.removeFilter(_leave_out))


def _leave_out(record: logging.LogRecord) -> bool:
    """Mark the record of an exception that Litestar logs, by its ``log_exceptions``, before it answers it.

    It logs those that are answers too. What is a fault comes in by the answer, with the same exception.
    """
    if type(record.msg) is str and record.msg.startswith(_UNCAUGHT):
        record.__dict__["tocsin_skip"] = True
    return True


def _hook(app: Litestar, binding: Binding) -> None:
    async def noted(exc: Exception, scope: Any) -> None:
        if scope["type"] == "http":
            scope[PASSED] = exc  # for where the answer to it is sent from elsewhere
        elif not isinstance(exc, (WebSocketException, HTTPException)):
            report(binding, exc, scope, "hook")

    def page(request: Request[Any, Any, Any], exc: Exception) -> Response[Any]:
        return _page(binding, request, exc)

    app.after_exception.append(noted)
    if not app.debug:  # where Litestar shows its own
        app.exception_handlers.setdefault(500, page)
    app.asgi_handler = guard(app.asgi_handler, binding)  # type: ignore[arg-type,assignment]


def _page(binding: Binding, request: Request[Any, Any, Any], exc: Exception) -> Response[Any]:
    """Be the handler of 500: our page for what nobody handles. What was raised to be a 500 has words of its own."""
    if isinstance(exc, HTTPException):
        return create_exception_response(request, exc)
    scope: Any = request.scope
    error_id = report(binding, exc, scope, "page")
    if error_id is not None:
        try:
            _, headers, body = binding.intake.page(environ_of(scope), error_id)
            said = dict(headers)
            media_type, _, _ = said.pop("Content-Type").partition(";")  # Litestar says the charset itself
            return Response(body, status_code=500, media_type=media_type, headers=said)
        except Exception as own:  # noqa: BLE001 - Litestar's page then
            complain("litestar", "the 500 page could not be made", own)
    return create_exception_response(request, exc)


def _describe(environ: dict[str, Any]) -> None:
    """Fill in the template of the path, the function that handles it, and who is logged in."""
    scope = fill_in_user(environ)
    if scope is None:
        return
    template = scope.get("path_template")
    if not template and not scope.get("path_params") and "route_handler" in scope:
        template = scope.get("path")  # older versions leave none where there is nothing to fill in
    if type(template) is str and ROUTE not in scope:
        environ[ROUTE] = template
    handler = scope.get("route_handler")
    if handler is not None and ENDPOINT not in scope:
        environ[ENDPOINT] = str(handler)  # module and name of its function, says Litestar
