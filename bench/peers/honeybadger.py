"""honeybadger, which sends each report by a thread of its own."""

from __future__ import annotations

import threading
from typing import Any

from sink import Sink

NAME, PACKAGE, MODULE = "honeybadger", "honeybadger", "honeybadger"
CONFIGURATION = '`configure(api_key=…, environment="production", endpoint=…)`; with locals `report_local_variables`'
SINK = "its HTTP transport, to a loopback server that accepts at once"
DEFAULT_LOCALS = False


def start(sink: Sink, has_locals: bool | None) -> None:
    from honeybadger import honeybadger

    honeybadger.configure(
        api_key="hbp_bench",
        environment="production",
        endpoint=sink.url,
        report_local_variables=bool(has_locals),
    )


def wrap_asgi(app: Any) -> Any:
    from honeybadger.contrib.asgi import ASGIHoneybadger

    return ASGIHoneybadger(app)


def capture(exc: BaseException) -> None:
    from honeybadger import honeybadger

    honeybadger.notify(exc)


def drain() -> None:
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join(10)
