"""Web applications are played: an application and a request go in; what its framework tells of a fault is on the stage.

Each framework is listened to where tocsin's integration and those of others listen: Flask's and Django's signals, a
layer around everything else.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import sys
from typing import Any
from urllib.parse import unquote

from stage import Stage

__all__ = ["asked"]


def asked(stage: Stage, kind: str, app: str, request: str, front: str) -> None:
    """Play ``GET /path`` or ``POST /path body``; ``front`` names the layers that are put around the application."""
    method, _, rest = request.partition(" ")
    target, _, body = rest.partition(" ")
    path, _, query = target.partition("?")
    is_json = body.startswith("{")
    sort = (
        "application/json" if is_json else "text/xml" if body.startswith("<") else "application/x-www-form-urlencoded"
    )
    if is_json:
        json.loads(body)  # a play that is none would be another fault
    data = body.encode()
    stage.request = {"method": method, "path": path, "transaction": ""}
    if kind == "asgi":
        asyncio.run(_asgi(stage, _made(app), method, path, query, data, sort, front))
        return
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(data)),
        "CONTENT_TYPE": sort,
        "wsgi.input": io.BytesIO(data),
        "SERVER_NAME": "shop.example",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "shop.example",
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if front == "behind":
        environ |= {"SCRIPT_NAME": "/inside", "HTTP_X_FORWARDED_FOR": "192.0.2.7"}
    stage.environ = environ
    {"wsgi": _wsgi, "flask": _flask, "django": _django}[kind](stage, app, environ, front)


def _made(app: str) -> Any:
    module, _, expression = app.partition(":")
    return eval(expression, vars(importlib.import_module(module)))


def _run(stage: Stage, application: Any, environ: dict[str, Any]) -> None:
    try:
        answer = application(environ, lambda status, headers, exc_info=None: None)
        for _ in answer:
            pass
        if hasattr(answer, "close"):
            answer.close()
    except Exception as exc:
        stage.exception(exc)


def _fronted(application: Any, front: str) -> Any:
    if front == "edge":
        return importlib.import_module("edge").WsgiEdge(application)
    if front == "behind":
        from werkzeug.middleware.proxy_fix import ProxyFix

        return ProxyFix(application)
    return application


def _wsgi(stage: Stage, app: str, environ: dict[str, Any], front: str) -> None:
    _run(stage, _fronted(_made(app), front), environ)


def _flask(stage: Stage, app: str, environ: dict[str, Any], front: str) -> None:
    from flask import got_request_exception, request

    application = _made(app)

    def failed(_: Any, exception: BaseException, **__: Any) -> None:
        rule = request.url_rule
        stage.request |= {"transaction": request.endpoint or "", "route": rule.rule if rule else ""}
        environ["tocsin.route"] = rule.rule if rule else ""
        environ["tocsin.endpoint"] = request.endpoint or ""
        stage.exception(exception)

    # Log calls of the application need the route as well.
    @application.before_request
    def known() -> None:
        rule = request.url_rule
        stage.request |= {"transaction": request.endpoint or "", "route": rule.rule if rule else ""}

    with got_request_exception.connected_to(failed, application):
        application.wsgi_app = _fronted(application.wsgi_app, front)
        _run(stage, application, environ)


def _django(stage: Stage, app: str, environ: dict[str, Any], front: str) -> None:
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.signals import got_request_exception
    from django.urls import clear_url_caches

    layers = {
        "edge": ["edge.django_edge"],
        "behind": ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    }
    settings.MIDDLEWARE = layers.get(front, [])
    settings.ROOT_URLCONF = f"{app}.urls"
    clear_url_caches()

    def failed(sender: Any, request: Any, **_: Any) -> None:
        exc = sys.exc_info()[1]
        match = request.resolver_match
        route = match.route if match else ""
        stage.request |= {"transaction": f"/{route}", "route": route}
        environ["tocsin.route"] = route
        if exc is not None:
            stage.exception(exc)

    got_request_exception.connect(failed, weak=False)
    try:
        _run(stage, WSGIHandler(), environ)
    finally:
        got_request_exception.disconnect(failed)


async def _asgi(
    stage: Stage, application: Any, method: str, path: str, query: str, body: bytes, sort: str, front: str
) -> None:
    if front == "edge":
        application = importlib.import_module("edge").AsgiEdge(application)
    elif front == "behind":
        from starlette.middleware.base import BaseHTTPMiddleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        async def passed(request: Any, call_next: Any) -> Any:
            return await call_next(request)

        application = BaseHTTPMiddleware(TrustedHostMiddleware(application), dispatch=passed)
    headers = [
        (b"host", b"shop.example"),
        (b"content-type", sort.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "client": ("192.0.2.7", 5),
        "server": ("shop.example", 80),
        "state": {},
    }
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if given:
            return given.pop()
        await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        pass

    try:
        await application(scope, receive, send)
    except Exception as exc:
        route = getattr(scope.get("route"), "path", "") or path
        stage.request |= {"transaction": route, "route": route}
        stage.exception(exc)
