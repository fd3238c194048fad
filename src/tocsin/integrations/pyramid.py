"""Pyramid: a Configurator and an intake go in, the same Configurator leaves, its application reporting by a tween.

The tween is the outermost, so it sees what exception views made of an exception, and answers what nobody did. A second
one, within the exception views, keeps what an exception was raised during.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final

from pyramid.interfaces import ITweens
from pyramid.response import Response
from pyramid.router import Router
from pyramid.settings import aslist
from pyramid.threadlocal import get_current_request
from pyramid.tweens import EXCVIEW

from tocsin.capture.requests import MIDDLEWARE_CODES, find_environ
from tocsin.complaints import complain
from tocsin.event.environ import ENDPOINT, ROUTE
from tocsin.event.error_id import ERROR_ID_HEADER
from tocsin.event.errors import ConfigError
from tocsin.event.typename import type_name
from tocsin.integrations.binding import Binding
from tocsin.integrations.wsgi.body import CODES, stream
from tocsin.integrations.wsgi.exchange import Environ, observer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from pyramid.config import Configurator
    from pyramid.registry import Registry
    from pyramid.request import Request

    from tocsin.intake import Intake

    Handler: TypeAlias = Callable[[Request], Response]

__all__ = ["includeme", "inner_tween_factory", "install", "tween_factory"]

_BINDING: Final = "tocsin_binding"  # key of the registry
_TWEEN: Final = "tocsin.integrations.pyramid.tween_factory"
_INNER: Final = "tocsin.integrations.pyramid.inner_tween_factory"
_RAISED: Final = "tocsin.pyramid"  # environ: an exception, and what it was raised during
_CONTEXT: Final = BaseException.__dict__["__context__"]  # past what the exception's class may define


def includeme(config: Configurator) -> None:
    """Be what ``config.include("tocsin.integrations.pyramid")`` calls; of ``pyramid.includes`` in an ini file too.

    Where `tocsin.setup` was not called before, it is called here, with the path that the application's setting
    ``tocsin.config`` has, else without arguments.
    """
    # By name: what is imported here lies on floors above.
    reporter = import_module("tocsin.reporter").current()
    if reporter is None:
        reporter = import_module("tocsin.bootstrap").setup((config.get_settings() or {}).get("tocsin.config"))
    install(config, reporter.intake)


def install(app: Configurator, intake: Intake) -> Configurator:
    """Make the application that a Configurator will make report to ``intake``; the same object comes back.

    Installing again only binds it to the intake given last. Outside production nothing is connected. Raises ConfigError
    for an application that is made already, and where an explicit list of tweens leaves ours out.
    """
    if isinstance(app, Router):
        raise ConfigError(
            "install() takes Pyramid's Configurator, before it makes the application: write tocsin.install(config), "
            "then app = config.make_wsgi_app()"
        )
    bound = app.registry.get(_BINDING)
    if bound is not None:
        bound.intake = intake
    elif intake.settings.mode == "production":
        _require_place(app)
        app.registry[_BINDING] = Binding(intake)
        # With an `over`, Pyramid would sort the application's tweens below the exception views, and answers would miss
        # what those tweens put there.
        app.add_tween(_TWEEN)
        app.add_tween(_INNER, under=EXCVIEW)
    if intake.settings.mode == "production":
        intake.add_describer(_describe)
    return app


def _require_place(app: Configurator) -> None:
    explicit = aslist((app.get_settings() or {}).get("pyramid.tweens", ""))
    if explicit and _TWEEN not in explicit:
        raise ConfigError(f"the setting pyramid.tweens lists the tweens: put {_TWEEN} before the others")


def tween_factory(handler: Handler, registry: Registry) -> Handler:
    """Return the tween; ``handler`` itself where nothing is installed, as outside production."""
    binding: Binding | None = registry.get(_BINDING)
    if binding is None:
        return handler

    def tween(request: Request) -> Response:
        # `environ` must stay a plain local of this frame: capture finds the request by it.
        environ: Environ = request.environ
        if binding.intake.is_asleep:
            binding.intake.wake()  # delivery starts with a process's first request, not before its forks
        try:
            response = handler(request)
        except BaseException as fault:
            answer = _failed(binding, request, environ, fault)
            if answer is None:
                raise
            return answer
        try:
            if response.status >= "4":
                _look(binding, request, environ, response)
            if type(response.app_iter) is GeneratorType:
                _watch(binding, environ, response)
        except Exception as own:  # noqa: BLE001 - the answer leaves as it is, whatever happens to its report
            complain("pyramid", "an answer could not be looked at", own)
        return response

    for code in (tween.__code__, *CODES):
        MIDDLEWARE_CODES[id(code)] = code
    if binding.intake.deaths is not None:
        from tocsin.integrations.in_flight import noted_handler, of_environ  # only for those who asked for it

        return noted_handler(tween, binding.intake, lambda asked: (asked.environ, *of_environ(asked.environ)))
    return tween


def inner_tween_factory(handler: Handler, registry: Registry) -> Handler:
    """Return the tween that notes an exception before Pyramid looks for its view.

    Where there is none, Pyramid raises the exception again while it handles its own HTTPNotFound: that would be told
    as what it was raised during, and what it really was is overwritten.
    """
    if _BINDING not in registry:
        return handler

    def inner_tween(request: Request) -> Response:
        try:
            return handler(request)
        except Exception as fault:
            request.environ[_RAISED] = fault, _CONTEXT.__get__(fault)
            raise

    return inner_tween


def _restore(environ: Environ, fault: BaseException) -> None:
    raised, context = environ.pop(_RAISED, (None, None))
    if raised is fault:
        _CONTEXT.__set__(fault, context)


def _failed(binding: Binding, request: Request, environ: Environ, fault: BaseException) -> Response | None:
    """Report what no exception view took; return our page, or None: it must be raised again."""
    try:
        if _is_inner(environ) or _is_tried_again(request, fault):
            return None
        _restore(environ, fault)
        error_id = observer(binding, environ).notice(fault, "tween")
        if error_id is None or not issubclass(type(fault), Exception) or not _is_outermost(request.registry):
            return None
        # As the tween of exception views leaves them for the tweens outside of it.
        request.exception, request.exc_info = fault, sys.exc_info()
        status, headers, body = binding.intake.page(environ, error_id)
        return Response(body, status, headerlist=headers)
    except Exception as own:  # noqa: BLE001 - the application's exception wins over ours
        complain("pyramid", "an exception could not be answered", own)
        return None


def _look(binding: Binding, request: Request, environ: Environ, response: Response) -> None:
    """Look at an answer with an error status: an exception may have become it, by an exception view."""
    environ.pop(_RAISED, None)  # it refers to frames that refer to environ
    status, fault = response.status, request.exception
    if _is_inner(environ) or (fault is not None and _is_tried_again(request, fault)):
        return
    is_error = status >= "5"
    if is_error and fault is not None and not issubclass(type(fault), Response):  # HTTPException is both
        observer(binding, environ).notice(fault, "tween")
    error_id = binding.intake.answer(status, environ)
    if error_id and is_error:
        response.headers[ERROR_ID_HEADER] = error_id


def _watch(binding: Binding, environ: Environ, response: Response) -> None:
    """Put a generator around the one that is the answer's body: it runs when all tweens are through."""
    _describe(environ)
    length = response.content_length
    response.app_iter = stream(environ, observer(binding, environ), response.app_iter, True)
    response.content_length = length  # WebOb drops it with each new body


