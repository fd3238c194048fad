"""Requests, answers and proxies of web frameworks: their method and path, status, state leave; no body, no header.

All are classes of Python: only what was set on an object is read. A proxy is never unwrapped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tocsin.capture import anatomy
from tocsin.capture.describers.registry import Rule
from tocsin.event.typename import type_name

if TYPE_CHECKING:
    from tocsin.capture.values import Values

__all__ = ["RULES"]

_STATUSES: Final = ("_status_code", "status_code", "_status", "status")


def _request(values: Values, value: Any, depth: int) -> str:
    known = anatomy.stored(value)
    scope = dict.get(known, "scope")
    source = scope if type(scope) is dict and "path" in scope else known
    method, path = dict.get(source, "method"), dict.get(source, "path")
    if type(path) is not str:
        return ""
    shown = f"{values.word(method)} " if type(method) is str else ""
    return f"<{type_name(type(value))} {shown}{values.text(path, 0)}>"


def _client_request(values: Values, value: Any, depth: int) -> str:
    method = anatomy.member(value, "method")
    return f"<{type_name(type(value))} {values.word(method)}>" if type(method) is str else ""


def _response(values: Values, value: Any, depth: int) -> str:
    for name in _STATUSES:
        status = anatomy.member(value, name)
        if status is None:
            status = anatomy.defined(type(value), name)
        if type(status) is int:
            return f"<{type_name(type(value))} {values.text(status, 0)}>"
    return ""


def _lazy_object(values: Values, value: Any, depth: int) -> str:
    """Describe Django's lazy object: until it is asked for the first time it holds a bare `object`."""
    wrapped = dict.get(anatomy.stored(value), "_wrapped")
    state = "not evaluated" if type(wrapped) is object else f"evaluated, of {type_name(type(wrapped))}"
    return f"<{type_name(type(value))} ({state})>"


def _local_proxy(values: Values, value: Any, depth: int) -> str:
    return f"<{type_name(type(value))} (not looked into)>"


RULES: Final[dict[str, Rule]] = {
    "werkzeug.sansio.request.Request": Rule(_request),
    "django.http.request.HttpRequest": Rule(_request),
    "starlette.requests.HTTPConnection": Rule(_request),
    "requests.models.PreparedRequest": Rule(_client_request),
    "requests.models.Request": Rule(_client_request),
    "httpx.Request": Rule(_client_request),
    "httpx._models.Request": Rule(_client_request),
    "werkzeug.sansio.response.Response": Rule(_response),
    "django.http.response.HttpResponseBase": Rule(_response),
    "starlette.responses.Response": Rule(_response),
    "requests.models.Response": Rule(_response),
    "httpx.Response": Rule(_response),
    "httpx._models.Response": Rule(_response),
    "django.utils.functional.LazyObject": Rule(_lazy_object),
    "werkzeug.local.LocalProxy": Rule(_local_proxy),
}
