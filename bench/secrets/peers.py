"""The others, by their public interfaces: acts go in; the bytes of each one's reports leave, by the act's number.

Each is told by the way its documentation names first, with its defaults. ``is_on`` false is for the search's proof:
the same without any scrubbing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from acts import LOGGER, bring_about
from places import Act
from servers import mail_views, serving

__all__ = ["NAMES", "reports"]

NAMES = {
    "django": "Django's SafeExceptionReporterFilter",
    "sentry-sdk": "sentry-sdk's EventScrubber, `send_default_pii=False`",
    "rollbar": "Rollbar's default `scrub_fields`",
}


def reports(who: str, acts: Sequence[Act[Any]], folder: Path, *, is_on: bool) -> tuple[str, dict[int, bytes]]:
    """Return (version, what was reported of each act)."""
    logging.getLogger(LOGGER).setLevel(logging.DEBUG)
    found: dict[int, bytes] = {}
    with {"django": _django, "sentry-sdk": _sentry, "rollbar": _rollbar}[who](folder, is_on) as stage:
        for act in acts:
            bring_about(act, stage)
            found[act.number] = stage.take()
    return version(who), found


class _Stage:
    """What the three have in common."""

    def __init__(self, folder: Path, take: Callable[[], bytes]) -> None:
        self.folder = folder
        self.take = take

    def around(self, fields: dict[str, Any], tags: dict[str, Any]) -> AbstractContextManager[object]:
        return nullcontext()

    @contextmanager
    def task(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.caught(error, None)

    def caught(self, error: Exception, environ: dict[str, Any] | None) -> None:
        raise NotImplementedError

    def request(self, environ: dict[str, Any], view: Callable[[], None]) -> None:
        error = _raised(view)
        if error is not None:
            self.caught(error, environ)


def _raised(view: Callable[[], None]) -> Exception | None:
    """Return what a view raises: frameworks catch it in a frame that does not hold the request's environ."""
    try:
        view()
    except Exception as error:
        return error
    return None


# -- sentry-sdk --------------------------------------------------------------------------------------------


class _Sentry(_Stage):
    def request(self, environ: dict[str, Any], view: Callable[[], None]) -> None:
        from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            view()
            return []

        with suppress(Exception):
            list(SentryWsgiMiddleware(app)(environ, lambda *arguments: bytes))

    def caught(self, error: Exception, environ: dict[str, Any] | None) -> None:
        import sentry_sdk

        sentry_sdk.capture_exception(error)

    def report(self, message: str, fields: dict[str, Any]) -> None:
        import sentry_sdk

        with self.around(fields, {}):
            sentry_sdk.capture_message(message, level="error")

    @contextmanager
    def around(self, fields: dict[str, Any], tags: dict[str, Any]) -> Iterator[None]:
        import sentry_sdk

        # Set on the scope that the report is made in: a middleware reports outside of any that is opened here.
        scope = sentry_sdk.get_isolation_scope()
        for name, value in fields.items():
            scope.set_extra(name, value)
        for name, value in tags.items():
            scope.set_tag(name, value)
        yield


@contextmanager
def _sentry(folder: Path, is_on: bool) -> Iterator[_Stage]:
    import sentry_sdk
    from sentry_sdk.scrubber import EventScrubber
    from sentry_sdk.transport import Transport

    kept: list[bytes] = []

    class Keeping(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            kept.append(envelope.serialize())

    def take() -> bytes:
        sentry_sdk.get_isolation_scope().clear()
        found, kept[:] = b"\n".join(kept), []
        return found

    more = {} if is_on else {"event_scrubber": EventScrubber([], pii_denylist=[]), "send_default_pii": True}
    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Keeping, environment="production", **more)
    yield _Sentry(folder, take)


# -- Rollbar -----------------------------------------------------------------------------------------------


class _Rollbar(_Stage):
    def __init__(self, folder: Path, take: Callable[[], bytes]) -> None:
        super().__init__(folder, take)
        self._fields: dict[str, Any] = {}

    def caught(self, error: Exception, environ: dict[str, Any] | None) -> None:
        import rollbar
        from werkzeug.wrappers import Request

        request = None if environ is None else Request(environ)
        rollbar.report_exc_info((type(error), error, error.__traceback__), request, extra_data=self._fields)
        self._fields = {}

    def report(self, message: str, fields: dict[str, Any]) -> None:
        import rollbar

        rollbar.report_message(message, extra_data=fields)

    def around(self, fields: dict[str, Any], tags: dict[str, Any]) -> AbstractContextManager[object]:
        self._fields = {**fields, **tags}
        return nullcontext()


@contextmanager
def _rollbar(folder: Path, is_on: bool) -> Iterator[_Stage]:
    import rollbar
    from rollbar.logger import RollbarHandler

    more: dict[str, Any] = {} if is_on else {"scrub_fields": [], "url_fields": []}
    with serving() as (posts, _):
        rollbar.init(
            "token", "production", handler="blocking", endpoint=f"http://127.0.0.1:{posts.port}/api/1/", **more
        )
        logging.getLogger().addHandler(RollbarHandler())
        logging.getLogger("rollbar").propagate = False
        yield _Rollbar(folder, posts.take)


# -- Django ------------------------------------------------------------------------------------------------


class _Django(_Stage):
    def caught(self, error: Exception, environ: dict[str, Any] | None) -> None:
        from django.core.handlers.wsgi import WSGIRequest

        extra = {} if environ is None else {"request": WSGIRequest(environ), "status_code": 500}
        logging.getLogger("django.request").error("Internal Server Error", exc_info=error, extra=extra)

    def report(self, message: str, fields: dict[str, Any]) -> None:
        logging.getLogger(LOGGER).error("%s", message, extra=fields)


@contextmanager
def _django(folder: Path, is_on: bool) -> Iterator[_Stage]:
    import django
    from django.conf import settings
    from django.core import mail

    unfiltered = f"{__name__}.unfiltered"
    usual = "django.views.debug.SafeExceptionReporterFilter"
    settings.configure(
        ADMINS=[("Ops", "ops@example.org")],
        ALLOWED_HOSTS=["*"],
        DEFAULT_EXCEPTION_REPORTER_FILTER=usual if is_on else unfiltered,
        EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend",
        LOGGING_CONFIG=None,
        ROOT_URLCONF=__name__,
        SECRET_KEY="x",
    )
    django.setup()
    from django.utils.log import AdminEmailHandler

    handler = AdminEmailHandler(include_html=True)
    handler.setLevel(logging.ERROR)
    logging.getLogger().addHandler(handler)
    mail.outbox = []

    def take() -> bytes:
        found = b"\n".join(mail_views(each.message().as_bytes()) for each in mail.outbox)
        mail.outbox.clear()
        return found

    yield _Django(folder, take)


urlpatterns: list[Any] = []


def unfiltered() -> Any:
    """Return Django's filter with nothing hidden."""
    from django.views.debug import SafeExceptionReporterFilter

    class Unfiltered(SafeExceptionReporterFilter):
        hidden_settings = re.compile(r"(?!)")

        def is_active(self, request: Any) -> bool:
            return False

    return Unfiltered()
