"""aiohttp.web: an application and an intake go in, the same application leaves, reporting by two middlewares.

The outermost answers what nobody did and looks at error answers; the innermost remembers what a middleware of the
application then makes an answer of. A request of aiohttp runs in a task of its own, whose context names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiohttp import web

from tocsin.capture.scopes import ENVIRON, SCOPE, environ_of
from tocsin.complaints import complain
from tocsin.event.environ import ROUTE
from tocsin.event.error_id import ERROR_ID_HEADER
from tocsin.event.errors import ConfigError
from tocsin.integrations.answer import HANDLED
from tocsin.integrations.binding import Binding
from tocsin.integrations.wsgi.exchange import Environ, observer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Handler, Middleware

    from tocsin.intake import Intake

__all__ = ["install"]

_BINDING: Final = web.AppKey("tocsin_binding", Binding)
_SAID: Final = "tocsin.aiohttp"  # key of a scope and of an environ that is not filled in yet
# Method, URL, headers, client, scheme, route: not the request itself, which tasks that outlive it would keep.
_Said: TypeAlias = tuple[str, Any, Any, "str | None", str, Any]


def install(app: web.Application, intake: Intake) -> web.Application:
    """Make an aiohttp application report to ``intake``; the same object comes back.

    Its sub-applications are part of it. Installing again only binds it to the intake given last. Outside production
    nothing is connected. Raises ConfigError for an application that has started, or is part of another one.
    """
    if intake.settings.mode != "production":
        return app
    bound = app.get(_BINDING)
    if bound is not None:
        bound.intake = intake
    elif app.middlewares.frozen:
        raise ConfigError("install() takes an aiohttp application before it starts, or is added to another application")
    else:
        binding = app[_BINDING] = Binding(intake)
        if app.middlewares:  # without any, nobody within takes an exception (0.7 µs a request)
            app.middlewares.append(_remember)
        app.middlewares.insert(0, _outermost(binding))
    intake.add_describer(_fill)
    return app


def _outermost(binding: Binding) -> Middleware:
    called: Any = None
    if binding.intake.deaths is not None:
        from tocsin.integrations.in_flight import noted_handler  # only for those who asked for it

        called = noted_handler(_call, binding.intake, lambda environ: (environ, *_asked(environ)))

    @web.middleware
    async def tocsin_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if binding.intake.is_asleep:
            binding.intake.wake()  # delivery starts with a process's first request, not before its forks
        scope = SCOPE.get()
        if scope is not None and _is_same(scope, request):
            return await handler(request)  # this is a sub-application, installed as well
        said = _said(request)
        environ: Environ = {_SAID: said}
        # Not reset: what aiohttp logs of the request comes later, and the context ends with the request's task.
        SCOPE.set({ENVIRON: environ, _SAID: said})
        try:
            response = await (handler(request) if called is None else called(environ, request, handler))
        except web.HTTPException as answer:
            _look(binding, environ, answer)
            raise
        except BaseException as fault:
            environ.pop(HANDLED, None)
            page = _failed(binding, environ, request, fault)
            if page is None:
                raise
            return page
        if issubclass(type(response), web.StreamResponse) and response.status >= 400:
            _look(binding, environ, response)
        environ.pop(HANDLED, None)  # it refers to frames that refer to environ
        return response

    return tocsin_middleware


async def _call(environ: Environ, request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


def _asked(environ: Environ) -> tuple[str, str]:
    method, url, *_ = environ[_SAID]
    return method, url.path


@web.middleware
async def _remember(request: web.Request, handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as fault:
        scope = SCOPE.get()
        if scope is not None:
            scope[ENVIRON][HANDLED] = fault
        raise


def _said(request: web.Request) -> _Said:
    return (
        request.method, request.rel_url, request.raw_headers, request.remote, request.scheme, request.match_info.route,
    )  # fmt: skip


def _is_same(scope: dict[str, Any], request: web.Request) -> bool:
    said = scope.get(_SAID)
    return said is not None and said[2] is request.raw_headers


def _fill(environ: Any) -> None:
    """Make an environ of what was noted of a request, once something is reported of it."""
    said: _Said | None = environ.pop(_SAID, None)
    if said is None:
        return
    method, url, headers, client, scheme, route = said
    scope = {
        "method": method,
        "path": url.path,
        "query_string": url.raw_query_string,
        "headers": headers,
        "client": (client or "", 0),
        "scheme": scheme,
        "endpoint": route.handler,
    }
    if route.resource is not None:
        scope[ROUTE] = route.resource.canonical
    for key, value in environ_of(scope).items():
        environ.setdefault(key, value)


def _failed(
    binding: Binding, environ: Environ, request: web.Request, fault: BaseException
) -> web.StreamResponse | None:
    """Report what nobody answered; return our answer, or None: it must be raised again."""
    try:
        if issubclass(type(fault), ConnectionError) and fault is request.content.exception():
            # The client left while its body was read. Raised again, aiohttp would log it as an error.
            return _closing(web.Response(status=500))
        error_id = _notice(binding, environ, fault)
        if error_id is None or not issubclass(type(fault), Exception) or request.writer.output_size > 0:
            return None
        if issubclass(type(fault), TimeoutError):  # aiohttp's answer, under its log line of an error without a cause
            return _closing(web.Response(status=504, content_type="text/plain", headers={ERROR_ID_HEADER: error_id}))
        _, headers, body = binding.intake.page(environ, error_id)
        return _closing(web.Response(status=500, body=body, headers=headers))
    except Exception as own:  # noqa: BLE001 - the application's exception wins over ours
        complain("aiohttp", "the 500 page could not be made", own)
        return None


def _closing(answer: web.Response) -> web.Response:
    """Have the connection closed after an answer, as aiohttp does: the request's body may wait unread."""
    answer.force_close()
    return answer


def _look(binding: Binding, environ: Environ, response: web.StreamResponse) -> None:
    """Look at an answer with an error status; an exception may have become it in a middleware."""
    fault = environ.pop(HANDLED, None)
    try:
        status = response.status
        if status < 400:
            return
        if status >= 500 and fault is not None:
            _notice(binding, environ, fault)
        if str(status) in binding.intake.watched_statuses:
            _fill(environ)
        error_id = binding.intake.answer(f"{status} {response.reason}", environ)
        if error_id and status >= 500 and not response.prepared:
            response.headers[ERROR_ID_HEADER] = error_id
    except Exception as own:  # noqa: BLE001 - the answer leaves as it is, whatever happens to its report
        complain("aiohttp", "an answer could not be looked at", own)


def _notice(binding: Binding, environ: Environ, fault: BaseException) -> str | None:
    _fill(environ)
    return observer(binding, environ).notice(fault, "handler")
