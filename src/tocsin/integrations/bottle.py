"""Bottle: an application and an intake go in, the same application leaves, reporting.

The WSGI layer is put around ``app.wsgi``, where Bottle names the exception that it answers. What it meets while it
makes a body of what a route returned it only tells the handler of errors 500, so that is listened to as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import bottle

from tocsin.complaints import complain
from tocsin.event.environ import ENDPOINT, ROUTE
from tocsin.event.errors import ConfigError
from tocsin.event.typename import function_name
from tocsin.integrations.answer import put_headers
from tocsin.integrations.binding import BINDING, Binding
from tocsin.integrations.wsgi import guard, wsgi
from tocsin.integrations.wsgi.exchange import Environ, observer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tocsin.intake import Intake

    ErrorHandler = Callable[[bottle.HTTPError], Any]

__all__ = ["install"]

_PHASE: Final = "bottle"
_WORDS: Final = frozenset({"Internal Server Error", "Unhandled exception"})  # Bottle's own, for an exception


def install(app: bottle.Bottle, intake: Intake) -> bottle.Bottle:
    """Make a Bottle application report to ``intake``; the same object comes back.

    Installing again only binds it to the intake given last. Outside production nothing is connected; debug mode offers
    Werkzeug's debugger if the setting ``debugger`` asks for it. Raises ConfigError where another has put a callable
    of its own on ``app.wsgi``, which Bottle lets be set once.
    """
    settings = intake.settings
    is_free = "wsgi" not in app.__dict__
    bound = getattr(app.wsgi, BINDING, None)
    if bound is not None:
        bound.intake = intake
    elif settings.mode == "production":
        if not is_free:
            raise ConfigError("install() found app.wsgi taken; write app = reporter.wsgi(app) for this application")
        binding = Binding(intake, propagates=lambda: not app.catchall)
        app.wsgi = guard(_heeding(app, app.wsgi, binding), binding)
    elif settings.mode == "debug" and settings.debugger and is_free:
        app.catchall = False  # else Bottle answers with a 500 itself, and the debugger never sees the exception
        app.wsgi = wsgi(app.wsgi, intake)
    if settings.mode == "production":
        intake.add_describer(_describe)
    return app


def _heeding(app: bottle.Bottle, answer: Callable[..., Any], binding: Binding) -> Callable[..., Iterable[bytes]]:
    """Return Bottle's own WSGI callable, after a look at whether the handler of errors 500 is still the one of ours.

    At each request, because ``@app.error(500)`` replaces it whenever that comes.
    """
    handlers: dict[int, ErrorHandler] = app.error_handler
    heard: ErrorHandler | None = None

    def heeding(environ: Environ, start_response: Any) -> Any:
        nonlocal heard
        if heard is None or handlers.get(500) is not heard:
            heard = handlers[500] = _listening(handlers.get(500), app, binding)
        return answer(environ, start_response)

    return heeding


def _listening(handler: ErrorHandler | None, app: bottle.Bottle, binding: Binding) -> ErrorHandler:
    """Return a handler of errors 500 that reports what they come from, and answers as ``handler`` does.

    Without one of the application's our page stands in for Bottle's; an error with words of its own, and Bottle's
    debug mode, keep theirs.
    """

    def heard(error: bottle.HTTPError) -> Any:
        fault = error.exception
        try:
            error_id = None if fault is None else _notice(binding, fault)
            if handler is None and error_id is not None and not bottle.DEBUG and _is_bottles(error.body):
                return _page(binding, error_id)
        except Exception as own:  # noqa: BLE001 - the application's answer wins over ours
            complain("bottle", "an error could not be reported", own)
        return (handler or app.default_error_handler)(error)

    return heard


def _notice(binding: Binding, fault: BaseException) -> str | None:
    return observer(binding, bottle.request.environ).notice(fault, _PHASE)


def _is_bottles(words: object) -> bool:
    return type(words) is str and words in _WORDS


def _page(binding: Binding, error_id: str) -> bytes:
    _, headers, body = binding.intake.page(bottle.request.environ, error_id)
    put_headers(headers, bottle.response.set_header, lambda value: bottle.response.add_header("Vary", value))
    return body


def _describe(environ: Any) -> None:
    """Fill in the rule and the callback of the route that Bottle left in environ."""
    route = environ.get("bottle.route")
    if type(route) is not bottle.Route:
        return
    environ[ROUTE] = route.rule
    endpoint = function_name(route.callback)
    if endpoint:
        environ[ENDPOINT] = endpoint
