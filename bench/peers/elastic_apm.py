"""elastic-apm, the agent's client and its middleware."""

from __future__ import annotations

import sys
from typing import Any

from sink import Sink

NAME, PACKAGE, MODULE = "elastic-apm", "elastic-apm", "elasticapm"
CONFIGURATION = '`Client(service_name=…, server_url=…, environment="production")`'
SINK = "its HTTP transport, to a loopback server that accepts at once"
DEFAULT_LOCALS = True

_clients: list[Any] = []


def start(sink: Sink, has_locals: bool | None) -> None:
    import elasticapm

    more = {} if has_locals is None else {"collect_local_variables": "errors" if has_locals else "off"}
    _clients.append(elasticapm.Client(service_name="shop", server_url=sink.url, environment="production", **more))


def wrap_wsgi(app: Any) -> Any:
    from elasticapm.middleware import ElasticAPM

    return ElasticAPM(app, _clients[0])


def wrap_asgi(app: Any) -> Any:
    from elasticapm.contrib.asgi import ASGITracingMiddleware

    return ASGITracingMiddleware(app)


def capture(exc: BaseException) -> None:
    _clients[0].capture_exception(exc_info=sys.exc_info())


def drain() -> None:
    _clients[0].close()
