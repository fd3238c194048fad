"""Exceptions that are no fault of the application: an exception goes in, whether it is one of those leaves."""

from __future__ import annotations

from types import FrameType
from typing import Final

from tocsin.capture import anatomy
from tocsin.capture.frames import is_hidden, module_of
from tocsin.event import limits
from tocsin.event.typename import type_name

__all__ = ["is_bad_host", "is_disconnect", "is_worker_timeout"]

_DISCONNECTS: Final = frozenset(
    {
        "django.core.exceptions.RequestAborted",
        "django.http.request.UnreadablePostError",
        "falcon.errors.WebSocketDisconnected",
        "gevent.pywsgi._InvalidClientInput",
        "gunicorn.http.errors.ChunkMissingTerminator",
        "gunicorn.http.errors.InvalidChunkSize",
        "gunicorn.http.errors.NoMoreData",
        "starlette.requests.ClientDisconnect",
        "starlette.websockets.WebSocketDisconnect",
        "tornado.websocket.WebSocketClosedError",
        "uvicorn.protocols.utils.ClientDisconnected",
        "waitress.channel.ClientDisconnected",
        "werkzeug.exceptions.ClientDisconnected",
    }
)
_BAD_HOSTS: Final = frozenset(
    {
        "django.core.exceptions.DisallowedHost",
        "werkzeug.exceptions.BadHost",
        "werkzeug.exceptions.SecurityError",
    }
)
# Modules that read a request from its connection or write the response to it.
_SERVERS: Final = (
    "aiohttp.http_writer",
    "aiohttp.web_",
    "bjoern",
    "cheroot.",
    "eventlet.wsgi",
    "gevent.pywsgi",
    "gunicorn.",
    "http.server",
    "mod_wsgi",
    "socketserver",
    "tornado.http1connection",
    "uvicorn.protocols.",
    "waitress.",
    "werkzeug.serving",
    "wsgiref.",
)
# What lies between a server and the kernel; anybody else's socket passes here too, so it says nothing itself.
_TRANSPORTS: Final = (
    "socket",
    "ssl",
    "_socket",
    "asyncio.proactor_events",
    "asyncio.selector_events",
    "asyncio.sslproto",
    "gevent._socket3",
    "gevent._socketcommon",
    "gevent._ssl3",
    "gevent.ssl",
)
# Servers written in C have no frame: their words have to do. Each is an OSError with one text.
_SERVER_WORDS: Final = (
    "error during read(",  # uWSGI
    "error during readline(",
    "write error",
    "Apache/mod_wsgi request data read error",
    "Apache/mod_wsgi failed to write response data",
)
_MIDDLEMEN: Final = (
    "aiohttp._websocket.",  # of its server and its client
    "aiohttp.base_protocol",
    "aiohttp.http_websocket",
    "aiohttp.streams",
    "codecs",
    "tempfile",
    "werkzeug.middleware.",
    "werkzeug.wsgi",
    "wsgiref.validate",
)


def is_disconnect(exc: BaseException) -> bool:
    """Return whether an exception says that the client went away.

    By the exception's class, or, for errors of any connection, only if the innermost frames are a web server's:
    a broken pipe to a database is a fault. A group, as task groups raise it, is one if all that it holds are.
    """
    if issubclass(type(exc), BaseExceptionGroup):
        return _are_disconnects(exc)
    if _is_any_of(exc, _DISCONNECTS):
        return True
    if not issubclass(type(exc), OSError):
        return False
    if issubclass(type(exc), (ConnectionError, TimeoutError)):
        return _is_from_server(exc)
    values = anatomy.args(exc)
    text = values[0] if len(values) == 1 else None
    return type(exc) is OSError and type(text) is str and text.startswith(_SERVER_WORDS)


def _are_disconnects(group: BaseException) -> bool:
    """Tell whether all exceptions of a group are disconnects, those of inner groups too."""
    waiting, looked_at = [group], 0
    while waiting:
        members = anatomy.members(waiting.pop())
        looked_at += len(members)
        if looked_at > limits.DISCONNECT_MEMBERS:
            return False
        for member in members:
            if issubclass(type(member), BaseExceptionGroup):
                waiting.append(member)
            elif not is_disconnect(member):
                return False
    return True


def is_bad_host(exc: BaseException) -> bool:
    """Return whether an exception says that a request's Host header is not one of ours."""
    return _is_any_of(exc, _BAD_HOSTS)


def is_worker_timeout(exc: BaseException) -> bool:
    """Return whether a SystemExit was raised by gunicorn's abort handler: the worker's time was up."""
    if not issubclass(type(exc), SystemExit):
        return False
    for frame in reversed(_frames(exc)):
        if frame.f_code.co_name.startswith("handle_abort") and module_of(frame).startswith("gunicorn.workers."):
            return True
    return False


def _is_any_of(exc: BaseException, names: frozenset[str]) -> bool:
    return any(type_name(cls) in names for cls in anatomy.mro(type(exc)))


def _is_from_server(exc: BaseException) -> bool:
    for frame in reversed(_frames(exc)):
        module = module_of(frame)
        if module in _TRANSPORTS or module.startswith(_MIDDLEMEN) or is_hidden(module):
            continue
        return module.startswith(_SERVERS)
    return False


def _frames(exc: BaseException) -> list[FrameType]:
    found = []
    entry = anatomy.traceback(exc)
    while entry is not None:
        found.append(entry.tb_frame)
        del found[:-16]  # only the innermost say anything
        entry = entry.tb_next
    return found
