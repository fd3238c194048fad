"""The middleware: a request goes in; its answer leaves, with the error id, and our page in place of the default one.

By Django's own rules for middleware that is both sync and async, so it costs no change of thread in either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.http import FileResponse
from django.utils.cache import patch_vary_headers
from django.views import defaults

from tocsin.capture.present import leave
from tocsin.capture.scopes import SCOPE
from tocsin.complaints import complain
from tocsin.event.error_id import ERROR_ID_HEADER
from tocsin.integrations.answer import put_headers
from tocsin.integrations.django.faults import answered, broken, present
from tocsin.integrations.django.requests import environ_for, scope_for

__all__ = ["Middleware", "looked_at"]

_APP: Final = "tocsin.integrations.django"
_TITLE: Final = "Server Error (500)"
_FIRST_ERROR: Final = 400


class Middleware:
    """Give error answers ``X-Error-Id`` and the default 500 page's place to ours; report streams that break.

    Log records of async views, threads and tasks get their request by it. The first line of ``MIDDLEWARE``. Not used
    outside of production. Raises ImproperlyConfigured where the app isn't installed.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        intake = present()
        if intake is None:
            if not apps.is_installed(_APP):
                raise ImproperlyConfigured(f'{_APP}.Middleware needs "{_APP}" in INSTALLED_APPS')
            raise MiddlewareNotUsed("tocsin reports nothing in this mode")
        if intake.deaths is not None:
            from tocsin.integrations.in_flight import noted_handler  # only for those who asked for it

            get_response = noted_handler(get_response, intake, lambda asked: (asked.META, asked.method, asked.path))
        self.get_response = get_response
        self._is_async = bool(iscoroutinefunction(get_response))
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Be called by Django once per request."""
        if self._is_async:
            return self._later(request)
        token = SCOPE.set(scope_for(request))
        try:
            response = self.get_response(request)
        finally:
            leave(SCOPE, token)
        return looked_at(response, request)

    async def _later(self, request: Any) -> Any:
        token = SCOPE.set(scope_for(request))
        try:
            response = await self.get_response(request)
        finally:
            leave(SCOPE, token)
        return looked_at(response, request)


def looked_at(response: Any, request: Any) -> Any:
    """Return the same response, marked if it is an error, its body watched if it is a stream."""
    try:
        if response.status_code >= _FIRST_ERROR:
            _mark(response, request)
        # A file is left alone: the server's sendfile wants it as it is.
        if response.streaming and not isinstance(response, FileResponse):
            content = response.streaming_content
            watch = _watched_later if response.is_async else _watched
            response.streaming_content = watch(content, request)
    except Exception as own:  # noqa: BLE001 - an answer leaves as it is, whatever happens to its report
        complain("django", "an answer could not be marked with its error id", own)
    return response


def _mark(response: Any, request: Any) -> None:
    error_id = answered(response.status_code, request)
    intake = present()
    if error_id is None or intake is None or response.status_code < 500:
        return
    if _is_default_page(response):
        _, headers, body = intake.page(environ_for(request), error_id)
        response.content = body
        put_headers(headers, response.__setitem__, lambda value: patch_vary_headers(response, [value]))
    response[ERROR_ID_HEADER] = error_id


def _is_default_page(response: Any) -> bool:
    """Tell whether the body is the one that Django makes where a project has neither ``500.html`` nor handler."""
    if response.status_code != 500 or response.streaming or response.has_header("Content-Encoding"):
        return False
    default: str = getattr(defaults, "ERROR_PAGE_TEMPLATE", "") % {"title": _TITLE, "details": ""}
    return bool(response.content == default.encode())


def _watched(content: Iterable[bytes], request: Any) -> Iterator[bytes]:
    try:
        yield from content
    except Exception as fault:
        _broken_stream(fault, request)
        raise


async def _watched_later(content: AsyncIterator[bytes], request: Any) -> AsyncIterator[bytes]:
    try:
        async for chunk in content:
            yield chunk
    except Exception as fault:
        _broken_stream(fault, request)
        raise


def _broken_stream(fault: BaseException, request: Any) -> None:
    error_id = broken(fault, request, "django.stream")
    intake = present()
    if error_id is not None and intake is not None:
        intake.announce(error_id, environ_for(request))
