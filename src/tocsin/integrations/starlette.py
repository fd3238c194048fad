"""Starlette and FastAPI: an application and an intake go in; the same application leaves, reporting.

All is put around the application while Starlette builds its stack of middleware, just before the first request: the
ASGI layer outermost, so that nothing fails past it and whatever leaves with a 5xx carries the error id; our page,
where nobody wrote a handler for 500; and two observers of what Starlette and its middleware turn into an answer. What
is set is one attribute of the application itself, as Flask's and Quart's documentation do with ``wsgi_app`` and
``asgi_app``. By the documented `add_middleware` alone, handlers registered after the installation would send their
pages past us.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount

from tocsin.capture.scopes import Scope, environ_of
from tocsin.complaints import complain
from tocsin.event.environ import ROUTE
from tocsin.event.errors import ConfigError
from tocsin.integrations.asgi import guard
from tocsin.integrations.asgi.exchange import PASSED, RERAISED, Message, report
from tocsin.integrations.asgi.faults import fault_behind
from tocsin.integrations.asgi.user import fill_in_user
from tocsin.integrations.binding import BINDING, Binding

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request

    from tocsin.intake import Intake

__all__ = ["install"]


App = Callable[..., Awaitable[Any]]
Handler = Callable[..., Any]


def install(app: Starlette, intake: Intake) -> Starlette:
    """Make a Starlette or FastAPI application report to ``intake``; the same object comes back.

    Installing again only binds it to the intake given last. Outside production nothing is done. Raises ConfigError when
    the application has started already.
    """
    bound = getattr(app.build_middleware_stack, BINDING, None)
    if bound is not None:
        bound.intake = intake
        intake.add_describer(_describe)
    elif intake.settings.mode == "production":
        if app.middleware_stack is not None:
            raise ConfigError(
                f"install({type(app).__name__}): the application has started already; "
                "install where it is made, not in its lifespan or in a request"
            )
        _hook(app, Binding(intake, is_reraised=True))
        intake.add_describer(_describe)
    return app


def _hook(app: Starlette, binding: Binding) -> None:
    build = app.build_middleware_stack

    def build_middleware_stack() -> Any:
        """Build the stack with our additions, and leave the application's own lists as they were."""
        handlers, middleware = app.exception_handlers, app.user_middleware
        app.exception_handlers = _with_ours(handlers, app.debug, binding)
        if middleware:
            app.user_middleware = [*middleware, Middleware(_remembering, binding)]
        try:
            stack = build()
        finally:
            app.exception_handlers, app.user_middleware = handlers, middleware
        return guard(stack, binding)  # type: ignore[arg-type] # Starlette's name for the same

    build_middleware_stack.__dict__[BINDING] = binding
    app.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]


# -- what is put into the stack --------------------------------------------------------------------------------


def _remembering(app: App, binding: Binding) -> App:
    """Return the innermost middleware, which remembers the exception that passes it, or that an answer was made of.

    A middleware around it may answer in place of that exception, and where it is a ``BaseHTTPMiddleware``, which sends
    answers from a task of its own, nothing tells of the exception any more by then. What comes after the start of an
    answer is no answer's matter; older versions of that middleware lose it.
    """

    async def remembering(scope: Scope, receive: Any, send: Any) -> None:
        is_started = False

        def noting(message: Message) -> Awaitable[None]:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                fault = sys.exc_info()[1] if message["status"] >= 500 else None
                if fault is not None:
                    scope[PASSED] = fault
            answer: Awaitable[None] = send(message)
            return answer

        try:
            await app(scope, receive, noting)
        except Exception as fault:
            if is_started:
                report(binding, fault, scope, "late", is_raised=True)
            else:
                scope[PASSED] = fault
            raise

    return remembering


def _with_ours(handlers: Any, is_debug: bool, binding: Binding) -> dict[Any, Handler]:
    """Return the exception handlers, watched, and our page where there is none for 500.

    Those for 500 send their answer while the exception is still being handled, so the ASGI layer sees it. In debug mode
    Starlette shows its own page.
    """
    ours = {key: _watched(key, handler, binding) for key, handler in handlers.items()}
    if not is_debug and 500 not in ours and Exception not in ours:
        ours[Exception] = functools.partial(_page, binding)
    return ours


