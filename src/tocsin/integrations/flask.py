"""Flask: an application and an intake go in, the same application leaves, reporting by its documented signals.

`got_request_exception` tells what Flask turns into a 500 itself, `request_finished` gives the answer its error id
and, where it is the default one, our page. What goes past both (streamed bodies, teardown, outer middleware)
meets the WSGI layer, which is put around ``app.wsgi_app``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from flask import got_request_exception, has_request_context, request, request_finished
from flask.logging import default_handler
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError
from werkzeug.wsgi import get_host

from tocsin.complaints import complain
from tocsin.config.loggers import is_handled_elsewhere
from tocsin.event.environ import COUNTED, ENDPOINT, ROUTE
from tocsin.event.error_id import ERROR_ID_HEADER
from tocsin.event.errors import ConfigError
from tocsin.integrations.answer import HANDLED, put_headers
from tocsin.integrations.binding import Binding
from tocsin.integrations.echo import settle_echo
from tocsin.integrations.wsgi import guard, wsgi
from tocsin.integrations.wsgi.exchange import Environ

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Response

    from tocsin.intake import Intake

__all__ = ["install"]

_EXTENSION: Final = "tocsin"
_BAD_HOST: Final = "bad_host"
_AGAIN: Final = "Request finalizing failed with an error while handling an error"


def install(app: Flask, intake: Intake) -> Flask:
    """Make a Flask application report to ``intake``; the same object comes back.

    Installing again only binds it to the intake given last. Outside production nothing is connected: debug
    mode catches nothing, and offers Werkzeug's debugger if the setting ``debugger`` asks for it. Raises ConfigError
    when the application has answered a request already.
    """
    bound = app.extensions.get(_EXTENSION)
    if bound is not None:
        bound.intake = intake
    elif intake.settings.mode != "production":
        if intake.settings.mode == "debug" and intake.settings.debugger:
            # Else Flask answers with a 500 itself, and the debugger never sees the exception.
            app.config["PROPAGATE_EXCEPTIONS"] = True
        app.wsgi_app = wsgi(app.wsgi_app, intake)  # type: ignore[method-assign,assignment]
    else:
        binding = Binding(intake, propagates=lambda: _propagates(app))
        _hook(app)
        app.extensions[_EXTENSION] = binding
        app.wsgi_app = guard(app.wsgi_app, binding)  # type: ignore[method-assign,assignment]
    return app


def _hook(app: Flask) -> None:
    try:
        app.before_request(_describe)
    except AssertionError:  # Flask's check that set-up is over
        raise ConfigError(
            f"install({app.name}): the application has answered a request already; install before the first one"
        ) from None
    got_request_exception.connect(_on_exception, app)
    request_finished.connect(_on_answer, app)
    app.handle_user_exception = _remembering(app.handle_user_exception)  # type: ignore[method-assign,assignment]
    if _settle not in app.logger.filters:
        app.logger.addFilter(_settle)
    _keep_on_logging(app)


def _remembering(handle: Callable[[Exception], Any]) -> Callable[[Exception], Any]:
    """Return Flask's `handle_user_exception` with a memory: a handler of the application may make it a 500.

    No signal tells of an exception that an `errorhandler(Exception)` took; the answer's status says whether it was
    a fault. Put on the application itself, as Flask's documentation does with `wsgi_app`.
    """

    def handle_user_exception(e: Exception) -> Any:
        answer = handle(e)  # raises what no handler takes
        if not isinstance(e, HTTPException):
            request.environ[HANDLED] = e
        return answer

    return handle_user_exception


def _keep_on_logging(app: Flask) -> None:
    """Give the application's logger Flask's own handler, where only ours is in the way of its being there.

    Flask adds it when nobody else handles what the application logs, and the handler that `setup` adds to the root
    logger looks as if somebody did.
    """
    if not is_handled_elsewhere(app.logger):
        app.logger.addHandler(default_handler)


def _settle(record: logging.LogRecord) -> bool:
    """Take Flask's record of an ``after_request`` that fails again, on the answer to its own failure, for told."""
    if type(record.msg) is str and record.msg == _AGAIN and has_request_context():
        settle_echo(record, request.environ)
    return True


def _describe() -> None:
    """Put route template and endpoint into environ, where every capture of this request finds them.

    Early, because Flask takes its request out of environ before a body is streamed or a teardown fails. As a
    ``before_request`` function, the cheapest documented hook (0.7 µs a request; a receiver of `request_started` costs
    1.2, a preprocessor of URL values 1.8). What runs before it may fail, so the other hooks ask for it again.
    """
    current = request._get_current_object()  # type: ignore[attr-defined]
    rule = current.url_rule
    if rule is not None:
        current.environ[ROUTE] = rule.rule
        current.environ[ENDPOINT] = rule.endpoint


def _propagates(app: Flask) -> bool:
    """Tell whether Flask lets exceptions through, by the rule of its documentation (PROPAGATE_EXCEPTIONS)."""
    said = app.config["PROPAGATE_EXCEPTIONS"]
    return bool(app.testing or app.debug) if said is None else bool(said)


def _on_exception(app: Flask, exception: Exception, **_: Any) -> None:
    """Capture what Flask is about to log and to answer with a 500. It announces the exception itself."""
    try:
        _describe()
        intake = app.extensions[_EXTENSION].intake
        intake.exception(exception, kind="traceback", via="flask", environ=request.environ)
    except Exception as own:  # noqa: BLE001 - the application's exception wins over ours
        complain("flask", "an exception could not be reported", own)


def _on_answer(app: Flask, response: Response, **_: Any) -> None:
    """Look at an error answer before it leaves; of any other, only at its status."""
    handled = request.environ.pop(HANDLED, None)  # popped at once: it refers to frames that refer to environ
    if response.status_code < 400:
        return
    try:
        _describe()
        intake = app.extensions[_EXTENSION].intake
        if response.status_code >= 500:
            if handled is not None:
                intake.exception(handled, kind="traceback", via="flask", environ=request.environ)
            _mark(response, intake, request.environ)
        elif response.status_code == 400:
            _count_bad_host(intake, request.environ)
    except Exception as own:  # noqa: BLE001 - the answer leaves as it is, whatever happens to its report
        complain("flask", "an answer could not be marked with its error id", own)


def _mark(response: Response, intake: Intake, environ: Environ) -> None:
    """Give an answer its error id, and our page in place of the default one."""
    error_id = intake.answer(response.status, environ)
    if not error_id:
        return
    response.headers[ERROR_ID_HEADER] = error_id
    if _is_default_page(response):
        _, headers, body = intake.page(environ, error_id)
        response.set_data(body)
        put_headers(headers, response.headers.__setitem__, response.vary.add)


def _is_default_page(response: Response) -> bool:
    """Tell whether the body is the one Werkzeug makes for a 500 that nobody wrote a page for.

    Its length is compared first: a body is only read when that says that it is no stream of somebody's own. For
    HEAD it is empty, with that length.
    """
    default = InternalServerError().get_body().encode()
    return (
        response.status_code == 500
        and response.mimetype == "text/html"
        and response.content_length == len(default)
        and response.get_data() == (b"" if request.method == "HEAD" else default)
    )


def _count_bad_host(intake: Intake, environ: Environ) -> None:
    """Have a 400 for a Host that is not trusted counted only: scanners send them, and nothing is wrong.

    Werkzeug is asked again, because no signal tells which exception became the answer.
    """
    try:
        get_host(environ, request.trusted_hosts)
    except SecurityError as refusal:
        environ[COUNTED] = _BAD_HOST
        intake.exception(refusal, via="flask", environ=environ)
