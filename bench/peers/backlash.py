"""backlash: its WSGI middleware with the mail reporter, the one that needs no other service."""

from __future__ import annotations

from typing import Any

from sink import Sink

NAME, PACKAGE, MODULE = "backlash", "backlash", "backlash"
CONFIGURATION = "`TraceErrorsMiddleware` with `EmailReporter`, no request; with locals `dump_local_frames=True`"
SINK = "its mail, on the failing thread, to a loopback server that accepts at once"
DEFAULT_LOCALS = False

_reporters: list[Any] = []


def start(sink: Sink, has_locals: bool | None) -> None:
    from backlash.tracing.reporters.mail import EmailReporter

    reporter = EmailReporter(
        smtp_server="127.0.0.1",
        smtp_port=sink.smtp_port,
        from_address="shop@example.org",
        error_email="ops@example.org",
        dump_local_frames=bool(has_locals),
    )
    _reporters.append(reporter)


def wrap_wsgi(app: Any) -> Any:
    from backlash import TraceErrorsMiddleware

    return TraceErrorsMiddleware(app, _reporters, [])


def capture(exc: BaseException) -> None:
    from backlash.tbtools import get_current_traceback
    from backlash.utils import RequestContext

    # What TraceErrorsMiddleware does with an exception, but for its line in wsgi.errors.
    context = RequestContext({"environ": {}})
    _reporters[0].report(get_current_traceback(skip=0, show_hidden_frames=False, context=context))