def _is_inner(environ: Environ) -> bool:
    """Tell whether this is a subrequest: what it raises is for the view that made it, and seen by the outer tween."""
    outer = find_environ(sys._getframe(3))  # past `_failed` or `_look`, and the tween
    return outer is not None and outer is not environ


def _is_outermost(registry: Registry) -> bool:
    """Tell whether no tween is around ours that would see the exception, to roll something back for one."""
    tweens: Any = registry.queryUtility(ITweens)
    order = tweens.explicit or tweens.implicit()
    return bool(order[0][0] == _TWEEN)


def _is_tried_again(request: Request, fault: BaseException) -> bool:
    """Tell whether pyramid_retry is going to make another attempt, which makes this one no failure."""
    retry = sys.modules.get("pyramid_retry")
    return retry is not None and bool(retry.is_error_retryable(request, fault))


def _describe(environ: Any) -> None:
    """Fill in the pattern and the name of the route; where a resource was found by traversal, its class and the view.

    Who is logged in isn't asked: that is for a security policy, code of the application that may run queries.
    """
    request = get_current_request()
    if request is None or request.environ is not environ:
        return
    known = request.__dict__
    route = known.get("matched_route")
    if route is not None:
        environ[ROUTE], environ[ENDPOINT] = route.pattern, route.name
    elif known.get("context") is not None:
        environ[ENDPOINT] = f"{type_name(type(known['context']))}/{known.get('view_name', '')}".rstrip("/")
