"""rollbar, which sends each report by a thread of its own."""

from __future__ import annotations

import threading
from typing import Any

from sink import Sink

NAME, PACKAGE, MODULE = "rollbar", "rollbar", "rollbar"
CONFIGURATION = '`init(token, "production", endpoint=…)`; without locals `locals={"enabled": False}`'
SINK = "its HTTP transport, to a loopback server that accepts at once"
DEFAULT_LOCALS = True


def start(sink: Sink, has_locals: bool | None) -> None:
    import rollbar

    more = {} if has_locals is None else {"locals": {"enabled": has_locals}}
    rollbar.init("token-of-the-bench", "production", endpoint=f"{sink.url}/api/1/", **more)


def wrap_asgi(app: Any) -> Any:
    from rollbar.contrib.asgi import ReporterMiddleware

    return ReporterMiddleware(app)


def capture(exc: BaseException) -> None:
    import rollbar

    rollbar.report_exc_info()


def drain() -> None:
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join(10)
