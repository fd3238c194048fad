"""sentry-sdk, errors only: tracing is off, as it is unless asked for."""

from __future__ import annotations

from typing import Any

from sink import Sink

NAME, PACKAGE, MODULE = "sentry-sdk", "sentry-sdk", "sentry_sdk"
CONFIGURATION = '`init(dsn=…, environment="production")`; without locals `include_local_variables=False`'
SINK = "its HTTP transport, to a loopback server that accepts at once"
DEFAULT_LOCALS = True


def start(sink: Sink, has_locals: bool | None) -> None:
    import sentry_sdk

    more = {} if has_locals is None else {"include_local_variables": has_locals}
    dsn = f"http://0123456789abcdef0123456789abcdef@127.0.0.1:{sink.http_port}/1"
    sentry_sdk.init(dsn=dsn, environment="production", release="1.0", **more)


def wrap_wsgi(app: Any) -> Any:
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

    return SentryWsgiMiddleware(app)


def wrap_asgi(app: Any) -> Any:
    from sentry_sdk.integrations.asgi import SentryAsgiMiddleware

    return SentryAsgiMiddleware(app)


def capture(exc: BaseException) -> None:
    import sentry_sdk

    sentry_sdk.capture_exception(exc)


def drain() -> None:
    import sentry_sdk

    sentry_sdk.flush(timeout=10)