def _watched(key: Any, handler: Handler, binding: Binding) -> Handler:
    """Return a handler that reports the exception it was given if it makes it an answer of 500 or above.

    Seen by the ASGI layer too, but not where a ``BaseHTTPMiddleware`` runs the application in another task.
    """
    if _is_async(handler):

        @functools.wraps(handler)
        async def handle_async(connection: Any, exc: Exception) -> Any:
            answer = await handler(connection, exc)
            _look(binding, key, connection, exc, answer)
            return answer

        return handle_async

    @functools.wraps(handler)
    def handle(connection: Any, exc: Exception) -> Any:  # Starlette runs it in a thread
        answer = handler(connection, exc)
        _look(binding, key, connection, exc, answer)
        return answer

    return handle


def _is_async(handler: Any) -> bool:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004 - which function it is, not whether


def _look(binding: Binding, key: Any, connection: Any, exc: Exception, answer: Any) -> None:
    if key in (500, Exception):
        connection.scope[RERAISED] = True  # Starlette raises it again for the server; the ASGI layer sees both
    elif isinstance(answer, Response) and answer.status_code >= 500:
        fault = fault_behind(exc, is_watched=str(answer.status_code) in binding.intake.watched_statuses)
        if fault is not None:
            report(binding, fault, connection.scope, "handler")


async def _page(binding: Binding, request: Request, exc: Exception) -> Response:
    """Be the handler of what nobody handles: our page in place of Starlette's, which says as much in one line."""
    scope: Any = request.scope
    error_id = report(binding, exc, scope, "page", is_raised=True)
    if error_id is not None:
        try:
            _, headers, body = binding.intake.page(environ_of(scope), error_id)
            return Response(body, 500, dict(headers))
        except Exception as own:  # noqa: BLE001 - Starlette's page then
            complain("starlette", "the 500 page could not be made", own)
    return PlainTextResponse("Internal Server Error", 500)


# -- what only the framework knows -----------------------------------------------------------------------------


def _describe(environ: dict[str, Any]) -> None:
    """Fill in the whole template of the route, that of mounts and included routers too, and who is logged in."""
    scope = fill_in_user(environ)
    if scope is None:
        return
    template = _template(scope)
    if template and ROUTE not in scope:  # where the application names it itself
        environ[ROUTE] = template


def _template(scope: Scope) -> str:
    """Return what stands before the route by ``root_path``, and the route's own template.

    Of a mount's template only what it matched is left in the scope, so the parameters that are not the route's are put
    back where their values stand.
    """
    route = scope.get("route")
    own = "" if issubclass(type(route), Mount) else _own_template(scope, route)
    root: str = scope.get("root_path", "")
    outermost: str = scope.get("app_root_path", root)  # set by the first mount
    segments = root[len(outermost) :].split("/")
    for name, value in scope.get("path_params", {}).items():
        is_own = f"{{{name}}}" in own or f"{{{name}:" in own
        if not is_own and type(value) in (str, int) and str(value) in segments:
            segments[segments.index(str(value))] = f"{{{name}}}"
    return "/".join(segments) + own


def _own_template(scope: Scope, route: Any) -> str:
    """Return the template of a route, with the prefixes of the routers that FastAPI includes.

    Newer versions of FastAPI keep them apart from the route, and leave what they amount to in the scope. Where a route
    is not in the scope (older versions of Starlette, and of FastAPI for routes of Starlette's), its endpoint is.
    """
    included = scope.get("fastapi")
    effective = included.get("effective_route_context") if type(included) is dict else None
    if effective is not None and getattr(effective, "original_route", None) is route:
        return _path_of(effective)
    if route is None:
        route = _with_endpoint(scope)
    return _path_of(route)


def _path_of(route: Any) -> str:
    path = getattr(route, "path", None)
    return path if type(path) is str else ""


def _with_endpoint(scope: Scope) -> Any:
    """Return the route that leads to the endpoint in the scope, of all that do the one whose pattern the path fits."""
    endpoint, root = scope.get("endpoint"), scope.get("root_path", "")
    rest = scope["path"].removeprefix(root)
    waiting = list(getattr(scope.get("app"), "routes", ()))
    for route in waiting:
        if endpoint is not None and getattr(route, "endpoint", None) is endpoint and route.path_regex.match(rest):
            return route
        waiting.extend(getattr(route, "routes", ()))  # of a mount, or a host's
    return None
